"""What a worker of a divided run tells: a line of JSON for every event, and what its process takes of the machine.

In a folder the lines go to `shards/logs/<worker>.jsonl`. An object store cannot append: there each portion of lines is
an object of its own, `shards/logs/<worker>.<n>.jsonl`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import jax

from prosepose_jax.apps._log import Log, RunLog, log_line
from prosepose_jax.scale.plan import FOLDER
from prosepose_jax.storage import LocalStore, Store
from prosepose_jax.untrusted import one_line

LOGS = f"{FOLDER}/logs"
_PUBLISHED_WITH = frozenset({"start", "block", "end"})
MIB = 1 << 20


class StoreLog(Log):
    """A log whose lines are published whenever a block ends; a context manager."""

    def __init__(self, store: Store, worker: str) -> None:
        self._store, self._worker = store, worker
        self._lines: list[str] = []
        self._portion = 0

    def add(self, event: str, **fields: Any) -> None:
        """One line."""
        self._lines.append(log_line(event, fields))
        if event in _PUBLISHED_WITH:
            self._store.write(f"{LOGS}/{self._worker}.{self._portion:06d}.jsonl", "".join(self._lines).encode())
            self._portion += 1
            self._lines = []

    def __enter__(self) -> StoreLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with contextlib.suppress(OSError):
                self.add("end", stopped=type(error).__name__, reason=one_line(error))


@contextlib.contextmanager
def open_log(store: Store, worker: str) -> Iterator[Log]:
    """The log of a worker in its run's place."""
    if isinstance(store, LocalStore):
        folder = store.folder / LOGS
        folder.mkdir(parents=True, exist_ok=True)
        with RunLog(folder, f"{worker}.jsonl") as log:
            yield log
    else:
        with StoreLog(store, worker) as lines:
            yield lines


def resources() -> dict[str, Any]:
    """Device and memory of this process: `device`, `memory_mib`, and where the device tells it `device_memory_mib`."""
    device = jax.local_devices()[0]
    found: dict[str, Any] = {"device": device.device_kind, "devices": jax.local_device_count()}
    with contextlib.suppress(OSError, IndexError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        found["memory_mib"] = round(pages * 4096 / MIB)
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats:
        found["device_memory_mib"] = round(stats.get("peak_bytes_in_use", 0) / MIB)
    return found
