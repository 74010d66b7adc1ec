"""Distances from points to a surface, exact."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from prosepose_jax.metrics.boxes import Boxes, Ring, ranges, split, within
from prosepose_jax.metrics.patches import Surface

_AROUND_M = 0.03  # triangles so near the points are looked at first
_GROUP = 64  # points whose common box tells which triangles are near
_NEIGHBOURS = 6  # vertices that are looked at first


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


def depths_in(points: np.ndarray, surface: Surface, vertices: np.ndarray, boxes: Boxes) -> np.ndarray:
    """`surface_depths` of a body, from the patches around the points alone.

    Args:
      points: (n, 3), at least one.
      surface: of the body.
      vertices: (V, 3) posed.
      boxes: of the surface's patches in these vertices.
    """
    depths, left, around = np.zeros(len(points)), np.arange(len(points)), _AROUND_M
    while True:
        groups = [points[k] for k in split(left, points, _GROUP)]
        of_points = Boxes(np.array([g.min(axis=0) for g in groups]), np.array([g.max(axis=0) for g in groups]))
        near = within(of_points, boxes, around)
        if near.any():
            depths[left] = _depths(points[left], vertices, surface.ring, surface.vertices(near))
            if near.all():
                return depths
            # What is farther than all that was left out may be nearer still.
            left = left[depths[left] > around]
            if not len(left):
                return depths
        around *= 3.0


def _depths(points: np.ndarray, vertices: np.ndarray, ring: Ring, ids: np.ndarray) -> np.ndarray:
    """Distances to the faces around some vertices.

    The nearest point is a vertex, or the foot of a perpendicular on an edge or on a face. Some corner of that edge or
    face is at most s from a foot at distance d, s = longest edge / √3, so that the corner is at most √(d² + s²) away:
    few vertices are so near. They are looked up in a tree of four dimensions, in the last of which each lies
    √(S² - s²) off, s of the largest of its faces and S the largest of all: then none that counts is farther than
    √(d² + S²).
    """
    whose, face = ring.around(ids)
    used = np.zeros(len(ring.faces), bool)
    used[face] = True
    place = np.cumsum(used) - 1
    triangles = _Triangles(vertices[ring.faces[used]])
    face = place[face]
    starts = np.concatenate([[0], np.cumsum(np.bincount(whose, minlength=len(ids)))])
    reach = np.maximum.reduceat(triangles.longest2[face], starts[:-1]) / 3.0  # s²
    most = float(reach.max())  # S²
    here = vertices[ids]
    off = np.sqrt(most - reach)[:, None]
    tree = cKDTree(np.concatenate([here, off], axis=1), balanced_tree=False, compact_nodes=False)
    lifted = np.concatenate([points, np.zeros((len(points), 1))], axis=1)

    def nearer(bound: np.ndarray, asked: np.ndarray, vertex: np.ndarray) -> None:
        row, entry = ranges(starts[vertex], starts[vertex + 1])
        row = asked[row]
        np.minimum.at(bound, row, triangles.squared_distances(points[row], face[entry]))

    best, waiting, count = np.full(len(points), np.inf), np.arange(len(points)), _NEIGHBOURS
    while len(waiting):
        count = min(count, len(ids))
        apart, vertex = tree.query(lifted[waiting], k=np.arange(1, count + 1))
        squared = apart * apart - most
        if count == min(_NEIGHBOURS, len(ids)):
            # The faces around the first tell all but exactly how near the surface is.
            nearer(best, waiting, vertex[:, 0])
        row, column = np.nonzero(squared < best[waiting][:, None])
        nearer(best, waiting[row], vertex[row, column])
        waiting = waiting[squared[:, -1] < best[waiting]] if count < len(ids) else waiting[:0]
        count *= 4
    return np.sqrt(np.maximum(best, 0.0))


class _Triangles:
    """Faces (n, 3, 3) whose distances to points are asked for."""

    def __init__(self, corners: np.ndarray) -> None:
        a, b, c = (np.ascontiguousarray(corners[:, k].T) for k in range(3))
        self._a, self._u, self._v = a, b - a, c - a
        self._uu, self._uv, self._vv = (
            _dot(x, y) for x, y in ((self._u, self._u), (self._u, self._v), (self._v, self._v))
        )
        self._ee = _dot(c - b, c - b)
        self.longest2 = np.maximum(np.maximum(self._uu, self._vv), self._ee)
        area2 = self._uu * self._vv - self._uv * self._uv
        self._inverse = np.where(area2 > 0.0, 1.0 / np.where(area2 > 0.0, area2, 1.0), 0.0)

    def squared_distances(self, points: np.ndarray, which: np.ndarray) -> np.ndarray:
        """(n,) of points (n, 3) from one face each."""
        away = np.ascontiguousarray(points.T) - self._a[:, which]
        uw, vw, ww = _dot(away, self._u[:, which]), _dot(away, self._v[:, which]), _dot(away, away)
        uu, uv, vv, inverse = self._uu[which], self._uv[which], self._vv[which], self._inverse[which]
        s, t = (vv * uw - uv * vw) * inverse, (uu * vw - uv * uw) * inverse
        found = ww - s * uw - t * vw
        beside = np.flatnonzero(~((s >= 0.0) & (t >= 0.0) & (s + t <= 1.0) & (inverse > 0.0)))
        uu, uv, vv, ee = uu[beside], uv[beside], vv[beside], self._ee[which[beside]]
        uw, vw, ww = uw[beside], vw[beside], ww[beside]
        found[beside] = np.minimum(
            np.minimum(_beside(uu, uw, ww), _beside(vv, vw, ww)), _beside(ee, vw - uw - uv + uu, ww - 2.0 * uw + uu)
        )
        return found


def _beside(length2: np.ndarray, ahead: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """Squared distances from edges: how far a point is from its start, squared, and along it."""
    share = np.clip(ahead / np.where(length2 > 0.0, length2, 1.0), 0.0, 1.0)
    return squared - share * (2.0 * ahead - share * length2)


def _dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Of vectors (3, n)."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
