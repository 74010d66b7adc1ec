"""Do the right parts touch? PCC of a fit, and F1 of the answers (docs/method.md, "Metrics").

Works in numpy on all vertices of the regions, apart from the code that the fit minimises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from prosepose_jax.body.model import Regions
from prosepose_jax.body.region_table import MIRROR_REGION
from prosepose_jax.contact.compile import PARSERS
from prosepose_jax.contact.vocabulary import NAME_PARTS, PART_REGION_IDS
from prosepose_jax.errors import InputError
from prosepose_jax.metrics.geodesic import SurfaceDistances, closest_apart, smallest_distance
from prosepose_jax.scene import Answer, Scene

PCC_RADII_M: np.ndarray = np.arange(20) / 20.0
"""0, 0.05, …, 0.95 m. At 0 nothing is strictly nearer, so the average never exceeds 95 %."""

SELF_CONTACT_GEODESIC_M = 0.30
"""On one person, vertices nearer than this along the surface are neighbours, not touching."""


class ContactPair(NamedTuple):
    """Two sets of fine regions that touch: on person 0 and person 1, or both on the only person."""

    first: frozenset[int]
    second: frozenset[int]


def name_regions(name: str) -> frozenset[int]:
    """The fine regions of a part's name; of both sides when the name leaves the side open.

    Raises:
      InputError: a name outside the vocabulary.
    """
    if name not in NAME_PARTS:
        raise InputError(f"part name {name!r}: expected one of {', '.join(NAME_PARTS)}")
    return frozenset(region for part in NAME_PARTS[name] for region in PART_REGION_IDS[part])


def annotated_pairs(scene: Scene) -> tuple[ContactPair, ...] | None:
    """The scene's annotated contacts: gt_region_pairs if present, else gt_contacts; None without either.

    A pair given twice counts once; with one person also when it is given the other way round.
    """
    if scene.gt_region_pairs is not None:
        rows = np.asarray(scene.gt_region_pairs).reshape(-1, 2)
        pairs = [ContactPair(frozenset([int(a)]), frozenset([int(b)])) for a, b in rows]
    elif scene.gt_contacts is not None:
        pairs = [ContactPair(name_regions(a), name_regions(b)) for a, b in scene.gt_contacts]
    else:
        return None
    unique: list[ContactPair] = []
    for pair in pairs:
        if pair in unique or (scene.num_people == 1 and ContactPair(pair.second, pair.first) in unique):
            continue
        unique.append(pair)
    return tuple(unique)


def pair_distances(
    pairs: Sequence[ContactPair],
    vertices: np.ndarray,
    regions: Regions,
    surface: SurfaceDistances | None = None,
) -> np.ndarray:
    """The distance in metres of every annotated pair, over all vertices of its regions.

    Args:
      pairs: C annotated pairs.
      vertices: (P, V, 3) m. With two or more people a pair lies between persons 0 and 1.
      regions: the body's regions.
      surface: with one person, distances along the rest surface; vertex pairs nearer than its radius do not
        count, and a pair of regions without any farther ones is infinitely far.

    Returns:
      (C,) float64.
    """
    ids, mask = np.asarray(regions.vertex_ids), np.asarray(regions.mask)

    def members(region_ids: frozenset[int]) -> np.ndarray:
        chosen = sorted(region_ids)
        return np.unique(ids[chosen][mask[chosen]])

    vertices = np.asarray(vertices, dtype=np.float64)
    if len(vertices) == 1:
        if surface is None:
            raise ValueError("one person: distances along the surface are needed to tell touch from neighbourhood")
        found = [closest_apart(surface, vertices[0], members(a), members(b)) for a, b in pairs]
    else:
        found = [smallest_distance(vertices[0][members(a)], vertices[1][members(b)]) for a, b in pairs]
    return np.array(found, dtype=np.float64)


def pcc_at(distances: np.ndarray, radii_m: np.ndarray = PCC_RADII_M) -> np.ndarray:
    """Percent of annotated pairs whose distance is strictly below each radius; (len(radii),)."""
    distances = np.asarray(distances, dtype=np.float64)
    if not distances.size:
        raise ValueError("PCC needs at least one annotated pair")
    return 100.0 * np.mean(distances[None, :] < np.asarray(radii_m)[:, None], axis=1)


def pcc(distances: np.ndarray) -> float:
    """The mean of `pcc_at` over 0, 0.05, …, 0.95 m, in percent (at most 95)."""
    return float(np.mean(pcc_at(distances)))


def contact_f1(
    answers: Sequence[Answer],
    pairs: Sequence[ContactPair],
    *,
    alone: bool = False,
    parser: str = "published",
    ignore_sides: bool = False,
) -> float | None:
    """F1 of the answers' contacts against annotated pairs, without any fitting, as a mean over answers.

    A contact of an answer is right when its two parts share a region with the two parts of an annotated pair,
    an annotated pair is found when some contact of the answer is right about it; precision and recall are the
    shares of each. An answer without contacts against no annotated pairs counts as 1. When the answer left open
    who is Person 1, the better of the two orders counts.

    Args:
      answers: the answers about persons 0 and 1 (or about the only person); others are left out.
      pairs: annotated pairs.
      alone: one person; pairs are unordered.
      parser: "published" or "extended", see docs/contact.md.
      ignore_sides: a left part also meets a right one.

    Returns:
      The mean in [0, 1], None without answers.
    """
    # A record's default pair (0, 1) means person 0 where there is only one.
    relevant = [answer for answer in answers if alone or sorted(answer.pair) == [0, 1]]
    if not relevant:
        return None
    truth = [_widened(pair, ignore_sides) for pair in pairs]
    scores = []
    for answer in relevant:
        said = [
            [_widened(ContactPair(name_regions(a), name_regions(b)), ignore_sides) for a, b in options]
            for options in _answer_contacts(answer, parser, alone)
        ]
        turned = [[ContactPair(pair.second, pair.first) for pair in options] for options in said]
        if alone:
            orders = [[one + two for one, two in zip(said, turned, strict=True)]]
        elif answer.order == "free":
            orders = [said, turned]
        else:
            orders = [said if tuple(answer.pair) == (0, 1) else turned]
        scores.append(max(_f1(contacts, truth) for contacts in orders))
    return float(np.mean(scores))


def _answer_contacts(answer: Answer, parser: str, alone: bool) -> list[tuple[tuple[str, str], ...]]:
    """The distinct rows of an answer, each as its alternatives."""
    parsed = PARSERS[parser](answer.text, "self_contact" if alone else "two_person")
    return list(dict.fromkeys(tuple((a, b) for a, b in row.options) for row in parsed.rows))


def _widened(pair: ContactPair, ignore_sides: bool) -> ContactPair:
    if not ignore_sides:
        return pair
    return ContactPair(*(regions | {int(MIRROR_REGION[r]) for r in regions} for regions in pair))


def _f1(contacts: list[list[ContactPair]], truth: Sequence[ContactPair]) -> float:
    if not contacts or not truth:
        return float(not contacts and not truth)
    meets = np.array([[any(a & x and b & y for a, b in options) for x, y in truth] for options in contacts], dtype=bool)
    precision, recall = float(meets.any(axis=1).mean()), float(meets.any(axis=0).mean())
    return 2.0 * precision * recall / (precision + recall) if precision + recall > 0.0 else 0.0
