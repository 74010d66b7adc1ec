"""One process at a time writes to a folder, and a dead one leaves it free."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.io.claim import claimed

pytest.importorskip("fcntl")

_HOLDER = """
import sys, time
from pathlib import Path
from prosepose_jax.io.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(120)
"""


def test_a_killed_process_gives_its_folder_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another prosepose is writing"), claimed(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with claimed(tmp_path):
        pass
    with claimed(tmp_path):  # and so does one that is done
        pass


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent: cannot be written to"), claimed(tmp_path / "absent"):
        pass
