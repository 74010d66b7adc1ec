"""The workers of a run: each says that it lives, and takes blocks that nobody alive has.

A worker writes `shards/workers/<worker>.json` anew every few seconds. A claim is an object `shards/claims/<block>.<n>`
that only one worker can create; the highest n has the block. Who finds its owner dead creates n + 1. Nothing is
renamed or locked, so the same rules hold in a folder and in an object store, and a worker that was only slow finishes
what it has: its results are those of the other one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from prosepose_jax.io._processes import process_is_gone
from prosepose_jax.scale.plan import FOLDER
from prosepose_jax.scale.shard import Shard
from prosepose_jax.storage import Store

WORKERS, CLAIMS = f"{FOLDER}/workers", f"{FOLDER}/claims"
LEASE_S = 60.0
"""A worker that has been silent for so long is dead."""
_BEATS_A_LEASE = 6
_CLOCKS = 10.0  # leases after which even the clocks of two machines agree that a worker is silent
WORKING, ENDED, STOPPED = "working", "ended", "stopped"


def make_worker_name(shard: Shard) -> str:
    """A name that no other process has: shard, machine, process."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
    return f"{shard.index:05d}-{host}-{os.getpid()}-{secrets.token_hex(3)}"


class Heartbeat:
    """Says every few seconds that this worker lives, and what it does; a context manager.

    Attributes:
      worker: its name.
    """

    def __init__(
        self, store: Store, worker: str, shard: Shard, lease_s: float, tell: Callable[[], Mapping[str, Any]]
    ) -> None:
        """
        Args:
          store: of the run.
          worker: from `make_worker_name`.
          shard: of the worker.
          lease_s: after how many silent seconds it may be taken for dead.
          tell: figures that are published with every beat.
        """
        self.worker = worker
        self._store, self._tell, self._lease_s = store, tell, lease_s
        self._about = {
            "worker": worker, "shard": shard.index, "count": shard.count, "pid": os.getpid(),
            "host": socket.gethostname(), "system": _system(), "begun": round(time.time(), 3), "lease_s": lease_s,
        }  # fmt: skip
        self._beat, self._ended, self._lock = 0, threading.Event(), threading.Lock()

    def say(self, state: str = WORKING) -> None:
        """Writes a beat now."""
        with self._lock:
            self._beat += 1
            now = {"state": state, "beat": self._beat, "time": round(time.time(), 3)}
            self._store.write_json(f"{WORKERS}/{self.worker}.json", self._about | dict(self._tell()) | now)

    def _run(self) -> None:
        while not self._ended.wait(self._lease_s / _BEATS_A_LEASE):
            with contextlib.suppress(OSError):  # a store that is away for a moment
                self.say()

    def __enter__(self) -> Heartbeat:
        self.say()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self.say(ENDED if error is None else STOPPED)


class Crew:
    """What this process has seen of a run's workers.

    A worker's word is read when it is asked for, once between two calls of `look`: that all workers of a large run
    read of all others would be too much.

    Attributes:
      names: of the workers, as last listed.
      workers: what those said that were asked for.
    """

    def __init__(self, store: Store, lease_s: float = LEASE_S, now: Callable[[], float] = time.monotonic) -> None:
        self._store, self._lease_s, self._now = store, lease_s, now
        self._seen: dict[str, tuple[Any, float]] = {}  # the last beat of each worker, and since when it is known
        self._fresh: set[str] = set()
        self.names: list[str] = []
        self.workers: dict[str, dict[str, Any]] = {}

    def look(self) -> None:
        """Lists the workers; what they say is read anew from now on."""
        self.names = [
            name.removeprefix(f"{WORKERS}/").removesuffix(".json") for name in sorted(self._store.list(WORKERS))
        ]
        self._fresh.clear()

    def said(self, worker: str) -> dict[str, Any]:
        """What a worker last said; empty when there is no such worker."""
        known = self.workers.get(worker, {})
        if worker in self._fresh or known.get("state") in (ENDED, STOPPED):
            return known
        said = self._store.known_json(f"{WORKERS}/{worker}.json")
        self._fresh.add(worker)
        if said:
            self.workers[worker] = said
            if worker not in self._seen or self._seen[worker][0] != said.get("beat"):
                self._seen[worker] = (said.get("beat"), self._now())
        return said

    def is_alive(self, worker: str) -> bool:
        """Whether a worker may still be at work.

        It is dead when it said that it ended, when its process on this machine is gone, and when its beat has not
        changed for a lease, by this process's own clock. Clocks of two machines are compared only where they would
        have to differ by minutes.
        """
        said = self.said(worker)
        if not said or said.get("state") in (ENDED, STOPPED) or _process_is_gone(said):
            return False
        silent = self._now() - self._seen[worker][1]
        told = said.get("time")
        if isinstance(told, int | float) and time.time() - told > _CLOCKS * self._lease_s:
            return False
        return silent < self._lease_s

    def shard_is_dead(self, index: int, count: int) -> bool:
        """Whether a shard was begun and none of its workers lives; one that has not begun yet is not dead."""
        mine = [
            worker
            for worker in self.names
            if worker.startswith(f"{index:05d}-") and self.said(worker).get("count") == count
        ]
        return bool(mine) and not any(self.is_alive(worker) for worker in mine)


@functools.cache
def _system() -> str:
    """What process ids belong to: this start of this machine, and the container in it. "" where nothing tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _process_is_gone(said: Mapping[str, Any]) -> bool:
    system = _system()
    return bool(system) and said.get("system") == system and process_is_gone(said.get("pid"))


class Claims:
    """Who has which block."""

    def __init__(self, store: Store, worker: str) -> None:
        self._store, self._worker = store, worker
        self._highest: dict[str, int] = {}

    def look(self) -> None:
        """Lists all claims."""
        self._highest = {}
        for name in self._store.list(CLAIMS):
            block, _, number = name.removeprefix(f"{CLAIMS}/").partition(".")
            if number.isdecimal():
                self._highest[block] = max(self._highest.get(block, 0), int(number))

    def number(self, block: str) -> int:
        """How often the block was claimed, as last seen."""
        return self._highest.get(block, 0)

    def seen(self, block: str, number: int) -> None:
        """Notes what another process saw: how often the block was claimed."""
        self._highest[block] = number

    def owner(self, block: str) -> str:
        """The worker that has the block, "" when nobody does; a damaged claim is nobody's."""
        number = self.number(block)
        if not number:
            return ""
        return str(self._store.known_json(f"{CLAIMS}/{block}.{number}").get("worker", ""))

    def take(self, block: str) -> bool:
        """Claims a block anew, above the claim that was last seen; False when another was faster."""
        number = self.number(block) + 1
        taken = self._store.create_json(f"{CLAIMS}/{block}.{number}", {"worker": self._worker, "time": time.time()})
        self._highest[block] = number
        return taken
