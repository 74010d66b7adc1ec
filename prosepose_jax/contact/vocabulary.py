"""The body parts a model may name, and the surface regions each stands for.

One place for the prompt, the parsers and the loss (docs/method.md, "Regions" and
"Answers and rows"). A *part* is an atom of distance: it has one side or none. A *name*
is what a cell of a table says: "hand" is an ambiguous name, either of two parts.
"""

from __future__ import annotations

import itertools

import numpy as np

from prosepose_jax.body.model import NUM_REGIONS

# Fine region ids of each sided part, (left, right). FlickrCI3D's numbering.
_SIDED: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "hand": ((3, 33, 72, 17), (23, 26, 27, 40)),
    "arm": ((5, 11, 34, 49, 57, 69), (6, 8, 24, 32, 37, 44)),
    "foot": ((1, 67), (42, 65)),
    "leg": ((15, 20, 21, 25, 30, 45, 53, 56, 60, 64), (12, 16, 18, 19, 22, 28, 36, 46, 55, 62)),
    "shoulder": ((2, 73), (29, 31)),
    "shoulder (front)": ((73,), (31,)),
    "shoulder (back)": ((2,), (29,)),
}
_UNSIDED: dict[str, tuple[int, ...]] = {
    "back": (13, 35, 38, 41, 63, 70, 2, 29, 10, 48, 14, 43),
    "head": (39, 51, 52, 66),
    "neck": (14, 43, 47, 54),
    "butt": (9, 71),
    "waist": (10, 48, 50, 68, 74),
    "waist (back)": (10, 48),
    "waist (front)": (50, 68, 74),
    "chest": (7, 58, 59, 61),
    "stomach": (0, 4, 68, 74),
}


def without_side(name: str) -> str:
    """A name that leaves the side open."""
    return name.removeprefix("left ").removeprefix("right ")


AMBIGUOUS_NAMES: tuple[str, ...] = tuple(_SIDED)
"""Names that leave the side open."""

UNSIDED_NAMES: tuple[str, ...] = tuple(_UNSIDED)
"""Names of parts that have no side."""

_PART_FINE_REGIONS: dict[str, tuple[int, ...]] = {
    **{f"{side} {name}": ids[k] for name, ids in _SIDED.items() for k, side in enumerate(("left", "right"))},
    **_UNSIDED,
}

PARTS: tuple[str, ...] = tuple(_PART_FINE_REGIONS)
"""The S = 23 parts between which distances are taken, in the order of every part table."""

NUM_PARTS: int = len(PARTS)
PART_INDEX: dict[str, int] = {part: index for index, part in enumerate(PARTS)}

PART_REGION_IDS: tuple[tuple[int, ...], ...] = tuple(_PART_FINE_REGIONS.values())
"""The fine region ids of every part, in the order of PARTS."""

PART_REGIONS: np.ndarray = np.zeros((NUM_PARTS, NUM_REGIONS), bool)
"""(S, 75) bool: which fine regions make up each part."""
for _part, _ids in enumerate(PART_REGION_IDS):
    PART_REGIONS[_part, list(_ids)] = True
PART_REGIONS.setflags(write=False)

PART_OVERLAP: np.ndarray = (PART_REGIONS[:, None, :] & PART_REGIONS[None, :, :]).any(axis=-1)
"""(S, S) bool: parts that share a fine region; on one person their distance is always 0."""
PART_OVERLAP.setflags(write=False)

NAME_PARTS: dict[str, tuple[int, ...]] = {
    **{name: (PART_INDEX[f"left {name}"], PART_INDEX[f"right {name}"]) for name in AMBIGUOUS_NAMES},
    **{part: (index,) for part, index in PART_INDEX.items()},
}
"""Every name of the vocabulary and the parts it may mean: (left, right) when ambiguous, else one."""

PROMPT_NAMES: tuple[str, ...] = (
    "head", "neck", "chest", "stomach", "waist (front)", "waist (back)", "waist", "back",
    "shoulder (front)", "shoulder (back)", "shoulder", "arm", "hand", "butt", "leg", "foot",
)  # fmt: skip
"""The names a prompt offers: everything but explicit sides, most specific before general."""

GROUND_NAME: str = "ground"
"""Also offered by the one-person prompt; understood, and not used by the loss."""


def _plural(name: str) -> str:
    noun, _, rest = name.partition(" (")
    side, _, bare = noun.rpartition(" ")
    bare = {"foot": "feet"}.get(bare, bare + "s")
    return (f"{side} " if side else "") + bare + (f" ({rest}" if rest else "")


SIDED_PLURALS: dict[str, str] = {_plural(name): name for name in AMBIGUOUS_NAMES}
"""Plurals that mean the left and the right one: {"hands": "hand", …, "shoulders (front)": …}."""

ALL_PLURALS: dict[str, str] = {_plural(name): name for name in NAME_PARTS}
"""Plurals of every name ("heads", "left hands" too): what singularising undoes."""


def is_ambiguous(name: str) -> bool:
    """Whether a name of the vocabulary leaves the side open ("hand", not "left hand" or "back")."""
    return len(NAME_PARTS[name]) > 1


def choices_on_one_person(first: str, second: str) -> tuple[tuple[int, int], ...]:
    """The part pairs two names may mean on the same person, a part never paired with itself."""
    return tuple((a, b) for a, b in itertools.product(NAME_PARTS[first], NAME_PARTS[second]) if a != b)


def names_overlap(first: str, second: str) -> bool:
    """Whether two names can mean parts that share surface, so that their distance is always 0 on one person."""
    return any(PART_OVERLAP[a, b] for a, b in choices_on_one_person(first, second))
