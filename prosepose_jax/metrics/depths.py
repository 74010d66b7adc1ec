"""Distances from points to a surface, exact."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from prosepose_jax.metrics.boxes import Boxes, Ring, within
from prosepose_jax.metrics.patches import Surface

_AROUND_M = 0.03  # triangles so near the points are looked at first
_CELL_M = 0.04  # cubes of points whose faces tell which triangles are near
_FEW = 32  # points that are looked at one by one
_NEIGHBOURS = 5  # vertices that are looked at first


def surface_depths(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(n,) distances from points to the nearest point of a surface, exact.

    Args:
      points: (n, 3).
      vertices: (m, 3).
      faces: (f, 3).
    """
    points, vertices = np.asarray(points, np.float64), np.asarray(vertices, np.float64)
    if not len(points):
        return np.zeros(0)
    return _depths(points, vertices, Ring(faces), np.unique(faces))


def depths_in(
    points: np.ndarray, surface: Surface, vertices: np.ndarray, boxes: Boxes, around: float = _AROUND_M
) -> np.ndarray:
    """`surface_depths` of a body, from the patches around the points alone.

    Args:
      points: (n, 3), at least one.
      surface: of the body.
      vertices: (V, 3) posed.
      boxes: of the surface's patches in these vertices.
      around: patches so near the points are looked at first, m.
    """
    depths, left = np.zeros(len(points)), np.arange(len(points))
    while True:
        here = points[left]
        near = within(Boxes(here, here) if len(here) <= _FEW else _cells(here), boxes, around)
        if near.any():
            depths[left] = _depths(points[left], vertices, surface.ring, surface.vertices(near))
            if near.all():
                return depths
            # What is farther than all that was left out may be nearer still.
            left = left[depths[left] > around]
            if not len(left):
                return depths
        around *= 3.0


