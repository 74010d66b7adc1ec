"""What is written of a block that is done: `shards/blocks/<block>.json`, and its figures in `shards/metrics/`.

A block counts as done when its record is there; the record comes last. So what a killed worker left of a block is
done anew, and a resumed run knows a block's keys without looking at their files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from prosepose_jax.scale.plan import FOLDER
from prosepose_jax.storage import Store

BLOCKS, METRICS = f"{FOLDER}/blocks", f"{FOLDER}/metrics"


@dataclasses.dataclass
class SceneRecord:
    """A scene of a block.

    Attributes:
      status: of its fit, or "failed: …" for a scene that could not be read.
      digest: of what the fit read; "" for an unreadable scene.
      mark: of the scene's file in the listing of the scenes.
      tar: that holds the fit; "" for a file of its own.
      seconds: its share of the fit.
    """

    status: str
    digest: str = ""
    mark: str = ""
    tar: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.status.startswith("failed")


@dataclasses.dataclass
class BlockRecord:
    """A finished block.

    Attributes:
      block: its id.
      part: of the scenes; "" for single files.
      worker: that did it last.
      shard: of that worker.
      answers: digest of the answers file; "" without.
      tries: how often it was worked on.
      scenes: by key.
      notes: remarks on scenes that did not stop them.
      unmeasured: scenes whose fit could not be evaluated, with the reason.
      fit_seconds, compile_seconds, seconds: of all tries; the last one with everything else (reading, figures,
        pictures).
      time: when it was done, seconds since 1970.
    """

    block: str
    part: str = ""
    worker: str = ""
    shard: int = 0
    answers: str = ""
    tries: int = 0
    scenes: dict[str, SceneRecord] = dataclasses.field(default_factory=dict)
    notes: dict[str, str] = dataclasses.field(default_factory=dict)
    unmeasured: dict[str, str] = dataclasses.field(default_factory=dict)
    fit_seconds: float = 0.0
    compile_seconds: float = 0.0
    seconds: float = 0.0
    time: float = 0.0

    @property
    def failures(self) -> dict[str, str]:
        """Scenes that failed, with the reason."""
        failed = {key: one.status.removeprefix("failed: ") for key, one in self.scenes.items() if not one.ok}
        return self.unmeasured | failed


def write_record(store: Store, record: BlockRecord, entries: Mapping[str, Any]) -> None:
    """Publishes a block's figures, then its record.

    Args:
      store: of the run.
      record: of the block.
      entries: {key: {"kind": …, "entry": entry of metrics.json}}.
    """
    store.write_json(f"{METRICS}/{record.block}.json", dict(entries))
    store.write_json(f"{BLOCKS}/{record.block}.json", dataclasses.asdict(record))


def read_record(store: Store, block: str) -> BlockRecord | None:
    """A block's record; None when there is none, or a damaged one."""
    found = store.known_json(f"{BLOCKS}/{block}.json")
    scenes = found.get("scenes")
    if not isinstance(scenes, dict) or found.get("block") != block:
        return None
    try:
        each = {key: SceneRecord(**value) for key, value in scenes.items()}
        return BlockRecord(**(found | {"scenes": each}))
    except TypeError:  # of another version
        return None


def read_entries(store: Store, block: str) -> dict[str, dict[str, Any]]:
    """The figures of a block's scenes; empty when there are none."""
    found = store.known_json(f"{METRICS}/{block}.json")
    return {key: value for key, value in found.items() if isinstance(value, dict) and "entry" in value}


def finished_blocks(store: Store) -> set[str]:
    """Ids of the blocks that have a record, by one listing."""
    return {name.removeprefix(f"{BLOCKS}/").removesuffix(".json") for name in store.list(BLOCKS)}
