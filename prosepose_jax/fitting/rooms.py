"""Array shapes of a whole run, measured a scene at a time, so that its parts are fitted in the same ones.

A fit's last digits depend on the shapes that it is padded to, and a hundred steps make digits into millimetres. So
whoever fits a part of a run (a shard, a block) takes the shapes of the whole: then its fits are the run's, bit by bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from prosepose_jax.contact.program import program_shape
from prosepose_jax.fitting.prepare import (
    GroupKey,
    GroupShape,
    PreparedScene,
    ProgramShape,
    Room,
    group_key,
    group_shape,
)
from prosepose_jax.fitting.settings import FitSettings
from prosepose_jax.terms.contact import entries_of, fine_pairs_of

PLAIN, VOTING, CANDIDATES = "plain", "voting", "candidates"
"""Scenes fitted once; those with several candidates; the candidates (fitting/vote.py)."""

Table = Mapping[GroupKey, Room]

# So few scenes of as many people are fitted sooner with padding than after another compilation.
FEW_SCENES = 32


def rooms(prepared: Sequence[PreparedScene], settings: FitSettings) -> dict[GroupKey, Room]:
    """The room of every group of these scenes by its `group_key`; small groups share one."""
    meter = RoomMeter(settings)
    for item in prepared:
        meter.add(item)
    return meter.rooms()


def sharing(counts: Mapping[GroupKey, int]) -> list[list[GroupKey]]:
    """The groups that share a room: of some people, one with larger programs takes in smaller ones while it is small.

    Args:
      counts: scenes of each group.
    """
    people: dict[tuple[Any, ...], list[GroupKey]] = {}
    for key in counts:
        people.setdefault(key[:-1], []).append(key)
    found: list[list[GroupKey]] = []
    for keys in people.values():
        number = FEW_SCENES + 1
        for key in sorted(keys, key=lambda key: -key[-1]):
            number += counts[key]
            if number > FEW_SCENES:
                found.append([])
                number = counts[key]
            found[-1].append(key)
    return found


class RoomMeter:
    """`rooms` of scenes that are seen one after the other; it keeps the largest of each group."""

    def __init__(self, settings: FitSettings) -> None:
        self._settings = settings
        self._counts: dict[GroupKey, int] = {}
        self._largest: dict[GroupKey, list[tuple[int, PreparedScene]]] = {}  # by size, each with whose it is

    def add(self, item: PreparedScene) -> None:
        """One more scene."""
        key = group_key(item)
        self._counts[key] = self._counts.get(key, 0) + 1
        entries = entries_of(item.arrays)
        fine = len(fine_pairs_of(entries)) if self._settings.search == "sample" else 0
        sizes = (*program_shape(item.arrays), len(entries), fine)
        before = self._largest.get(key)
        self._largest[key] = [
            (size, item) if before is None or size > before[k][0] else before[k] for k, size in enumerate(sizes)
        ]

    def each(self) -> dict[GroupKey, Room]:
        """Every group's own room."""
        return {key: self._room([key]) for key in self._counts}

    def _room(self, keys: Sequence[GroupKey]) -> Room:
        items = [item for key in keys for _, item in self._largest[key]]
        return Room(sum(self._counts[key] for key in keys), group_shape(items, self._settings))

    def rooms(self) -> dict[GroupKey, Room]:
        """The room of every group so far."""
        found: dict[GroupKey, Room] = {}
        for keys in sharing(self._counts):
            found |= dict.fromkeys(keys, self._room(keys))
        return found


def with_known(found: dict[GroupKey, Room], known: dict[Any, list[Room]]) -> dict[GroupKey, Room]:
    """Rooms in which few scenes take one that is compiled already and large enough.

    Args:
      found: of the scenes.
      known: rooms of few scenes that were used before; these are added.
    """
    few = {key: room for key, room in found.items() if room.scenes <= FEW_SCENES}
    for key, room in few.items():
        few[key] = next((other for other in known.get(key[:-1], []) if _covers(other, room)), room)
    for key, room in few.items():
        before = known.setdefault(key[:-1], [])
        if room not in before:
            before.append(room)
    return found | few


@dataclasses.dataclass(frozen=True)
class RunRooms:
    """The rooms of a whole run.

    Attributes:
      tables: by variant and kind of the scenes (`PLAIN`, `VOTING`, `CANDIDATES`).
    """

    tables: Mapping[tuple[str, str], Table]

    def of(
        self, variant: str, kind: str, prepared: Sequence[PreparedScene], settings: FitSettings
    ) -> dict[GroupKey, Room]:
        """Rooms for scenes of the run. A scene that the run did not know gets a larger one where it needs it.

        Args:
          variant: of the fits.
          kind: of the scenes.
          prepared: the scenes.
          settings: of the fit.
        """
        table = self.tables.get((variant, kind), {})
        meter = RoomMeter(settings)
        for item in prepared:
            meter.add(item)
        found = {}
        for key, own in meter.each().items():
            room = table.get(key)
            found[key] = own if room is None else room if _holds(room.shape, own.shape) else _union(room, own)
        return found

    def to_json(self) -> list[dict[str, Any]]:
        """As plain values."""
        return [
            {"variant": variant, "kind": kind, "group": list(key), "scenes": room.scenes, "shape": _plain(room.shape)}
            for (variant, kind), table in self.tables.items()
            for key, room in table.items()
        ]

    @classmethod
    def from_json(cls, rows: Sequence[Mapping[str, Any]]) -> RunRooms:
        """From plain values.

        Raises:
          KeyError, TypeError, ValueError: they are others.
        """
        tables: dict[tuple[str, str], dict[GroupKey, Room]] = {}
        for row in rows:
            people, pairs, pair, size = row["group"]
            key = (int(people), int(pairs), None if pair is None else (int(pair[0]), int(pair[1])), int(size))
            program, entries, fine = row["shape"]
            shape = GroupShape(ProgramShape(*map(int, program)), int(entries), int(fine))
            tables.setdefault((row["variant"], row["kind"]), {})[key] = Room(int(row["scenes"]), shape)
        return cls(tables)


def _covers(room: Room, other: Room) -> bool:
    """Whether scenes of another room fit into this one, padded; every pair costs a search, so they have as many."""
    as_many = room.shape.program.pairs == other.shape.program.pairs
    return as_many and room.scenes >= other.scenes and _holds(room.shape, other.shape)


def _plain(shape: GroupShape) -> list[Any]:
    return [list(shape.program), shape.entries, shape.fine_pairs]


def _sizes(shape: GroupShape) -> tuple[int, ...]:
    return (*shape.program, shape.entries, shape.fine_pairs)


def _holds(shape: GroupShape, other: GroupShape) -> bool:
    return all(a >= b for a, b in zip(_sizes(shape), _sizes(other), strict=True))


def _union(room: Room, other: Room) -> Room:
    *program, entries, fine = map(max, zip(_sizes(room.shape), _sizes(other.shape), strict=True))
    return Room(room.scenes, GroupShape(ProgramShape(*program), entries, fine))
