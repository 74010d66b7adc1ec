"""Sets of neighbours on a mesh, the boxes around them, and which of those can meet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def split(ids: np.ndarray, points: np.ndarray, most: int) -> list[np.ndarray]:
    """Ids in halves along the longest side of their points (n, 3) until every part has at most `most`."""
    if len(ids) <= most:
        return [ids] if len(ids) else []
    first, second = halved(ids, points)
    return [*split(first, points, most), *split(second, points, most)]


def halved(ids: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids in two parts of about the same size, along the longest side of their points (n, 3)."""
    if len(ids) > 1:
        here = points[ids]
        ids = ids[np.argsort(here[:, np.argmax(np.ptp(here, axis=0))], kind="stable")]
    middle = len(ids) // 2
    return ids[:middle], ids[middle:]


class Boxes(NamedTuple):
    """Boxes around sets of points."""

    low: np.ndarray  # (n, 3)
    high: np.ndarray  # (n, 3)

    def of(self, chosen: np.ndarray) -> Boxes:
        """Some of them."""
        return Boxes(self.low[chosen], self.high[chosen])


class Groups:
    """Sets of vertices and the boxes around them.

    Args:
      members: the vertex ids of each set, at least one.
    """

    def __init__(self, members: list[np.ndarray]) -> None:
        self.members = members
        self._ids = np.concatenate(members) if members else np.zeros(0, np.int64)
        self._counts = np.array([len(ids) for ids in members], np.int64)
        self._starts = np.cumsum(self._counts) - self._counts

    def of(self, chosen: np.ndarray) -> np.ndarray:
        """The vertices of the chosen sets (bool, or numbers)."""
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        start = self._starts[chosen]
        return self._ids.take(ranges(start, start + self._counts[chosen])[1])

    def boxes(self, vertices: np.ndarray) -> Boxes:
        """Of the sets in posed vertices (V, 3)."""
        low, high = self.boxes_of_axes(np.ascontiguousarray(vertices.T))
        return Boxes(np.ascontiguousarray(low.T), np.ascontiguousarray(high.T))

    def boxes_of_axes(self, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Low and high corners (3, n) in posed vertices (3, V)."""
        # An axis at a time: NumPy reduces long rows, not columns of three.
        points = axes.take(self._ids, axis=1)
        return np.minimum.reduceat(points, self._starts, axis=1), np.maximum.reduceat(points, self._starts, axis=1)


class Ring:
    """The faces around each vertex of a mesh."""

    def __init__(self, faces: np.ndarray) -> None:
        self.faces = np.asarray(faces, np.int64)
        places, self._starts = inverted(self.faces, int(self.faces.max(initial=-1)) + 1)
        self._faces, corner = np.divmod(places, 3)
        self._others = np.stack([self.faces[self._faces, (corner + k) % 3] for k in (1, 2)])

    def around(self, ids: np.ndarray) -> np.ndarray:
        """(m,) the faces around vertices (n,), once for each."""
        return self._faces.take(ranges(self._starts[ids], self._starts[ids + 1])[1])

    def sides(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The faces around vertices (n,) by their other corners: which vertex each is of, 0 … n - 1, and (2, m)."""
        whose, place = ranges(self._starts[ids], self._starts[ids + 1])
        return whose, self._others.take(place, axis=1)

    def reaches2(self, ids: np.ndarray, axes: np.ndarray) -> np.ndarray:
        """How far off the points of the faces around vertices can be that are nearer to no other corner.

        Args:
          ids: (n,) vertices.
          axes: (3, V) posed.

        Returns:
          (n,) squares of the largest such distances: of an acute triangle the radius of the circle through its corners,
          of others at most half the longest side.
        """
        used = np.zeros(len(self.faces), bool)
        around, counts = self.around(ids), self._starts[ids + 1] - self._starts[ids]
        used[around] = True
        a, b, c = (axes.take(corner, axis=1) for corner in self.faces[used].T)
        a, b, c = (u[0] * u[0] + u[1] * u[1] + u[2] * u[2] for u in (c - b, a - c, b - a))
        rest = a + b - c
        area = 4.0 * a * b - rest * rest  # 16 times its square
        longest = np.maximum(np.maximum(a, b), c)
        acute = (2.0 * longest < a + b + c) & (area > 0.0)
        squared = np.where(acute, a * b * c / np.where(acute, area, 1.0), 0.25 * longest)
        place = np.cumsum(used) - 1
        return np.maximum.reduceat(squared.take(place.take(around)), np.cumsum(counts) - counts)


def is_closed(faces: np.ndarray) -> bool:
    """Whether every edge is used once in each direction: then "inside" has an exact meaning."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    base = int(faces.max()) + 1 if faces.size else 1
    forward = np.sort(directed[:, 0] * base + directed[:, 1])
    backward = np.sort(directed[:, 1] * base + directed[:, 0])
    return bool(np.array_equal(forward, backward))


def unique_edges(faces: np.ndarray) -> np.ndarray:
    """(e, 2) the edges of triangles, each once."""
    pairs = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64), axis=1)
    base = int(pairs.max(initial=0)) + 1
    return np.stack(np.divmod(np.unique(pairs[:, 0] * base + pairs[:, 1]), base), axis=1)


def _reach(a: Boxes, b: Boxes, axis: int) -> np.ndarray:
    """(n, m) which boxes overlap along an axis."""
    return (a.low[:, None, axis] <= b.high[None, :, axis]) & (a.high[:, None, axis] >= b.low[None, :, axis])


def enclosed(points: Boxes, surface: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Which sets of points may lie inside a closed surface, and which of its patches rays upwards (+z) may meet.

    A point inside has surface on both of its sides along every axis.

    Returns:
      (n,) bool of the sets, (m,) bool of the patches.
    """
    sets, patches = np.zeros(len(points.low), bool), np.zeros(len(surface.low), bool)
    # Only what reaches into the other's whole box, a patch along two axes at least, can matter.
    inner = np.flatnonzero(_overlaps(points, surface).all(axis=1))
    outer = np.flatnonzero(_overlaps(surface, points).sum(axis=1) > 1)
    if len(inner) and len(outer):
        sets[inner], patches[outer] = _enclosed(points.of(inner), surface.of(outer))
    return sets, patches


def _overlaps(some: Boxes, all_: Boxes) -> np.ndarray:
    """(n, 3) which boxes overlap the box around all the others, along each axis."""
    return (some.low <= all_.high.max(axis=0)) & (some.high >= all_.low.min(axis=0))


def _enclosed(points: Boxes, surface: Boxes) -> tuple[np.ndarray, np.ndarray]:
    reach = [_reach(points, surface, axis) for axis in range(3)]
    kept = np.ones(len(points.low), bool)
    for axis in range(3):
        column = reach[axis - 2] & reach[axis - 1]
        above = column & (surface.high[None, :, axis] >= points.low[:, None, axis])
        below = column & (surface.low[None, :, axis] <= points.high[:, None, axis])
        kept &= above.any(axis=1) & below.any(axis=1)
    # The last axis was z.
    return kept, above[kept].any(axis=0)


def within(points: Boxes, surface: Boxes, distance: float) -> np.ndarray:
    """(m,) bool: the patches that may be nearer than `distance` to any of the sets of points."""
    squared = np.zeros((len(points.low), len(surface.low)))
    for axis in range(3):
        gap = np.maximum(
            points.low[:, None, axis] - surface.high[None, :, axis],
            surface.low[None, :, axis] - points.high[:, None, axis],
        )
        squared += np.maximum(gap, 0.0) ** 2
    return np.asarray((squared <= distance * distance).any(axis=0))


def meeting(surface: Boxes, low: np.ndarray, high: np.ndarray, axes: int = 3) -> np.ndarray:
    """(m,) bool: the patches that reach into a box, looking along the first `axes` axes."""
    return np.asarray(((surface.low[:, :axes] <= high[:axes]) & (surface.high[:, :axes] >= low[:axes])).all(axis=1))


def ranges(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of half-open ranges one after the other: whose each is, and the number."""
    counts = stop - start
    whose = np.repeat(np.arange(len(counts)), counts)
    return whose, np.arange(len(whose)) + np.repeat(start - (np.cumsum(counts) - counts), counts)


def inverted(keys: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of the keys 0 … count - 1 stands: places in the flat array by key, and where each key's begin."""
    places = np.argsort(keys, axis=None, kind="stable")
    return places, np.concatenate([[0], np.cumsum(np.bincount(keys.ravel(), minlength=count))])
