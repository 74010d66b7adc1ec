"""How far a run is, from what it has written; nothing is written, so anybody may look at any time, from anywhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from prosepose_jax.scale import records
from prosepose_jax.scale.crew import LEASE_S, Crew
from prosepose_jax.scale.merging import Merged, all_records
from prosepose_jax.scale.plan import planned_blocks
from prosepose_jax.storage import Store
from prosepose_jax.untrusted import shown


@dataclasses.dataclass(frozen=True)
class WorkerState:
    """One worker, as it last said.

    Attributes:
      name: of the worker.
      state: "working", "ended", "stopped", or "dead": silent for longer than its lease, or its process is gone.
      silent_s: since its last word, by the clocks of both machines.
      said: all of it.
    """

    name: str
    state: str
    silent_s: float
    said: Mapping[str, Any]

    @property
    def scenes_per_second(self) -> float | None:
        """Of its fits, without compilation."""
        scenes, seconds = self.said.get("scenes", 0), self.said.get("fit_seconds", 0)
        good = isinstance(scenes, int) and isinstance(seconds, int | float) and seconds > 0
        return scenes / seconds if good else None


@dataclasses.dataclass
class RunState:
    """How far a divided run is.

    Attributes:
      merged: what the finished blocks hold.
      blocks: planned.
      blocks_done: finished.
      workers: in the order of their names.
      scenes_left: unknown numbers of unfinished blocks are taken to be like the finished ones; None: none is finished.
      per_second: scenes of the whole run a second, since the first finished block was begun; None: nothing is done.
    """

    merged: Merged
    blocks: int
    blocks_done: int
    workers: list[WorkerState]
    scenes_left: int | None
    per_second: float | None

    @property
    def finished(self) -> bool:
        return self.blocks_done >= self.blocks


def kind_of_failure(reason: str) -> str:
    """A reason without what is one scene's own, its name and its file: so that equal ones can be counted."""
    return shown(reason.rpartition(": ")[2] or reason)


def look_at(store: Store, now: float | None = None) -> RunState:
    """The state of the divided run at a place.

    Args:
      store: of the run.
      now: seconds since 1970; None: the clock's.
    """
    now = time.time() if now is None else now
    merged = Merged()
    for record in all_records(store):
        merged.count(record)
    planned = set(planned_blocks(store))
    done = records.finished_blocks(store) & planned if planned else records.finished_blocks(store)
    crew = Crew(store)
    crew.look()
    workers = [_state(crew, name, crew.said(name), now) for name in crew.names]
    left = len(planned - done)
    average = merged.scenes / len(done) if done else None
    seconds = None if merged.times is None else merged.times[1] - merged.times[0]
    return RunState(
        merged, len(planned | done), len(done), workers,
        scenes_left=0 if not left else None if average is None else round(left * average),
        per_second=merged.scenes / seconds if seconds else None,
    )  # fmt: skip


def _state(crew: Crew, name: str, said: Mapping[str, Any], now: float) -> WorkerState:
    told = said.get("time")
    silent = max(0.0, now - told) if isinstance(told, int | float) else float("inf")
    state = str(said.get("state", "unreadable"))
    lease = said.get("lease_s", LEASE_S)
    if state == "working" and (
        not crew.is_alive(name) or silent > (lease if isinstance(lease, int | float) else LEASE_S)
    ):
        state = "dead"
    return WorkerState(name, state, silent, said)
