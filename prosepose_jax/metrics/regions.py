"""How near regions of two meshes are to each other: exact over all their vertices.

A region's vertices are split into tiles of neighbours, and a pair of regions into pairs of tiles. Boxes around the
tiles tell which pairs of tiles can hold the smallest distance; only those are measured. Works on the host, apart from
the code that the fit minimises.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from prosepose_jax.body.model import NUM_REGIONS, Regions
from prosepose_jax.metrics.boxes import ranges, split

TOUCH_M = 0.013
"""Regions of two people touch when vertices of theirs are nearer than this."""

_WIDTH = 8  # vertices of a tile
_BLOCK = 4  # tiles of a block
_MOST_PAIRS = 1 << 16  # of tiles, measured at a time


class RegionPair(NamedTuple):
    """Two sets of fine regions: the first on person 0, the second on person 1."""

    first: frozenset[int]
    second: frozenset[int]


class RegionTiles:
    """The fine regions of a body in tiles of at most eight vertices.

    Args:
      regions: of the body.
      template: (V, 3) rest vertices; neighbours at rest share tiles.
      kernels: compiled loops (`metrics.kernels`), or none.
    """

    def __init__(self, regions: Regions, template: np.ndarray, kernels: ModuleType | None = None) -> None:
        self._kernels = kernels
        template = np.asarray(template, np.float64)
        tiles: list[np.ndarray] = []
        owners: list[int] = []
        self.members = region_members(regions)
        for region, members in enumerate(self.members):
            mine = split(np.unique(members), template, _WIDTH)
            # Padding repeats a vertex of a tile and a tile of a region: no smallest distance changes.
            mine += mine[:1] * (-len(mine) % _BLOCK)
            tiles += [np.pad(tile, (0, _WIDTH - len(tile)), "edge") for tile in mine]
            owners += [region] * len(mine)
        self._ids = np.array(tiles, dtype=np.int64).reshape(-1, _WIDTH).T
        self._owner = np.array(owners, dtype=np.int64)
        self._starts = np.searchsorted(self._owner[::_BLOCK], np.arange(NUM_REGIONS + 1))
        self._of: dict[frozenset[int], np.ndarray] = {}
        self._tiles = np.ascontiguousarray(self._ids.T)
        self._tile_starts = np.searchsorted(self._owner, np.arange(NUM_REGIONS + 1))

    def pair_distances(self, vertices: np.ndarray, pairs: Sequence[RegionPair]) -> np.ndarray:
        """The distance of every pair of regions, over all vertices of the regions.

        Args:
          vertices: (2 or more, V, 3), m; persons 0 and 1 are compared.
          pairs: C pairs.

        Returns:
          (C,) float64, m; infinite where a region has no vertices.
        """
        return self._pair_distances(self._placed(vertices), pairs)

    def touching(self, vertices: np.ndarray, limit_m: float = TOUCH_M) -> np.ndarray:
        """(75, 75) bool: which fine regions of person 0 are nearer than a limit to which of person 1.

        Args:
          vertices: (2 or more, V, 3), m.
          limit_m: m.
        """
        return self._touching(self._placed(vertices), limit_m)

    def both(self, vertices: np.ndarray, pairs: Sequence[RegionPair]) -> tuple[np.ndarray, np.ndarray]:
        """`pair_distances` and `touching` of the same people."""
        if self._kernels is not None and np.isfinite(vertices[:2]).all():
            return self._both_compiled(self._kernels, vertices, pairs)
        placed = self._placed(vertices)
        return self._pair_distances(placed, pairs), self._touching(placed, TOUCH_M)

    def _both_compiled(
        self, kernels: ModuleType, vertices: np.ndarray, pairs: Sequence[RegionPair]
    ) -> tuple[np.ndarray, np.ndarray]:
        bodies = [np.array(vertices[person], np.float64, order="C") for person in (0, 1)]
        boxes = [kernels.tile_boxes(body, self._tiles) for body in bodies]
        given = (*bodies, self._tiles, *boxes, self._tile_starts)
        firsts, seconds = (_padded_sets([pair[side] for pair in pairs]) for side in (0, 1))
        return kernels.region_distances(*given, firsts, seconds), kernels.regions_touching(*given, TOUCH_M)

    def _pair_distances(self, placed: tuple[_Tiles, _Tiles], pairs: Sequence[RegionPair]) -> np.ndarray:
        found = np.full(len(pairs), np.inf)
        sides = [(self._blocks_of(pair[0]), self._blocks_of(pair[1])) for pair in pairs]
        kept = [place for place, (a, b) in enumerate(sides) if len(a) and len(b)]
        if not kept:
            return found
        i = np.concatenate([np.repeat(sides[place][0], len(sides[place][1])) for place in kept])
        j = np.concatenate([np.tile(sides[place][1], len(sides[place][0])) for place in kept])
        pair = np.repeat(np.arange(len(kept)), [len(sides[place][0]) * len(sides[place][1]) for place in kept])
        first, second = placed
        most = np.full(len(kept), np.inf)  # lowered past what is no number
        for one, other in ((first.blocks, second.blocks), (first, second)):
            # The first vertices of two tiles tell how far the regions are apart at most.
            np.fmin.at(most, pair, _squared(one.points[:, 0].take(i, axis=1), other.points[:, 0].take(j, axis=1)))
            gaps = _squared_gaps(one, i, other, j)
            near = np.flatnonzero(gaps <= most[pair] * (1.0 + 1e-9))
            i, j, pair, gaps = i[near], j[near], pair[near], gaps[near]
            if one is not first:
                i, j = np.tile(_opened(i), _BLOCK), _opened(np.tile(j, _BLOCK))
                pair = np.tile(pair, _BLOCK * _BLOCK)
        # The nearest tiles tell it all but exactly.
        least = np.full(len(kept), np.inf)
        np.fmin.at(least, pair, gaps)
        best = np.flatnonzero(gaps <= least[pair])
        np.fmin.at(most, pair[best], _smallest_squared(first, i[best], second, j[best]))
        near = np.flatnonzero(gaps < most[pair])
        i, j, pair = i[near], j[near], pair[near]
        np.fmin.at(most, pair, _smallest_squared(first, i, second, j))
        found[kept] = np.sqrt(most)
        return found

    def _touching(self, placed: tuple[_Tiles, _Tiles], limit_m: float) -> np.ndarray:
        first, second = placed
        touching = np.zeros((NUM_REGIONS, NUM_REGIONS), bool)
        i, j = _near(first, second, limit_m)
        sure = _squared(first.points[:, 0].take(i, axis=1), second.points[:, 0].take(j, axis=1)) < limit_m * limit_m
        touching[self._owner[i[sure]], self._owner[j[sure]]] = True
        left = ~touching[self._owner[i], self._owner[j]]
        i, j = i[left], j[left]
        near = _smallest_squared(first, i, second, j) < limit_m * limit_m
        touching[self._owner[i[near]], self._owner[j[near]]] = True
        return touching

    def _blocks_of(self, regions: frozenset[int]) -> np.ndarray:
        if regions not in self._of:
            chosen = np.array(sorted(regions), np.int64)
            self._of[regions] = ranges(self._starts[chosen], self._starts[chosen + 1])[1]
        return self._of[regions]

    def _placed(self, vertices: np.ndarray) -> tuple[_Tiles, _Tiles]:
        axes = (np.ascontiguousarray(np.asarray(vertices[person], np.float64).T) for person in (0, 1))
        first, second = (body.take(self._ids, axis=1) for body in axes)
        return _Tiles.of(first), _Tiles.of(second)


def _padded_sets(sets: Sequence[frozenset[int]]) -> np.ndarray:
    """(C, n) sets of regions, filled up with -1."""
    found = np.full((len(sets), max(1, *map(len, sets), 1)), -1, np.int64)
    for row, regions in zip(found, sets, strict=True):
        row[: len(regions)] = sorted(regions)
    return found


class _Tiles(NamedTuple):
    """Of one posed body."""

    points: np.ndarray  # (3, 8, T)
    low: np.ndarray  # (3, T)
    high: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> _Tiles:
        return cls(points, points.min(axis=1), points.max(axis=1))

    @property
    def blocks(self) -> _Tiles:
        """The boxes around every four tiles, of whose points those of the first are given."""
        low, high = (corner.reshape(3, -1, _BLOCK) for corner in (self.low, self.high))
        parts = range(_BLOCK)
        return _Tiles(
            self.points[:, :, ::_BLOCK],
            functools.reduce(np.minimum, [low[..., k] for k in parts]),
            functools.reduce(np.maximum, [high[..., k] for k in parts]),
        )


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of the distances between points (3, …)."""
    x, y, z = a - b
    return x * x + y * y + z * z


