"""A little of `make fuzz`: every reader, the same inputs every time; and what longer runs have found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import run_one
from fuzz_inputs import make_input
from fuzz_targets import TARGETS

_EACH = 25
_FUZZ = Path(__file__).with_name("fuzz.py")


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_inputs_end_in_input_errors(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    assert run_one(target, target.good(), tmp_path, 1 << 60) == ""
    for number in range(_EACH):
        data = make_input(target, (1, number))
        assert data == make_input(target, (1, number))
        assert run_one(target, data, tmp_path, 1 << 60) == "", f"input (1, {number})"


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, str(_FUZZ), f"--out={tmp_path}", "--targets=answers.json,url.txt"]
    for count in (50, 120):
        done = subprocess.run([*command, f"--count={count}"], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and done.stdout.startswith(f"{count} inputs of 2 readers, 0 found"), done.stdout
