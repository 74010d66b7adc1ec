"""How near regions of two meshes are to each other: exact over all their vertices, looked up in trees on the host.

Works apart from the code that the fit minimises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from prosepose_jax.body.model import NUM_REGIONS, Regions
from prosepose_jax.metrics.boxes import inverted, ranges

TOUCH_M = 0.013
"""Regions of two people touch when vertices of theirs are nearer than this."""


class RegionPair(NamedTuple):
    """Two sets of fine regions: the first on person 0, the second on person 1."""

    first: frozenset[int]
    second: frozenset[int]


class RegionDistances:
    """Distances between the fine regions of two people, for many poses of one body.

    Args:
      regions: of the body.
    """

    def __init__(self, regions: Regions) -> None:
        self.members = region_members(regions)
        every = np.concatenate([np.unique(ids) for ids in self.members])
        owner = np.repeat(np.arange(NUM_REGIONS), [len(np.unique(ids)) for ids in self.members])
        self._ids = np.unique(every)
        places, self._starts = inverted(np.searchsorted(self._ids, every), len(self._ids))
        self._owners = owner[places]
        self._of: dict[frozenset[int], np.ndarray] = {}

    def of(self, regions: frozenset[int]) -> np.ndarray:
        """The vertices of some regions."""
        if regions not in self._of:
            chosen = [self.members[region] for region in sorted(regions)]
            self._of[regions] = np.unique(np.concatenate([*chosen, np.zeros(0, np.int64)]))
        return self._of[regions]

    def pair_distances(self, vertices: np.ndarray, pairs: Sequence[RegionPair]) -> np.ndarray:
        """The distance of every pair of regions, over all vertices of the regions.

        Args:
          vertices: (2 or more, V, 3), m; persons 0 and 1 are compared.
          pairs: C pairs.

        Returns:
          (C,) float64, m; infinite where a region has no vertices.
        """
        first, second = (np.asarray(vertices[person], np.float64) for person in (0, 1))
        trees: dict[frozenset[int], cKDTree] = {}
        found = np.full(len(pairs), np.inf)
        for place, pair in enumerate(pairs):
            mine, other = self.of(pair[0]), self.of(pair[1])
            if len(mine) and len(other):
                if pair[1] not in trees:
                    trees[pair[1]] = _tree(second[other])
                points = first[mine]
                # No distance counts that is larger than one of them; a little more, for the bound is exclusive.
                bound = (1.0 + 1e-9) * float(trees[pair[1]].query(points[len(points) // 2])[0]) + 1e-12
                found[place] = trees[pair[1]].query(points, distance_upper_bound=bound)[0].min()
        return found

    def touching(self, vertices: np.ndarray, limit_m: float = TOUCH_M) -> np.ndarray:
        """(75, 75) bool: which fine regions of person 0 are nearer than a limit to which of person 1.

        Args:
          vertices: (2 or more, V, 3), m.
          limit_m: m.
        """
        points = [np.asarray(vertices[person], np.float64)[self._ids] for person in (0, 1)]
        near = [_reaching(mine, other, limit_m) for mine, other in (points, points[::-1])]
        touching = np.zeros((NUM_REGIONS, NUM_REGIONS), bool)
        if not (len(near[0]) and len(near[1])):
            return touching
        trees = [
            cKDTree(of[kept], balanced_tree=False, compact_nodes=False) for of, kept in zip(points, near, strict=True)
        ]
        apart = trees[0].sparse_distance_matrix(trees[1], limit_m, output_type="ndarray")
        apart = apart[apart["v"] < limit_m]
        # A vertex may belong to several regions.
        first, second = near[0][apart["i"]], near[1][apart["j"]]
        pair, one = ranges(self._starts[first], self._starts[first + 1])
        entry, other = ranges(self._starts[second][pair], self._starts[second + 1][pair])
        touching[self._owners[one[entry]], self._owners[other]] = True
        return touching


def region_members(regions: Regions) -> list[np.ndarray]:
    """The vertices of each fine region, in the order of the body's file."""
    ids, mask = np.asarray(regions.vertex_ids), np.asarray(regions.mask)
    return [row[used].astype(np.int64) for row, used in zip(ids, mask, strict=True)]


def five_vertices(members: Sequence[np.ndarray]) -> np.ndarray:
    """(75, 5) the vertices that stand for each region in the method's release.

    NumPy's legacy generator, seeded with 0 before each region, draws without replacement from the region's list in
    the file's order. A region of fewer vertices repeats its first; one of none is -1.
    """
    chosen = []
    for ids in members:
        if not len(ids):
            chosen.append(np.full(5, -1))
            continue
        drawn = np.random.RandomState(0).choice(ids, min(5, len(ids)), replace=False)
        chosen.append(np.concatenate([drawn, np.full(5 - len(drawn), drawn[0])]))
    return np.array(chosen, dtype=np.int64)


def five_vertex_distances(vertices: np.ndarray, pairs: Sequence[RegionPair], five: np.ndarray) -> np.ndarray:
    """The distance of every pair of regions over the five vertices of each (`five_vertices`), as published.

    Arguments and result as of `RegionDistances.pair_distances`.
    """
    found = np.full(len(pairs), np.inf)
    for place, pair in enumerate(pairs):
        chosen = [[five[region] for region in sorted(side) if five[region, 0] >= 0] for side in pair]
        if chosen[0] and chosen[1]:
            a, b = (np.asarray(vertices[k], np.float64)[np.concatenate(ids)] for k, ids in enumerate(chosen))
            away = a[:, None] - b[None]
            found[place] = np.sqrt(np.einsum("ijk,ijk->ij", away, away).min())
    return found


def _tree(points: np.ndarray) -> cKDTree:
    # Asked once or twice: made in a hurry.
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def _reaching(points: np.ndarray, others: np.ndarray, limit_m: float) -> np.ndarray:
    """Which points (n, 3) lie in the box around all others, widened by the limit: indices."""
    kept = np.arange(len(points))
    for axis in range(3):
        here, there = points[kept, axis], others[:, axis]
        kept = kept[(here >= there.min() - limit_m) & (here <= there.max() + limit_m)]
    return kept
