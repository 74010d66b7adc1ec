"""Processor seconds of a command and of all that it starts, daemons among them. Linux only."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from pathlib import Path
from types import TracebackType

_MARK = "PROSEPOSE_MEASURED"
_TICKS = os.sysconf("SC_CLK_TCK")
_POLL_S = 0.2


class Processes:
    """Adds up the processor time of every process that carries a mark in its environment; a context manager.

    A cluster's daemons are nobody's children when their driver is gone, so children are not asked for: everything that
    inherits the mark is looked at a few times a second, and what a process used after its last look is not counted.

    Attributes:
      environment: to start commands with.
    """

    def __init__(self) -> None:
        self._mark = secrets.token_hex(8)
        self.environment = {**os.environ, _MARK: self._mark}
        self._used: dict[tuple[int, int], float] = {}  # by process and its start, for ids come again
        self._names: dict[tuple[int, int], bytes] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def cpu_s(self) -> float:
        """Seconds so far, user and system."""
        return sum(self._used.values())

    def cpu_s_of(self, name: bytes) -> float:
        """Seconds of the processes whose command line began so when they were last seen."""
        return sum(used for process, used in self._used.items() if self._names[process].startswith(name))

    def look(self) -> None:
        """Notes what all of them used so far."""
        wanted = f"{_MARK}={self._mark}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    fields = (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                    user, system, start = (int(fields[place]) for place in (11, 12, 19))
                    process = (int(folder.name), start)
                    self._used[process] = (user + system) / _TICKS
                    self._names[process] = (folder / "cmdline").read_bytes()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_S):
            self.look()

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
