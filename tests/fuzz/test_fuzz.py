"""A little of `make fuzz`: every reader, the same inputs every time; and what longer runs have found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import TARGETS, run_one, summary
from fuzz_foreign import foreign_targets
from fuzz_inputs import make_input
from fuzz_targets import own_targets
from fuzz_whole import whole_targets

_FUZZ = Path(__file__).with_name("fuzz.py")
_OWN = [target.name for target in own_targets()]
_FOREIGN = [target.name for target in foreign_targets()]
_WHOLE = [target.name for target in whole_targets()]


def _feed(name: str, count: int, folder: Path) -> None:
    target = TARGETS[name]
    assert run_one(target, target.good(), folder, 1 << 60).problem == ""
    for number in range(count):
        data = make_input(target, (1, number))
        assert data == make_input(target, (1, number))
        assert run_one(target, data, folder, 1 << 60).problem == "", f"input (1, {number})"


@pytest.mark.parametrize("name", _OWN)
@pytest.mark.filterwarnings("ignore")
def test_damaged_inputs_end_in_input_errors(name: str, tmp_path: Path) -> None:
    _feed(name, 25, tmp_path)


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")
def test_other_tools_files_too(tmp_path: Path) -> None:
    for name in _FOREIGN:
        _feed(name, 5, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", _WHOLE)
@pytest.mark.filterwarnings("ignore")
def test_odd_scenes_are_fitted_and_damaged_folders_mended(name: str, tmp_path: Path) -> None:
    _feed(name, 25, tmp_path)


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, str(_FUZZ), f"--out={tmp_path}", "--targets=answers.json,url.txt"]
    for count in (50, 120):
        done = subprocess.run([*command, f"--count={count}"], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0 and f"{count} inputs of 2 readers, 0 found" in done.stdout, done.stdout
    state = json.loads((tmp_path / "state0.json").read_text())
    assert state["next"] == 120 and sum(counts[0] for counts in state["readers"].values()) == 120


def test_parts_are_added_up() -> None:
    states = [{"found": 1, "seconds": 2.0, "level": 9 << 20, "readers": {"url.txt": [3, 2, 0.003, 0.002, 5 << 20]}}] * 2
    lines = summary(states).splitlines()
    assert lines[1].split() == ["url.txt", "6", "4", "1.00", "2", "5"]
    assert lines[2] == "6 inputs of 1 readers, 2 found, 4 s, 9 MiB kept"
