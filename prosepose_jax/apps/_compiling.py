"""Says that programs are being compiled, so that a silent half minute is not taken for a hang."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from tqdm import tqdm

from prosepose_jax.apps._progress import is_quiet
from prosepose_jax.fitting.compiled import Compilation, watch

# Nothing is said of what took less; and of what takes longer, at once and not only in the end. The cache is quicker.
_WORTH_A_LINE_S = 1.0
_LONG_S = 3.0


@contextlib.contextmanager
def say_compilations() -> Iterator[None]:
    """Within the block stderr has a line for each program that is compiled and not taken from the cache.

    Not where the command was asked to be quiet.
    """
    if is_quiet():
        yield
        return
    speaker = _Speaker()
    with watch(speaker.hear):
        try:
            yield
        finally:
            speaker.hush()


def describe(event: Compilation) -> str:
    """What a compiled program is for."""
    if not event.people:
        return event.program
    scenes, people = event.people
    who = "one person" if people == 1 else f"{people} people"
    return f"{event.program} for {scenes} scene{'s' * (scenes != 1)} of {who}"


class _Speaker:
    """One program at a time (`fitting.compiled` has a lock)."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def hear(self, event: Compilation) -> None:
        self.hush()
        if event.seconds is None:
            self._timer = threading.Timer(_LONG_S, _say, [f"compiling {describe(event)} …"])
            self._timer.daemon = True
            self._timer.start()
        elif not event.cached and event.seconds >= _WORTH_A_LINE_S:
            _say(f"compiled {describe(event)} in {event.seconds:.1f} s")

    def hush(self) -> None:
        """Drops what was to be said later."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None


def _say(text: str) -> None:
    # Not `print`: a progress bar may stand on the line.
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()
