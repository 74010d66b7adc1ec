"""How near regions of two meshes are to each other: exact over all their vertices, for many scenes at once.

A region's vertices are split into tiles of neighbours, and a pair of regions into pairs of tiles. Boxes around the
tiles tell which pairs of tiles can hold the smallest distance; only those are measured, all of them in one call of a
pure function on arrays. Works apart from the code that the fit minimises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import NUM_REGIONS, Regions
from prosepose_jax.metrics.boxes import split
from prosepose_jax.metrics.precision import in_double

TOUCH_M = 0.013
"""Regions of two people touch when vertices of theirs are nearer than this."""

_WIDTH = 64  # vertices of a tile
_MOST_BLOCKS = 4096  # measured in one call


class RegionPair(NamedTuple):
    """Two sets of fine regions: the first on person 0, the second on person 1."""

    first: frozenset[int]
    second: frozenset[int]


@in_double()
def block_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """The smallest distance between points of two sets, by differences: (..., n, 3) and (..., m, 3) give (...)."""
    squared = sum((a[..., :, None, k] - b[..., None, :, k]) ** 2 for k in range(3))
    return jnp.sqrt(jnp.min(squared, axis=(-1, -2)))


class RegionTiles:
    """The fine regions of a body in tiles of at most 64 vertices.

    Args:
      regions: of the body.
      template: (V, 3) rest vertices; neighbours at rest share tiles.
    """

    def __init__(self, regions: Regions, template: np.ndarray) -> None:
        template = np.asarray(template, np.float64)
        tiles: list[np.ndarray] = []
        owners: list[int] = []
        self.members = region_members(regions)
        for region, members in enumerate(self.members):
            for tile in split(np.unique(members), template, _WIDTH):
                # Padding repeats a vertex of the tile: no smallest distance changes.
                tiles.append(np.concatenate([tile, np.full(_WIDTH - len(tile), tile[0])]))
                owners.append(region)
        self.ids = np.array(tiles, dtype=np.int32).reshape(-1, _WIDTH)
        self.owner = np.array(owners, dtype=np.int64)
        self._of = [np.flatnonzero(self.owner == region) for region in range(NUM_REGIONS)]

    def of(self, regions: Iterable[int]) -> np.ndarray:
        """The tiles of some regions."""
        found = [self._of[region] for region in sorted(regions)]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def pair_distances(self, bodies: Sequence[np.ndarray], pairs: Sequence[Sequence[RegionPair]]) -> list[np.ndarray]:
        """The distance of every pair of regions in every scene, over all vertices of the regions.

        Args:
          bodies: for each scene the vertices (2 or more, V, 3), m; persons 0 and 1 are compared.
          pairs: for each scene its C pairs.

        Returns:
          For each scene (C,) float64, m; infinite where a region has no vertices.
        """
        blocks = _Blocks()
        counts: list[int] = []
        for vertices, wanted in zip(bodies, pairs, strict=True):
            first, second = np.asarray(vertices[0]), np.asarray(vertices[1])
            start = sum(counts)
            counts.append(len(wanted))
            if not wanted:
                continue
            places = [(self.of(pair[0]), self.of(pair[1])) for pair in wanted]
            tiles = [np.unique(np.concatenate(side)) for side in zip(*places, strict=True)]
            points = [body[self.ids[used]] for body, used in zip((first, second), tiles, strict=True)]
            low = _gaps(*points)
            # Some vertex of each tile: the smallest distance is not larger than theirs.
            reach = np.sqrt(sum((points[0][:, None, 0, k] - points[1][None, :, 0, k]) ** 2 for k in range(3)))
            for index, (a, b) in enumerate(places):
                rows, columns = np.searchsorted(tiles[0], a), np.searchsorted(tiles[1], b)
                if not (len(rows) and len(columns)):
                    continue
                grid = np.ix_(rows, columns)
                i, j = np.nonzero(low[grid] <= reach[grid].min() * (1 + 1e-6))
                blocks.add(points[0][rows[i]], points[1][columns[j]], np.full(len(i), start + index))
        found = blocks.smallest(sum(counts))
        return np.split(found, np.cumsum(counts)[:-1]) if counts else []

    def distances_below(self, bodies: Sequence[np.ndarray], limit_m: float = TOUCH_M) -> list[np.ndarray]:
        """For each scene (75, 75) distances of all fine regions of person 0 to those of person 1.

        Args:
          bodies: for each scene the vertices (2 or more, V, 3), m.
          limit_m: distances of this and more are given as infinite.
        """
        blocks = _Blocks()
        for scene, vertices in enumerate(bodies):
            points = [np.asarray(vertices[person])[self.ids] for person in (0, 1)]
            # Tiles beyond the box around the whole of the other person, by the limit, are near none of its tiles.
            near = [_reaching(mine, other, limit_m) for mine, other in (points, points[::-1])]
            points = [mine[kept] for mine, kept in zip(points, near, strict=True)]
            i, j = np.nonzero(_gaps(*points) < limit_m)
            where = (scene * NUM_REGIONS + self.owner[near[0][i]]) * NUM_REGIONS + self.owner[near[1][j]]
            blocks.add(points[0][i], points[1][j], where)
        found = blocks.smallest(len(bodies) * NUM_REGIONS**2)
        return list(np.where(found < limit_m, found, np.inf).reshape(len(bodies), NUM_REGIONS, NUM_REGIONS))


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


def five_vertex_distances(
    bodies: Sequence[np.ndarray], pairs: Sequence[Sequence[RegionPair]], five: np.ndarray
) -> list[np.ndarray]:
    """The distance of every pair of regions over the five vertices of each (`five_vertices`), as published.

    Arguments and result as of `RegionTiles.pair_distances`.
    """
    blocks = _Blocks()
    counts = [len(wanted) for wanted in pairs]
    index = 0
    for vertices, wanted in zip(bodies, pairs, strict=True):
        for pair in wanted:
            first, second = ([r for r in sorted(side) if five[r, 0] >= 0] for side in (pair[0], pair[1]))
            a, b = (np.repeat(first, len(second)), np.tile(second, len(first)))
            if len(a):
                i, j = five[a.astype(int)], five[b.astype(int)]
                blocks.add(np.asarray(vertices[0])[i], np.asarray(vertices[1])[j], np.full(len(a), index))
            index += 1
    found = blocks.smallest(index)
    return np.split(found, np.cumsum(counts)[:-1]) if counts else []


class _Blocks:
    """Pairs of point sets waiting to be measured, and where each result belongs."""

    def __init__(self) -> None:
        self._a: list[np.ndarray] = []
        self._b: list[np.ndarray] = []
        self._where: list[np.ndarray] = []

    def add(self, a: np.ndarray, b: np.ndarray, where: np.ndarray) -> None:
        self._a.append(a)
        self._b.append(b)
        self._where.append(where)

    def smallest(self, count: int) -> np.ndarray:
        """(count,) the smallest distance of the blocks of each place, infinite without any."""
        out = np.full(count, np.inf)
        if not self._where:
            return out
        a, b, where = (np.concatenate(parts) for parts in (self._a, self._b, self._where))
        for start in range(0, len(where), _MOST_BLOCKS):
            part = slice(start, start + _MOST_BLOCKS)
            size = len(where[part])
            # Few shapes are compiled: a power of two, filled with copies of the first block.
            padding = [(0, max(8, 1 << (size - 1).bit_length()) - size), (0, 0), (0, 0)]
            found = block_distances(np.pad(a[part], padding, "edge"), np.pad(b[part], padding, "edge"))
            np.minimum.at(out, where[part], found[:size])
        return out


def _reaching(tiles: np.ndarray, others: np.ndarray, limit_m: float) -> np.ndarray:
    """Which tiles (n, w, 3) reach into the box around all others, widened by the limit: indices."""
    low, high = others.min(axis=(0, 1)) - limit_m, others.max(axis=(0, 1)) + limit_m
    return np.flatnonzero(((tiles.min(axis=1) <= high) & (tiles.max(axis=1) >= low)).all(axis=1))


def _gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) distances between the boxes around point sets (n, w, 3) and (m, w, 3): no points are nearer."""
    low_a, high_a, low_b, high_b = a.min(axis=1), a.max(axis=1), b.min(axis=1), b.max(axis=1)
    squared = np.zeros((len(a), len(b)))
    for k in range(3):
        gap = np.maximum(low_a[:, None, k] - high_b[None, :, k], low_b[None, :, k] - high_a[:, None, k])
        squared += np.maximum(gap, 0.0) ** 2
    return np.sqrt(squared)
