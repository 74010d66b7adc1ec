"""Progress of a run: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextvars
import sys
import time
from types import TracebackType

from tqdm import tqdm

from prosepose_jax.untrusted import one_line

_SECONDS_BETWEEN_LINES = 10.0
_QUIET: contextvars.ContextVar[bool] = contextvars.ContextVar("quiet", default=False)


def be_quiet(quiet: bool) -> contextvars.Token[bool]:
    """From now on no progress and no notes are shown (or again they are); `end_quiet` undoes it."""
    return _QUIET.set(quiet)


def end_quiet(token: contextvars.Token[bool]) -> None:
    """As before the `be_quiet` that gave the token."""
    _QUIET.reset(token)


def is_quiet() -> bool:
    """Whether the command was asked for results and failures alone (`--quiet`)."""
    return _QUIET.get()


class Progress:
    """Counts finished scenes (or other units), with rate and time left. Use as a context manager."""

    def __init__(self, total: int, what: str, unit: str = "scene", notes: bool = False) -> None:
        """`notes`: whether plain lines carry the note of the last step; a bar always does."""
        self._what, self._total, self._done = what, total, 0
        self._unit, self._notes = unit, notes
        self._quiet = is_quiet()
        self._bar = tqdm(total=total, desc=what, unit=unit) if sys.stderr.isatty() and not self._quiet else None
        self._begin = self._last = time.monotonic()

    def step(self, note: str = "", count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
            return
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES and self._done < self._total:
            return
        self._last = now
        elapsed = now - self._begin
        rate = self._done / elapsed if elapsed > 0 else 0.0
        left = (self._total - self._done) / rate if rate else 0.0
        print(
            f"{self._what}: {self._done} of {self._total} {self._unit}s, {rate:.2f}/s, {left:.0f} s left"
            + (f", {note}" if note and self._notes else ""),
            file=sys.stderr,
            flush=True,
        )

    def say(self, text: str) -> None:
        """A line on stderr that does not tear the bar."""
        if self._quiet:
            return
        text = one_line(text)
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
