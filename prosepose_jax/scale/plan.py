"""How a run is cut: blocks of neighbouring keys, the same for all its workers, and to which shard each belongs.

A block is what one worker does at a time: what is lost with a worker, what is written at once into a container. The
first worker of a run writes the plan, the key with which each block begins; whoever comes later takes it from there. So
a scene that is added falls into a block that is there, and no other block changes. Parts of the scenes that are new
(another tar) get blocks of their own in a further plan.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.scale.shard import Shard
from prosepose_jax.storage import Store

FOLDER = "shards"
PLANS = f"{FOLDER}/plans"


@dataclasses.dataclass(frozen=True)
class Block:
    """Neighbouring scenes of one part of the scenes.

    Attributes:
      number: its place in the plan.
      part: name of the tar that holds them; "": they are files of a folder.
      keys: in order.
    """

    number: int
    part: str
    keys: tuple[str, ...]

    @property
    def id(self) -> str:
        """Its name in the run's folder."""
        return f"{self.number:06d}"


def cut(keys: Sequence[str], size: int) -> list[str]:
    """The first key of every block of `size` keys."""
    ordered = sorted(keys)
    return ordered[::size]


def load_plan(store: Store, parts: Mapping[str, Sequence[str]], size: int) -> list[Block]:
    """The run's blocks in order, from its plans; parts that no plan knows are planned now.

    Args:
      store: of the run.
      parts: the keys of each part of the scenes.
      size: scenes of a block that is made now.

    Raises:
      InputError: a plan is damaged.
    """
    if size < 1:
        raise InputError(f"--block_scenes={size}: expected 1 or more")
    while True:
        begins, number = _read_plans(store)
        known = {part for part, _ in begins}
        new = [[part, first] for part in sorted(parts) if part not in known for first in cut(parts[part], size)]
        if not new:
            break
        # Of several workers one writes it, and all read what it wrote.
        plan = {"format": 1, "block_scenes": size, "begins": new}
        store.create_json(f"{PLANS}/{number:04d}.json", plan)
    return _fill(begins, parts)


def planned_blocks(store: Store) -> list[str]:
    """Ids of the blocks that a run's plans name."""
    begins = _read_plans(store)[0]
    return [Block(number, part, ()).id for number, (part, _) in enumerate(begins)]


def _read_plans(store: Store) -> tuple[list[tuple[str, str]], int]:
    """What all plans say, and the number of the next one."""
    begins: list[tuple[str, str]] = []
    number = 0
    while True:
        name = f"{PLANS}/{number:04d}.json"
        try:
            begins += _begins(store.read_json(name), store.where(name))
        except FileNotFoundError:
            return begins, number
        number += 1


def _begins(plan: Any, where: str) -> list[tuple[str, str]]:
    found = plan.get("begins") if isinstance(plan, dict) else None
    if not isinstance(found, list) or not all(
        isinstance(row, list) and len(row) == 2 and all(isinstance(text, str) for text in row) for row in found
    ):
        raise InputError(f"{where}: expected the plan of a run, a list of [part, first key] under 'begins'")
    return [(part, first) for part, first in found]


def _fill(begins: Sequence[tuple[str, str]], parts: Mapping[str, Sequence[str]]) -> list[Block]:
    numbers: dict[str, list[int]] = {}
    for number, (part, _) in enumerate(begins):
        numbers.setdefault(part, []).append(number)
    keys: list[list[str]] = [[] for _ in begins]
    for part, some in parts.items():
        firsts = [begins[number][1] for number in numbers[part]] if some else []
        for key in sorted(some):
            # A key before all others goes to the first block.
            place = max(0, bisect.bisect_right(firsts, key) - 1)
            keys[numbers[part][place]].append(key)
    return [Block(number, part, tuple(keys[number])) for number, (part, _) in enumerate(begins)]


def shard_of(block: Block, count: int) -> int:
    """To which of `count` shards a block belongs: in turn, so that all have as much, whatever the order of the keys."""
    return block.number % count


def blocks_of(blocks: Sequence[Block], shard: Shard) -> list[Block]:
    """A shard's blocks in order."""
    return [block for block in blocks if shard_of(block, shard.count) == shard.index]