def _squared_gaps(a: _Tiles, i: np.ndarray, b: _Tiles, j: np.ndarray) -> np.ndarray:
    """(n,) squared distances between the boxes around pairs of tiles: no points are nearer."""
    squared = np.zeros(len(i))
    for axis in range(3):
        gap = np.maximum(a.low[axis].take(i) - b.high[axis].take(j), b.low[axis].take(j) - a.high[axis].take(i))
        squared += np.maximum(gap, 0.0) ** 2
    return squared


def _near(a: _Tiles, b: _Tiles, limit_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of tiles whose boxes are nearer than a limit, by way of blocks of tiles."""
    blocks = a.blocks, b.blocks
    kept = [_reaching(mine, other, limit_m) for mine, other in (blocks, blocks[::-1])]
    grid = np.ones((len(kept[0]), len(kept[1])), bool)
    for axis in range(3):
        low, high = (corner[axis, kept[0], None] for corner in (blocks[0].low, blocks[0].high))
        grid &= (low <= blocks[1].high[axis, kept[1]] + limit_m) & (high >= blocks[1].low[axis, kept[1]] - limit_m)
    row, column = np.nonzero(grid)
    # One side is taken apart after the other.
    i, j = _opened(kept[0][row]), np.tile(kept[1][column], _BLOCK)
    near = _squared_gaps(a, i, blocks[1], j) < limit_m * limit_m
    i, j = np.tile(i[near], _BLOCK), _opened(j[near])
    near = _squared_gaps(a, i, b, j) < limit_m * limit_m
    return i[near], j[near]


def _opened(blocks: np.ndarray) -> np.ndarray:
    """The tiles of blocks: of each the first, then of each the second, …"""
    return (blocks * _BLOCK + np.arange(_BLOCK)[:, None]).ravel()


def _smallest_squared(a: _Tiles, i: np.ndarray, b: _Tiles, j: np.ndarray) -> np.ndarray:
    """(n,) the smallest squared distances between points of pairs of tiles."""
    found = np.empty(len(i))
    for start in range(0, len(i), _MOST_PAIRS):
        part = slice(start, start + _MOST_PAIRS)
        mine, other = a.points.take(i[part], axis=2), b.points.take(j[part], axis=2)
        best = np.full(mine.shape[2], np.inf)
        for k in range(_WIDTH):
            best = np.minimum(best, _squared(mine, other[:, k, None]).min(axis=0))
        found[part] = best
    return found


def _reaching(tiles: _Tiles, others: _Tiles, limit_m: float) -> np.ndarray:
    """Which tiles reach into the box around all others, widened by the limit: indices."""
    low, high = others.low.min(axis=1) - limit_m, others.high.max(axis=1) + limit_m
    return np.flatnonzero(((tiles.low <= high[:, None]) & (tiles.high >= low[:, None])).all(axis=0))


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

    Arguments and result as of `RegionTiles.pair_distances`.
    """
    found = np.full(len(pairs), np.inf)
    known = [[[r for r in sorted(side) if five[r, 0] >= 0] for side in pair] for pair in pairs]
    each = [(place, i, j) for place, (first, second) in enumerate(known) for i in first for j in second]
    if each:
        place, first, second = np.array(each).T
        a, b = (
            np.asarray(body)[five[rows]].astype(np.float64)
            for body, rows in zip(vertices[:2], (first, second), strict=True)
        )
        away = a[:, :, None] - b[:, None]
        np.minimum.at(found, place, np.sqrt(np.einsum("nijk,nijk->nij", away, away).min(axis=(1, 2))))
    return found
