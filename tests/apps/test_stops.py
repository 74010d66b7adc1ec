"""How commands end when a signal or the system stops them."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from prosepose_jax.apps import main as app
from prosepose_jax.apps._stops import Stopped, interrupted, refused, signals_as_interrupts


@pytest.fixture(autouse=True)
def _as_in_a_terminal() -> Iterator[None]:
    """Signals that whoever runs the tests ignores (nohup, a job in the background) are not ignored here."""
    wanted = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _verb(monkeypatch: pytest.MonkeyPatch, run: Callable[[], int]) -> None:
    class Module:
        @staticmethod
        def main(_: list[str]) -> int:
            return run()

    monkeypatch.setattr(app.importlib, "import_module", lambda _: Module)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/disk/a.npz"), "/disk/a.npz: no space left on device"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk quota exceeded"),
        (PermissionError(errno.EACCES, "Permission denied", "a\x1b.npz"), "a\\x1b.npz: permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/gone/a"), "/gone/a: no such file"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_what_the_system_refuses_has_a_status_of_its_own(error, says, monkeypatch, capsys) -> None:
    def run() -> int:
        raise error

    _verb(monkeypatch, run)
    assert app.main(["prosepose", "fit"]) == 3
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1 and "goes on where it was" in told


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_signals_end_a_command_as_ctrl_c_does(name: str, status: int, monkeypatch, capsys) -> None:
    ends: list[str] = []

    def run() -> int:
        try:
            signal.raise_signal(getattr(signal, name))
            signal.raise_signal(getattr(signal, name))
        finally:
            ends.append("cleaned up")
        return 0

    before = signal.getsignal(signal.SIGTERM)
    _verb(monkeypatch, run)
    assert app.main(["prosepose", "fit"]) == status
    assert ends == ["cleaned up"] and signal.getsignal(signal.SIGTERM) == before
    assert "the same command goes on where it was" in capsys.readouterr().err


def test_a_second_signal_does_not_disturb_the_end() -> None:
    reached = False
    with pytest.raises(Stopped), signals_as_interrupts():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            reached = True
    assert reached


class _InDel:
    """Raises a signal where Python lets no exception out."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __del__(self) -> None:
        signal.raise_signal(getattr(signal, self._name))


def _in_a_collection(name: str) -> None:
    def callback(phase: str, info: dict) -> None:
        del info
        if phase == "start":
            gc.callbacks.remove(callback)
            signal.raise_signal(getattr(signal, name))

    gc.callbacks.append(callback)
    gc.collect()


@pytest.mark.parametrize(("name", "error"), [("SIGTERM", Stopped), ("SIGHUP", Stopped), ("SIGINT", KeyboardInterrupt)])
@pytest.mark.parametrize("lose", [_in_a_collection, _InDel])
def test_a_signal_that_a_callback_swallows_is_raised_again(lose, name: str, error, capsys) -> None:
    hook = sys.unraisablehook
    with pytest.raises(error) as caught, signals_as_interrupts():
        lose(name)
        for _ in range(500):
            time.sleep(0.01)
    assert type(caught.value) is error and str(caught.value) == (name if error is Stopped else "")
    assert "Traceback" not in capsys.readouterr().err and sys.unraisablehook is hook


def test_other_exceptions_that_nobody_can_catch_are_shown() -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("lost")

    shown: list[str] = []
    before, sys.unraisablehook = sys.unraisablehook, lambda lost: shown.append(str(lost.exc_value))
    try:
        with signals_as_interrupts():
            Broken()
    finally:
        sys.unraisablehook = before
    assert shown == ["lost"]


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with signals_as_interrupts():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_leave_signals_alone() -> None:
    def run() -> None:
        with signals_as_interrupts():
            pass

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_what_keeps_nothing_does_not_say_that_it_goes_on(capsys) -> None:
    assert interrupted("evaluate", KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "prosepose evaluate: stopped; the same command begins anew\n"
    assert refused("evaluate", MemoryError()) == 3
    told = "prosepose evaluate: not enough memory; nothing was written, the same command begins anew\n"
    assert capsys.readouterr().err == told
