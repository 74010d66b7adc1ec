"""What people rest on a floor with: parts of the body, and what answers say of them (docs/method.md, "Floor")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from prosepose_jax.body.cells import pad_lists
from prosepose_jax.body.model import BodyModel
from prosepose_jax.contact.ground import Grounded
from prosepose_jax.language import QUESTIONS, Votes, count_votes, question_place
from prosepose_jax.terms.told_scales import DOUBT

# Fine regions of the parts that answers name, each piece apart; a foot is two pieces of its regions, heel and toes.
_PIECES: dict[str, tuple[tuple[int, ...], ...]] = {
    "feet": ((1, 67), (42, 65)),  # upper side and sole
    "knees": ((64, 60, 25), (16, 62, 22)),  # knee, lower leg and shin from the front
    "seat": ((71, 15), (9, 55)),  # buttock and back of the upper thigh
    "back": ((2, 29, 38, 41, 63, 70, 13, 35, 10, 48),),
    "hands": ((3, 33, 72, 17), (23, 26, 27, 40)),
}
# Share of people who rest on each of them where nothing is said, and who stand on a floor at all (assumed): who is
# not known to sit, kneel or lie stands. `DOUBT` votes for these the answers have to outweigh.
_RESTS = {"feet": 0.9, "knees": 0.1, "seat": 0.1, "back": 0.05, "hands": 0.05}
_ON_FLOOR = 0.95
# Names of the contact table that mean each part.
_GROUND_NAMES: dict[str, frozenset[str]] = {
    "feet": frozenset({"foot"}),
    "knees": frozenset({"leg"}),
    "seat": frozenset({"butt"}),
    "back": frozenset({"back", "waist (back)", "shoulder (back)"}),
    "hands": frozenset({"hand"}),
}
# What an answer that names other parts on the ground says against one: it seldom names all (assumed).
_UNNAMED = 0.5

PART_OF_PIECE: tuple[str, ...] = tuple(
    part for part, pieces in _PIECES.items() for _ in range(len(pieces) * (2 if part == "feet" else 1))
)
"""(K,) the part that each piece is of."""


def support_pieces(body: BodyModel) -> np.ndarray:
    """(K, M) int32 vertices of every piece, padded with the piece's first vertex (host)."""
    ids, mask = np.asarray(body.regions.vertex_ids), np.asarray(body.regions.mask)
    rest = np.asarray(body.v_template)
    pieces: list[np.ndarray] = []
    for part, region_lists in _PIECES.items():
        for regions in region_lists:
            mine = np.unique(np.concatenate([ids[region][mask[region]] for region in regions]))
            if part == "feet":
                # In the rest pose the toes are in front, which is +z. Of a foot of one vertex both halves are that.
                order = mine[np.argsort(rest[mine, 2], kind="stable")]
                half = len(order) // 2
                pieces += [order[: max(half, 1)], order[half:]]
            else:
                pieces.append(mine)
    return pad_lists(pieces)[0]


class Supports(NamedTuple):
    """How surely people rest on the floor, between 0 and 1; 0 for what is no support."""

    rests: np.ndarray  # (P, K) each piece of each person
    stands: np.ndarray  # (P,) the person, with whatever is lowest
    free: bool  # who of the first two is Person 1 stays open, and makes a difference


def supports_told(votes: Votes | None, people: int, grounded: Grounded = ()) -> Supports:
    """How surely each person, and each piece of each person, rests on the floor.

    Votes "rests on …" and rows about the ground say with what a person rests, "carried by" whether it is a floor: who
    is carried by furniture, by the other or by nothing has no support. What is less likely than not is none either.

    Args:
      votes: of the scene's answers, about its first two people at most.
      people: P, of the scene.
      grounded: the parts that each answer's rows about the ground name.
    """
    parts = tuple(_PIECES)
    yes = np.tile(DOUBT * np.array([_RESTS[part] for part in parts]), (people, 1))  # (P, parts) votes
    all_votes = np.full(yes.shape, DOUBT)
    floor, all_carriers = np.full(people, DOUBT * _ON_FLOOR), np.full(people, DOUBT)
    for person, named in grounded:
        touching = np.array([bool(named & _GROUND_NAMES[part]) for part in parts])
        yes[person] += touching
        all_votes[person] += np.where(touching, 1.0, _UNNAMED)
    open_order = False
    # Rows about the ground are of known people: a table of which nobody knows whom it is about is not added to them.
    if votes is not None and len(votes.said) and not (grounded and votes.order_is_open):
        counts, answered = count_votes(votes)
        told = counts.shape[0]
        for k, part in enumerate(parts):
            place, value = _place(f"rests on {part}", "yes")
            yes[:told, k] += counts[:, place, value]
            all_votes[:told, k] += answered[:, place]
        place, value = _place("carried by", "floor")
        floor[:told] += counts[:, place, value]
        all_carriers[:told] += answered[:, place]
        open_order = told == 2 and votes.order_is_open
    stands = _likely(floor / all_carriers)
    rests = _likely(yes / all_votes)[:, [parts.index(part) for part in PART_OF_PIECE]] * stands[:, None]
    # Of two people who rest alike there are no two orders.
    free = open_order and not (np.array_equal(rests[0], rests[1]) and stands[0] == stands[1])
    return Supports(rests.astype(np.float32), stands.astype(np.float32), free)


def _likely(shares: np.ndarray) -> np.ndarray:
    return np.where(shares >= 0.5, shares, 0.0)


def _place(name: str, value: str) -> tuple[int, int]:
    """Of a question and of its value."""
    place = question_place(name)
    return place, QUESTIONS[place].index(value)