def _cells(points: np.ndarray) -> Boxes:
    """Cubes that hold all the points."""
    low = points.min(axis=0)
    cells = ((points - low) / _CELL_M).astype(np.int64)
    counts = cells.max(axis=0) + 1
    keys = np.unique((cells[:, 0] * counts[1] + cells[:, 1]) * counts[2] + cells[:, 2])
    corner = np.stack([keys // counts[2] // counts[1], keys // counts[2] % counts[1], keys % counts[2]], axis=1)
    # A little wider: a point may be rounded into the next cube.
    return Boxes(low + (corner - 1e-6) * _CELL_M, low + (corner + 1.0 + 1e-6) * _CELL_M)


def _depths(points: np.ndarray, vertices: np.ndarray, ring: Ring, ids: np.ndarray) -> np.ndarray:
    """Distances to the faces around some vertices.

    The nearest point is a vertex, or the foot of a perpendicular on an edge or on a face. The corner of that edge or
    face that is nearest to a foot at distance d is at most s = longest edge / √3 from it, so that the corner is at most
    √(d² + s²) away: few vertices are so near. They are looked up in a tree of four dimensions, in whose last each
    lies √(S² - s²) off, s of the largest of its faces and S the largest of all: then none that counts is farther than
    √(d² + S²).
    """
    axes = np.ascontiguousarray(vertices.T)
    reach = ring.reaches2(ids, axes) * (1.0 + 1e-9)  # s²
    most = float(reach.max())  # S²
    lifted = np.concatenate([vertices.take(ids, axis=0), np.sqrt(most - reach)[:, None]], axis=1)
    tree = cKDTree(lifted, leafsize=24, balanced_tree=False, compact_nodes=False)
    asked = np.concatenate([points, np.zeros((len(points), 1))], axis=1)
    best, waiting, first, count = np.full(len(points), np.inf), np.arange(len(points)), 0, _NEIGHBOURS
    while len(waiting):
        count = min(count, len(ids))
        apart, vertex = tree.query(asked[waiting], k=np.arange(first + 1, count + 1))
        squared = apart * apart - most
        # No distance to a vertex is smaller than that to the surface.
        best[waiting] = np.minimum(best[waiting], (squared + reach[vertex]).min(axis=1))
        wedges = _Wedges(axes, ring, ids, vertex[squared < best[waiting][:, None]])
        if first == 0:
            # The faces around the first tell all but exactly how near the surface is.
            wedges.lower(best, points, waiting, vertex[:, 0])
            squared[:, 0] = np.inf
        row, column = np.nonzero(squared < best[waiting][:, None])
        wedges.lower(best, points, waiting[row], vertex[row, column])
        waiting = waiting[squared[:, -1] < best[waiting]] if count < len(ids) else waiting[:0]
        first, count = count, 4 * count
    return np.sqrt(np.maximum(best, 0.0))


class _Wedges:
    """Faces, each seen from one of its corners.

    Args:
      axes: (3, V) vertices.
      ring: of the surface.
      ids: (n,) vertices.
      corners: (m,) those of the ids that are looked at, any number of times.
    """

    def __init__(self, axes: np.ndarray, ring: Ring, ids: np.ndarray, corners: np.ndarray) -> None:
        used = np.zeros(len(ids), bool)
        used[corners] = True
        self._place = np.cumsum(used) - 1
        chosen = ids[used]
        self._corners = np.ascontiguousarray(axes.take(chosen, axis=1).T)
        whose, sides = ring.sides(chosen)
        counts = np.bincount(whose, minlength=len(chosen))
        # One row a corner, filled up with sides of no length.
        column = np.arange(len(whose)) - np.repeat(np.cumsum(counts) - counts, counts)
        self._u, self._v = np.zeros((2, len(chosen), int(counts.max(initial=0)), 3))
        for table, side in ((self._u, sides[0]), (self._v, sides[1])):
            table[whose, column] = axes.take(side, axis=1).T - self._corners.take(whose, axis=0)
        self._uu, self._uv, self._vv = (
            np.einsum("nki,nki->nk", a, b) for a, b in ((self._u, self._u), (self._u, self._v), (self._v, self._v))
        )

    def lower(self, bound: np.ndarray, points: np.ndarray, asked: np.ndarray, vertex: np.ndarray) -> None:
        """Lowers the bounds (n,) of points (n, 3) to the squared distances from the faces around vertices.

        A foot on a face or on an edge lies at most half a side from the nearest corner, along one side at least: seen
        from others it need not be looked at, nor on the edge across.

        Args:
          bound: changed.
          points: of the bounds.
          asked: (m,) which points,
          vertex: (m,) and at which of the ids.
        """
        place = self._place[vertex]
        away = points.take(asked, axis=0) - self._corners.take(place, axis=0)
        uw, vw = (np.einsum("nki,ni->nk", side.take(place, axis=0), away) for side in (self._u, self._v))
        uu, vv = self._uu.take(place, axis=0), self._vv.take(place, axis=0)
        near = ((uw > 0.0) & (2.0 * uw <= uu)) | ((vw > 0.0) & (2.0 * vw <= vv))
        row, column = np.nonzero(near)
        uw, vw, uu, vv, uv = uw[near], vw[near], uu[near], vv[near], self._uv[place[row], column]
        area2 = uu * vv - uv * uv
        s, t = vv * uw - uv * vw, uu * vw - uv * uw
        over = (s >= 0.0) & (t >= 0.0) & (s + t <= area2) & (area2 > 0.0)
        height = (s * uw + t * vw) / np.where(over, area2, 1.0)
        edge = np.maximum(_foot2(uu, uw), _foot2(vv, vw))
        squared = np.einsum("ni,ni->n", away, away)[row] - np.where(over, height, edge)
        np.minimum.at(bound, asked[row], squared)


def _foot2(length2: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """How much the squared distance from a corner exceeds that from an edge that leaves it."""
    beside = (ahead > 0.0) & (ahead <= length2)
    return np.where(beside, ahead * ahead / np.where(beside, length2, 1.0), 0.0)
