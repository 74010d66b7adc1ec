"""`DIR/log.jsonl`: what a run did, a JSON object a line, for programs; stderr says the same to people.

Every object has `time` (seconds since 1970) and `event`: start, failed, note, compiled, fit, phase, end
(docs/formats.md). A run that goes on appends. Nothing reads it back, so a torn line does no harm.
"""

from __future__ import annotations

import abc
import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from prosepose_jax.untrusted import one_line

FILE = "log.jsonl"


class Log(abc.ABC):
    """What parts of a run write to."""

    @abc.abstractmethod
    def add(self, event: str, **fields: Any) -> None:
        """One line."""

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Says how long the block took, also when it raises."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.add("phase", name=name, seconds=round(time.monotonic() - begin, 3))


def log_line(event: str, fields: Mapping[str, Any]) -> str:
    """The line of an event, ASCII, with its end."""
    return json.dumps({"time": round(time.time(), 3), "event": event} | dict(fields), default=str) + "\n"


class RunLog(Log):
    """An open log; use as a context manager."""

    def __init__(self, folder: Path, name: str = FILE) -> None:
        self._file: IO[bytes] = open(folder / name, "ab+")  # noqa: SIM115  (closed by __exit__)
        if self._file.tell():
            self._file.seek(-1, 2)
            if self._file.read(1) != b"\n":  # a killed run's last line
                self._file.write(b"\n")

    def add(self, event: str, **fields: Any) -> None:
        """One line, handed to the system at once."""
        self._file.write(log_line(event, fields).encode("ascii"))
        self._file.flush()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk has said so already
            if error is not None:
                self.add("end", stopped=type(error).__name__, reason=one_line(error))
            self._file.close()
