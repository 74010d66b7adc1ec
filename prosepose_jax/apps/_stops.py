"""How a command ends when somebody or the system stops it: one status for each, and a line that says how to go on.

130, 143 and 129 are 128 + the signal's number, as shells have it for Ctrl-C, SIGTERM and SIGHUP. 3 is for what the
system refuses (a full disk, a folder that is gone, no memory): another machine or a mended disk helps, another input
does not, so a scheduler can tell it from 1 (some scenes failed) and 2 (bad usage).
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from prosepose_jax.untrusted import one_line

REFUSED_BY_SYSTEM = 3
_SIGNALS = ("SIGTERM", "SIGHUP")
_SOON_S = 0.05
_ANEW = ("evaluate",)  # verbs that keep nothing of what they began


class Stopped(KeyboardInterrupt):
    """A signal asked the command to stop; it does so exactly as for Ctrl-C.

    Attributes:
      status: to exit with.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class _Stop:
    """Raises `Stopped` for the first signal, and again where Python lost it.

    A signal may come while a callback runs from which no exception gets out: of the garbage collector (JAX has one),
    or a `__del__`.
    """

    def __init__(self) -> None:
        self._asked: int | None = None
        self._lost = False
        self._hook = sys.unraisablehook

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        del frame
        if self._asked is not None and not self._lost:
            return  # a second one must not tear what the first one has finished
        self._asked, self._lost = self._asked or number, False
        raise Stopped(self._asked)

    def on_lost(self, lost: Any) -> None:
        """The hook for exceptions that nobody can catch; Ctrl-C is raised again as well."""
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            self._hook(lost)
            return
        number = signal.SIGINT
        if isinstance(lost.exc_value, Stopped) and self._asked is not None:
            number, self._lost = signal.Signals(self._asked), True
        # When the callback is over, and not within it again. A signal that nobody handles any more does nothing.
        again = threading.Timer(_SOON_S, _thread.interrupt_main, (number,))
        again.daemon = True
        again.start()


@contextlib.contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise `Stopped` in the main thread, once; what is ignored stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    stop = _Stop()
    hook, sys.unraisablehook = sys.unraisablehook, stop.on_lost
    for name in _SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # else: nohup, or a caller's own
            before[number] = signal.signal(number, stop.on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def interrupted(verb: str, error: KeyboardInterrupt) -> int:
    """Says how to go on; returns the exit status."""
    by = f" by {error}" if isinstance(error, Stopped) else ""
    print(f"prosepose {verb}: stopped{by}; the same command {_again(verb)}", file=sys.stderr)
    return error.status if isinstance(error, Stopped) else 130


def refused(verb: str, error: OSError | MemoryError) -> int:
    """Says what the system refused; returns the exit status."""
    if isinstance(error, MemoryError):
        what = "not enough memory"
    else:
        file = f"{one_line(error.filename)}: " if error.filename else ""
        what = f"{file}{(error.strerror or one_line(error)).lower()}"
    with contextlib.suppress(OSError):  # the disk that is full may hold the log
        kept = "nothing was written" if verb in _ANEW else "what is finished is kept"
        print(f"prosepose {verb}: {what}; {kept}, the same command {_again(verb)}", file=sys.stderr)
    return REFUSED_BY_SYSTEM


def _again(verb: str) -> str:
    return "begins anew" if verb in _ANEW else "goes on where it was"
