"""Rays along +z through closed meshes: how often a mesh winds around points, and the volume that two meshes share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from prosepose_jax.metrics.boxes import Boxes, enclosed, meeting, ranges
from prosepose_jax.metrics.patches import Surface

_MOST_CELLS = 512  # across the points that rays start from
_FEW = 1 << 15  # pairs of a ray and a triangle: so many are looked at one by one
_COLUMNS = 96  # rays across the shared box, for the volume
_CELL_M = 0.002  # rays of people stand closer than this
# Rays start this far beside their points (m): no ray meets a vertex or an edge of float32 coordinates exactly.
RAY_SHIFT = 1e-9 * np.array([1.0, np.sqrt(2.0)])


def crossing_numbers(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """How often a closed surface winds around each point, by signed crossings of the ray along +z.

    Args:
      points: (n, 3).
      vertices: (m, 3).
      faces: (f, 3) closed and outward; those that no ray can meet may be left out.

    Returns:
      (n,) int; 1 inside, 0 outside, more where the surface overlaps itself.
    """
    points, vertices = np.asarray(points, np.float64), np.asarray(vertices, np.float64)
    total = np.zeros(len(points), dtype=np.int64)
    if not len(points) or not len(faces):
        return total
    ray, face = _ray_candidates(points, vertices, faces)
    sign, height = ray_crossings(points[:, :2].take(ray, axis=0), vertices.take(faces.take(face, axis=0), axis=0))
    np.add.at(total, ray, np.where(height > points[ray, 2], sign, 0))
    return total


class _Runs(NamedTuple):
    """The pieces into which the surfaces of two meshes cut rays that meet both."""

    lengths: np.ndarray  # (n,)
    first: np.ndarray  # (n,) how often the first mesh winds around the piece
    second: np.ndarray

    @property
    def shared(self) -> float:
        """Length inside both."""
        return float(np.sum(self.lengths[(self.first >= 1) & (self.second >= 1)]))

    @property
    def surplus(self) -> float:
        """What is too much of the length when it counts as often as both meshes wind around it."""
        twice = np.flatnonzero((self.first * self.second != 0) & ((self.first != 1) | (self.second != 1)))
        if not len(twice):
            return 0.0
        first, second = self.first[twice], self.second[twice]
        return float(np.sum(self.lengths[twice] * (first * second - ((first >= 1) & (second >= 1)))))


class Grid:
    """Rays along z on a regular grid over a box.

    Args:
      low: (3,) corner of the box.
      high: (3,).
      cell: size of cells, at most.
      boxes: rays stand only where one of these is; None: everywhere.

    Attributes:
      rays: (n, 3) where they start, below everything.
      area: of a cell.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, cell: float, boxes: Boxes | None = None) -> None:
        size = high[:2] - low[:2]
        counts = np.maximum(1, np.ceil(size / cell - 1e-9)).astype(np.int64)
        self._low, self._cells, self._counts = low[:2], size / counts, counts
        used = np.ones(counts, bool) if boxes is None else self._covered(boxes)
        middles = self._low + (np.stack(np.nonzero(used), axis=1) + 0.5) * self._cells
        self.rays = np.pad(middles, ((0, 0), (0, 1)), constant_values=-np.inf)
        self.area = float(self._cells.prod())
        # How many rays stand before each line of cells, along both axes.
        self._before = np.pad(used.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))

    def met(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """(m,) bool: which boxes (m, 2 or more) may be met by a ray."""
        first, last = self._place(low), self._place(high) + 1
        inside = (low[:, :2] <= self._low + self._cells * self._counts).all(axis=1)
        inside &= (high[:, :2] >= self._low).all(axis=1)
        before = self._before
        count = before[last[:, 0], last[:, 1]] - before[first[:, 0], last[:, 1]]
        return inside & (count - before[last[:, 0], first[:, 1]] + before[first[:, 0], first[:, 1]] > 0)

    def _place(self, points: np.ndarray) -> np.ndarray:
        """(m, 2) the cells of points, those beside the grid in its border."""
        return np.clip(((points[:, :2] - self._low) / self._cells).astype(np.int64), 0, self._counts - 1)

    def _covered(self, boxes: Boxes) -> np.ndarray:
        """(n, m) bool: the cells that any of the boxes reaches into."""
        spread = np.zeros(self._counts + 1, np.int64)
        first, last = self._place(boxes.low), self._place(boxes.high) + 1
        for x, y, sign in ((first, first, 1), (first, last, -1), (last, first, -1), (last, last, 1)):
            np.add.at(spread, (x[:, 0], y[:, 1]), sign)
        return spread.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0


def fine_cell(low: np.ndarray, high: np.ndarray) -> float:
    """The size of cells that volumes of people are measured with over a box."""
    longest = float((high - low)[:2].max())
    return max(min(longest / _COLUMNS, _CELL_M), longest / _MOST_CELLS)


def shared_volume(a: np.ndarray, b: np.ndarray, faces: np.ndarray, faces_b: np.ndarray | None = None) -> float:
    """The volume inside two closed meshes at once, m³.

    Rays along z stand on a regular grid over the box that both meshes reach into; the lengths that lie inside both,
    times the area of a cell, add up to the volume. Parts of a mesh that overlap themselves count once.

    Args:
      a: (m, 3) vertices of the first.
      b: (n, 3) vertices of the second.
      faces: (f, 3) of the first, closed and outward.
      faces_b: of the second; None: the same.
    """
    low = np.maximum(a.min(axis=0), b.min(axis=0))
    high = np.minimum(a.max(axis=0), b.max(axis=0))
    if not (high > low).all():
        return 0.0
    grid = Grid(low, high, float((high - low)[:2].max()) / _COLUMNS)
    return runs(grid.rays, a, b, faces, faces if faces_b is None else faces_b).shared * grid.area


def volume_near(hull: Surface, first: tuple[np.ndarray, Boxes], second: tuple[np.ndarray, Boxes]) -> float:
    """`shared_volume`, looked for where it can be, with rays 2 mm apart.

    What a ray runs through inside both begins on the surface of one that lies inside the other, so it meets a patch
    that may be enclosed.
    """
    (a, boxes_a), (b, boxes_b) = first, second
    parts = [mine.of(enclosed(mine, other)[0]) for mine, other in ((boxes_a, boxes_b), (boxes_b, boxes_a))]
    boxes = Boxes(np.concatenate([part.low for part in parts]), np.concatenate([part.high for part in parts]))
    if not len(boxes.low):
        return 0.0
    low = np.maximum(np.maximum(boxes_a.low.min(axis=0), boxes_b.low.min(axis=0)), boxes.low.min(axis=0))
    high = np.minimum(np.minimum(boxes_a.high.max(axis=0), boxes_b.high.max(axis=0)), boxes.high.max(axis=0))
    if not (high > low).all():
        return 0.0
    faces_a, faces_b = (hull.triangles(meeting(those, low, high, axes=2)) for those in (boxes_a, boxes_b))
    grid = Grid(low, high, fine_cell(low, high), boxes)
    return runs(grid.rays, a, b, faces_a, faces_b).shared * grid.area


def runs(rays: np.ndarray, a: np.ndarray, b: np.ndarray, faces_a: np.ndarray, faces_b: np.ndarray) -> _Runs:
    """The pieces of rays (n, 3) that start below two closed meshes, up to where they meet the last of the faces given.

    Faces that rays meet behind all that is asked about may be left out.
    """
    events = []
    for body, (vertices, faces) in enumerate(((a, faces_a), (b, faces_b))):
        ray, face = _ray_candidates(rays, vertices, faces)
        sign, height = ray_crossings(rays[:, :2].take(ray, axis=0), vertices.take(faces.take(face, axis=0), axis=0))
        hit = sign != 0
        events.append((ray[hit], height[hit], np.full(hit.sum(), body), -sign[hit]))
    # Only rays that meet both can run inside both.
    met = np.logical_and(*(np.bincount(ray, minlength=len(rays)) > 0 for ray, *_ in events))
    ray, height, whose, step = (np.concatenate(parts) for parts in zip(*events, strict=True))
    kept = met[ray]
    if not kept.any():
        return _Runs(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    ray, height, whose, step = ray[kept], height[kept], whose[kept], step[kept]
    # By ray, then by height: as one number, sorted several times faster than two; it tells heights 1e-11 m apart.
    bottom, span = float(height.min()), float(np.ptp(height))
    order = np.argsort(ray + (height - bottom) / (1.000001 * span + 1e-9))
    height, whose, step = height[order], whose[order], step[order]
    ray = ray[order]
    # Along +z a surface is entered where it faces down: there the winding number goes up. Rays begin outside.
    begins = np.flatnonzero(np.diff(ray, prepend=-1))
    counts = np.diff(begins, append=len(ray))
    windings = []
    for which in (0, 1):
        sums = np.cumsum(np.where(whose == which, step, 0))
        windings.append(sums - np.repeat(np.concatenate([[0], sums])[begins], counts))
    lengths = np.diff(height, append=height[-1:])
    lengths[begins + counts - 1] = 0.0
    return _Runs(lengths, windings[0], windings[1])


def _ray_candidates(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a point and a triangle that the line up from it may meet: indices (k,), (k,)."""
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    # An axis at a time: NumPy is several times faster on long rows than on columns of three.
    x, y, z = np.ascontiguousarray(points.T)
    low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
    axes = np.ascontiguousarray(vertices.T)
    a, b, c = (axes.take(corner, axis=1) for corner in np.ascontiguousarray(faces.T))
    below, above = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    used = np.flatnonzero(
        (above[0] >= low[0]) & (below[0] <= high[0]) & (above[1] >= low[1]) & (below[1] <= high[1])
        & (above[2] > z.min())
    )  # fmt: skip
    if not len(used):
        return none
    below, above = below.take(used, axis=1), above.take(used, axis=1)
    if len(points) * len(used) <= _FEW:
        met = (above[2] > z[:, None]) & (above[0] >= x[:, None]) & (below[0] <= x[:, None])
        met &= (above[1] >= y[:, None]) & (below[1] <= y[:, None])
        point, face = np.nonzero(met)
        return point, used.take(face)
    # The points are sorted into cells, about one a cell; a triangle finds those of its box row by row.
    extent = high - low
    cell = max(np.sqrt(extent.prod() / len(points)), float(extent.max()) / _MOST_CELLS, 1e-9)
    rows, columns = ((extent / cell).astype(np.int64) + 1).tolist()
    key = ((x - low[0]) / cell).astype(np.int64) * columns + ((y - low[1]) / cell).astype(np.int64)
    order = np.argsort(key, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=rows * columns))])
    first = (np.maximum(below[:2] - low[:, None], 0.0) / cell).astype(np.int64)
    last = ((np.minimum(above[:2], high[:, None]) - low[:, None]) / cell).astype(np.int64)
    face, row = ranges(first[0], last[0] + 1)
    start, stop = starts.take(row * columns + first[1].take(face)), starts.take(row * columns + last[1].take(face) + 1)
    entry, where = ranges(start, stop)
    point, face = order.take(where), face.take(entry)
    px, py = x.take(point), y.take(point)
    met = (above[2].take(face) > z.take(point)) & (above[0].take(face) >= px) & (below[0].take(face) <= px)
    met &= (above[1].take(face) >= py) & (below[1].take(face) <= py)
    kept = np.flatnonzero(met)
    return point.take(kept), used.take(face.take(kept))


def ray_crossings(rays: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How vertical lines meet triangles.

    The two triangles of an edge see it in opposite directions: their areas with a ray differ in sign alone, bit by
    bit, since NumPy fuses no multiplication with an addition. So a ray beside an edge belongs to exactly one of them.

    Args:
      rays: (n, 2) where the lines stand.
      corners: (n, 3, 3) one triangle a line.

    Returns:
      (n,) int: +1 where the line along +z leaves through the triangle, -1 where it enters, 0 where it misses; and the
      heights (n,) at which they meet.
    """
    x, y = (corners[:, :, axis] - (rays[:, axis, None] + RAY_SHIFT[axis]) for axis in (0, 1))
    w2, w0, w1 = (x[:, i] * y[:, j] - y[:, i] * x[:, j] for i, j in ((0, 1), (1, 2), (2, 0)))
    above = (w0 > 0) & (w1 > 0) & (w2 > 0)
    below = (w0 < 0) & (w1 < 0) & (w2 < 0)
    total = np.where(above | below, w0 + w1 + w2, 1.0)
    height = (w0 * corners[:, 0, 2] + w1 * corners[:, 1, 2] + w2 * corners[:, 2, 2]) / total
    return above.astype(np.int64) - below, height
