"""Blocks of a divided run, put together: metrics.json, inputs.json and the run's times, a block in memory at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prosepose_jax.io import EntryWriter
from prosepose_jax.metrics.evaluate import KINDS
from prosepose_jax.metrics.finite import finite_entry
from prosepose_jax.metrics.streaming import StreamedMeans
from prosepose_jax.scale import records
from prosepose_jax.scale.records import BlockRecord
from prosepose_jax.storage import Store

_MOST_NAMED = 100_000


@dataclasses.dataclass
class Merged:
    """What a run's blocks hold together.

    Attributes:
      mean: the means of metrics.json.
      scenes, fitted, failed: how many.
      failures: {key: reason}; of very many the first.
      statuses: {status without its reason: how many}.
      fit_seconds, compile_seconds, worker_seconds: over all workers.
      workers: who did it.
      times: when the first block was begun and the last done, seconds since 1970; None without blocks.
    """

    mean: dict[str, Any] = dataclasses.field(default_factory=dict)
    scenes: int = 0
    fitted: int = 0
    failed: int = 0
    failures: dict[str, str] = dataclasses.field(default_factory=dict)
    statuses: dict[str, int] = dataclasses.field(default_factory=dict)
    fit_seconds: float = 0.0
    compile_seconds: float = 0.0
    worker_seconds: float = 0.0
    workers: set[str] = dataclasses.field(default_factory=set)
    times: tuple[float, float] | None = None

    def count(self, record: BlockRecord) -> None:
        """Adds a block."""
        self.scenes += len(record.scenes)
        for one in record.scenes.values():
            status = one.status.partition(":")[0]
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.fitted += one.ok
        self.failed += len(record.failures)
        for key, reason in record.failures.items():
            if len(self.failures) < _MOST_NAMED:
                self.failures[key] = reason
        self.fit_seconds += record.fit_seconds
        self.compile_seconds += record.compile_seconds
        self.worker_seconds += record.seconds
        self.workers.add(record.worker)
        begun, done = record.time - record.seconds, record.time
        self.times = (begun, done) if self.times is None else (min(self.times[0], begun), max(self.times[1], done))


def all_records(store: Store) -> Iterator[BlockRecord]:
    """The records of a run in the order of its blocks, each read when it is asked for."""
    for block in sorted(records.finished_blocks(store)):
        record = records.read_record(store, block)
        if record is not None:
            yield record


def merge_metrics(stores: list[Store], file: Path) -> Merged:
    """Writes metrics.json of the blocks of one or more runs; memory does not grow with the scenes.

    Args:
      stores: of the runs; of a scene that several have, the first counts.
      file: to write.
    """
    merged = Merged()
    means = {kind: StreamedMeans() for kind in KINDS}
    seen: set[str] | None = set() if len(stores) > 1 else None
    with open(file, "wb") as out:
        writer = EntryWriter(out)
        for store in stores:
            for record in all_records(store):
                entries = records.read_entries(store, record.block)
                if seen is not None:
                    record.scenes = {key: one for key, one in record.scenes.items() if key not in seen}
                    seen.update(record.scenes)
                merged.count(record)
                for key in record.scenes:
                    if key in entries:
                        entry = finite_entry(key, entries[key]["entry"])
                        if entry is not entries[key]["entry"]:
                            merged.failed += 1
                            merged.failures[key] = entry["error"]
                        writer.add(key, entry)
                        means[_kind(entries[key])].add(entry)
        merged.mean = {kind: mean.value() for kind, mean in means.items() if mean.any()}
        writer.finish(mean=merged.mean)
    return merged


def _kind(value: dict[str, Any]) -> str:
    return value["kind"] if value.get("kind") in KINDS else KINDS[0]
