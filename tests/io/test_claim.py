"""One process at a time writes to a folder, and a dead one leaves it free."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.io import claim
from prosepose_jax.io.claim import claimed
from prosepose_jax.lmm.answer_log import AnswerLog

pytest.importorskip("fcntl")

_HOLDER = """
import sys, time
from pathlib import Path
from prosepose_jax.io.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.mark.heavy
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
    with pytest.raises(FileNotFoundError, match="absent"), claimed(tmp_path / "absent"):
        pass


def test_what_killed_processes_left_half_written_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = [
        tmp_path / f".a.json.{ended.pid}-0123abcd.tmp", tmp_path / "fits" / f".b.npz.{ended.pid}-ffffffff.tmp",
        tmp_path / f".a.json.{os.getpid()}-0123abcd.tmp",
    ]  # fmt: skip
    kept = [
        tmp_path / ".a.tmp", tmp_path / "a.tmp", tmp_path / ".hidden" / f".b.npz.{ended.pid}-ffffffff.tmp",
        tmp_path / f".metrics.json.{os.getppid()}-0123abcd.tmp",  # of a process that still runs
    ]  # fmt: skip
    for file in (*left, *kept):
        file.parent.mkdir(exist_ok=True)
        file.touch()
    with claimed(tmp_path):
        pass
    assert not any(file.exists() for file in left) and all(file.exists() for file in kept)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no locks."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(claim.fcntl, "flock", refuse)


def _lease_of_another(folder: Path, seconds_ago: float, host: str = "elsewhere", pid: int = 1) -> Path:
    file = folder / ".running.lease"
    file.write_text(json.dumps({"pid": pid, "host": host, "token": "another"}))
    os.utime(file, (time.time() - seconds_ago,) * 2)
    return file


def test_without_locks_a_lease_keeps_the_second_process_out(no_locks: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(claim, "HEARTBEAT_S", 0.02)
    with claimed(tmp_path):
        file = tmp_path / ".running.lease"
        os.utime(file, (1.0, 1.0))
        while file.stat().st_mtime == 1.0:  # the heartbeat
            time.sleep(0.01)
        with pytest.raises(InputError, match="another prosepose is writing .*last seen"), claimed(tmp_path):
            pass
    assert [p.name for p in tmp_path.iterdir()] == [".running"]
    with claimed(tmp_path):
        pass


def test_a_lease_lasts_until_its_owner_is_silent(no_locks: None, tmp_path: Path) -> None:
    _lease_of_another(tmp_path, seconds_ago=5)
    with pytest.raises(InputError, match="process 1 on elsewhere"), claimed(tmp_path):
        pass
    _lease_of_another(tmp_path, seconds_ago=claim.VOID_AFTER_S + 5)
    with claimed(tmp_path):
        pass
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    _lease_of_another(tmp_path, seconds_ago=1, host=socket.gethostname(), pid=gone.pid)
    with claimed(tmp_path):
        pass


def test_a_damaged_lease_is_void_in_time(no_locks: None, tmp_path: Path) -> None:
    file = _lease_of_another(tmp_path, seconds_ago=claim.VOID_AFTER_S + 5)
    moment = file.stat().st_mtime
    file.write_text("{")
    os.utime(file, (moment, moment))
    with claimed(tmp_path):
        pass


def test_two_asks_without_locks(no_locks: None, tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match="another prosepose ask is writing"):
        AnswerLog(tmp_path / "a.jsonl")
    log.close()
    AnswerLog(tmp_path / "a.jsonl").close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]
