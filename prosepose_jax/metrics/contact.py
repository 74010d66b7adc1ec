"""Do the right parts touch? PCC and region contact of bodies (docs/method.md, "Metrics").

Works on all vertices of the regions, apart from the code that the fit minimises.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import Regions
from prosepose_jax.contact.vocabulary import NAME_PARTS, PART_REGION_IDS
from prosepose_jax.errors import InputError
from prosepose_jax.metrics.geodesic import SurfaceDistances, closest_apart, smallest_distance
from prosepose_jax.metrics.precision import in_double
from prosepose_jax.metrics.regions import RegionPair, region_members
from prosepose_jax.scene import Scene

PCC_RADII_M: np.ndarray = np.arange(20) / 20.0
"""0, 0.05, …, 0.95 m. At 0 nothing is strictly nearer, so the average never exceeds 95 %."""

SELF_CONTACT_GEODESIC_M = 0.30
"""On one person, vertices nearer than this along the surface are neighbours, not touching."""

# Two sets of fine regions that touch: on person 0 and person 1, or both on the only person.
ContactPair = RegionPair


@functools.cache
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
        pairs = [_pair_of(a, b) for a, b in rows.tolist()]
    elif scene.gt_contacts is not None:
        pairs = [ContactPair(name_regions(a), name_regions(b)) for a, b in scene.gt_contacts]
    else:
        return None
    unique: dict[ContactPair, None] = {}
    for pair in pairs:
        if scene.num_people > 1 or ContactPair(pair.second, pair.first) not in unique:
            unique.setdefault(pair)
    return tuple(unique)


@functools.cache
def _pair_of(first: int, second: int) -> ContactPair:
    """Two fine regions."""
    return ContactPair(frozenset([first]), frozenset([second]))


def pair_distances(
    pairs: Sequence[ContactPair],
    vertices: np.ndarray,
    regions: Regions,
    surface: SurfaceDistances | None = None,
) -> np.ndarray:
    """The distance in metres of every annotated pair, over all vertices of its regions.

    `RegionTiles.pair_distances` does the same for two people, several times faster.

    Args:
      pairs: C annotated pairs.
      vertices: (P, V, 3) m. With two or more people a pair lies between persons 0 and 1.
      regions: the body's regions.
      surface: with one person, distances along the rest surface; vertex pairs nearer than its radius do not
        count, and a pair of regions without any farther ones is infinitely far.

    Returns:
      (C,) float64.
    """
    all_members = region_members(regions)

    def members(region_ids: frozenset[int]) -> np.ndarray:
        return np.unique(np.concatenate([all_members[region] for region in sorted(region_ids)]))

    vertices = np.asarray(vertices, dtype=np.float64)
    if len(vertices) == 1:
        if surface is None:
            raise ValueError("one person: distances along the surface are needed to tell touch from neighbourhood")
        found = [closest_apart(surface, vertices[0], members(a), members(b)) for a, b in pairs]
    else:
        found = [smallest_distance(vertices[0][members(a)], vertices[1][members(b)]) for a, b in pairs]
    return np.array(found, dtype=np.float64)


@in_double()
def shares_below(distances: jax.Array, counted: jax.Array, radii_m: jax.Array) -> jax.Array:
    """Percent of the counted pairs whose distance is strictly below each radius.

    Args:
      distances: (..., C) m.
      counted: (..., C) bool; False on padding.
      radii_m: (R,).

    Returns:
      (..., R), NaN where no pair counts.
    """
    radii = radii_m.reshape(*[1] * (distances.ndim - 1), -1, 1)
    below = (distances[..., None, :] < radii) & counted[..., None, :]
    count = jnp.sum(counted, axis=-1)[..., None]
    return jnp.where(count > 0, 100.0 * jnp.sum(below, axis=-1) / jnp.maximum(count, 1), jnp.nan)


def pcc_at(distances: np.ndarray, radii_m: np.ndarray = PCC_RADII_M) -> np.ndarray:
    """Percent of annotated pairs whose distance is strictly below each radius; (len(radii),)."""
    distances = np.asarray(distances, dtype=np.float64)
    if not distances.size:
        raise ValueError("PCC needs at least one annotated pair")
    return shares_below(distances, np.ones(distances.shape, bool), np.asarray(radii_m, np.float64))


def pcc(distances: np.ndarray) -> float:
    """The mean of `pcc_at` over 0, 0.05, …, 0.95 m, in percent (at most 95)."""
    return float(np.mean(pcc_at(distances)))


@in_double()
def set_scores(found: jax.Array, wanted: jax.Array) -> dict[str, jax.Array]:
    """Precision, recall, F1 and IoU of found things against wanted ones.

    Nothing found and nothing wanted is a score of 1 in all four; one of the two empty is a score of 0.

    Args:
      found: (..., n) bool.
      wanted: (..., n) bool.

    Returns:
      {"precision", "recall", "f1", "iou"}: each (...).
    """
    both, either = jnp.sum(found & wanted, axis=-1), jnp.sum(found | wanted, axis=-1)
    found, wanted = jnp.sum(found, axis=-1), jnp.sum(wanted, axis=-1)

    def share(part: jax.Array, whole: jax.Array) -> jax.Array:
        return jnp.where(either == 0, 1.0, part / jnp.maximum(whole, 1))

    return {"precision": share(both, found), "recall": share(both, wanted), "iou": share(both, either),
            "f1": share(2 * both, found + wanted)}  # fmt: skip


def region_contact(touching: np.ndarray, pairs: Sequence[ContactPair], alone: bool = False) -> dict[str, float]:
    """Scores of a mesh's touching regions against annotated pairs.

    With pairs of fine regions this is `set_scores` of two sets of pairs. Where an annotated pair names parts of
    several regions, it is found when any of its regions touch, and a touching pair of regions is right when it lies
    in any annotated pair.

    Args:
      touching: (75, 75) bool, [region of person 0, region of person 1].
      pairs: annotated pairs.
      alone: one person: pairs are unordered.

    Returns:
      {"precision", "recall", "f1", "iou"}.

    Raises:
      IndexError: a pair names a region that there is none of.
    """
    touching = np.asarray(touching, bool)
    named = {region for pair in pairs for side in pair for region in side}
    if named and not 0 <= min(named) <= max(named) < len(touching):
        raise IndexError(f"regions: expected 0 to {len(touching) - 1}, found {sorted(named)}")
    if alone:
        touching = touching | touching.T
    wanted = np.zeros(touching.shape, bool)
    places = [[a * len(touching) + b for a in first for b in second] for first, second in pairs]
    said_of = touching.ravel().tolist()
    hits = [any(said_of[place] for place in of_pair) for of_pair in places]
    wanted.flat[[place for of_pair in places for place in of_pair]] = True
    if alone:
        wanted |= wanted.T
        touching, wanted = np.triu(touching), np.triu(wanted)
    right, said = int((touching & wanted).sum()), int(touching.sum())
    precision = right / said if said else float(not pairs)
    recall = sum(hits) / len(pairs) if pairs else float(not said)
    missed = len(hits) - sum(hits)
    total = precision + recall
    return {
        "precision": precision, "recall": recall, "f1": 2 * precision * recall / total if total else 0.0,
        "iou": right / (said + missed) if said + missed else 1.0,
    }  # fmt: skip
