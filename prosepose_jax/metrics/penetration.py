"""How deep people stand inside each other (docs/method.md, "Metrics").

Exact on the full meshes, in numpy: a vertex is inside when a ray from it crosses the other surface more
often outwards than inwards, and its depth is the distance to the nearest point of that surface.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_CELLS_ACROSS = 96  # of the grid of rays; a few dozen triangles share a cell
_CHUNK_PAIRS = 2_000_000
_BLOCK_M, _BLOCK_POINTS = 0.06, 64  # points handled together when depths are measured
# Rays start this far beside their points (m): no ray meets a vertex or an edge of float32 coordinates exactly.
_RAY_SHIFT = 1e-9 * np.array([1.0, np.sqrt(2.0)])


# Beyond these a body is broken (m): its triangles no longer spread over the cells, and rounding eats the ray shift.
_FARTHEST_M, _WIDEST_M = 1e6, 100.0


class Penetration(NamedTuple):
    """Depths over all vertices of any person inside another; zeros when there is none."""

    max_mm: float
    mean_mm: float
    inside: int  # vertices


def is_measurable(vertices: np.ndarray) -> bool:
    """Whether depths between the people (P, V, 3) mean anything: finite, not far off, not far too wide."""
    vertices = np.asarray(vertices, np.float64)
    if not np.isfinite(vertices).all() or np.abs(vertices).max(initial=0.0) > _FARTHEST_M:
        return False
    return bool((np.ptp(vertices, axis=1) <= _WIDEST_M).all())


def is_closed(faces: np.ndarray) -> bool:
    """Whether every edge is used once in each direction: then "inside" has an exact meaning."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    base = int(faces.max()) + 1 if faces.size else 1
    forward = np.sort(directed[:, 0] * base + directed[:, 1])
    backward = np.sort(directed[:, 1] * base + directed[:, 0])
    return bool(np.array_equal(forward, backward))


def crossing_numbers(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """How often a closed surface winds around each point, by signed crossings of the ray along +z.

    Args:
      points: (n, 3).
      vertices: (m, 3).
      faces: (f, 3) closed and outward.

    Returns:
      (n,) int; 1 inside, 0 outside, more where the surface overlaps itself.
    """
    points, vertices = np.asarray(points, np.float64), np.asarray(vertices, np.float64)
    total = np.zeros(len(points), dtype=np.int64)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    near = np.flatnonzero(np.all((points >= low) & (points <= high), axis=1))
    if not len(near):
        return total
    # Triangles into the cells of a grid over x and y, points to the triangles of their cell.
    cell = max(float((high - low)[:2].max()), 1e-9) / _CELLS_ACROSS
    corners = vertices[faces]
    first = ((corners[..., :2].min(axis=1) - low[:2]) / cell).astype(np.int64)
    last = ((corners[..., :2].max(axis=1) - low[:2]) / cell).astype(np.int64)
    width = int(last[:, 1].max()) + 2
    spans = last - first + 1
    count = spans[:, 0] * spans[:, 1]
    face = np.repeat(np.arange(len(faces)), count)
    step = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    column = first[face, 0] + step // spans[face, 1]
    key = column * width + first[face, 1] + step % spans[face, 1]
    order = np.argsort(key, kind="stable")
    key, face = key[order], face[order]
    place = ((points[near, :2] - low[:2]) / cell).astype(np.int64)
    place_key = place[:, 0] * width + place[:, 1]
    start, stop = np.searchsorted(key, place_key), np.searchsorted(key, place_key, side="right")
    tested = stop - start
    point = np.repeat(near, tested)
    candidate = face[np.repeat(start, tested) + np.arange(len(point)) - np.repeat(np.cumsum(tested) - tested, tested)]
    for begin in range(0, len(point), _CHUNK_PAIRS):
        part = slice(begin, begin + _CHUNK_PAIRS)
        np.add.at(total, point[part], _crossings(points[point[part]], vertices, faces[candidate[part]]))
    return total


def _crossings(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """+1 where the upward ray leaves through a triangle, -1 where it enters, 0 where it misses; (n,)."""
    areas = []
    rays = points[:, :2] + _RAY_SHIFT
    for start, end in ((1, 2), (2, 0), (0, 1)):
        # Each edge is taken from its lower to its higher vertex: its two triangles get the same bits, and a
        # ray close to the edge is given to exactly one of them.
        tail, head = np.minimum(faces[:, start], faces[:, end]), np.maximum(faces[:, start], faces[:, end])
        a, b = vertices[tail, :2] - rays, vertices[head, :2] - rays
        area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        areas.append(np.where(faces[:, start] < faces[:, end], area, -area))
    weights = np.stack(areas, axis=1)
    sign = np.where((weights > 0).all(axis=1), 1, 0) - np.where((weights < 0).all(axis=1), 1, 0)
    total = weights.sum(axis=1)
    height = np.sum(weights * vertices[faces][..., 2], axis=1) / np.where(sign == 0, 1.0, total)
    return np.where(height > points[:, 2], sign, 0)


def surface_depths(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(n,) distances from points to the nearest point of a surface, exact."""
    points, vertices = np.asarray(points, np.float64), np.asarray(vertices, np.float64)
    corners = vertices[faces]
    centres = corners.mean(axis=1)
    radii = np.sqrt(np.sum((corners - centres[:, None]) ** 2, axis=-1).max(axis=1))
    depths = np.empty(len(points))
    sparse = centres[:: max(1, len(centres) // 2000)]
    # Neighbouring points are done together, against the triangles around them alone.
    place = ((points - vertices.min(axis=0)) / _BLOCK_M).astype(np.int64)
    order = np.lexsort((place[:, 2], place[:, 0], place[:, 1]))
    for begin in range(0, len(points), _BLOCK_POINTS):
        block = order[begin : begin + _BLOCK_POINTS]
        part = points[block]
        reach = float(_distances(part, sparse).min(axis=1).max())  # no point is farther from the surface
        low, high = part.min(axis=0) - reach, part.max(axis=0) + reach
        around = np.flatnonzero(np.all((centres + radii[:, None] >= low) & (centres - radii[:, None] <= high), axis=1))
        apart = _distances(part, centres[around])
        # No triangle is nearer than its centre less its radius; the nearest centre bounds the answer from above.
        row, column = np.nonzero(apart - radii[around] <= apart.min(axis=1)[:, None])
        best = np.full(len(part), np.inf)
        np.minimum.at(best, row, _triangle_distances(part[row], corners[around[column]]))
        depths[block] = best
    return depths


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(sum((a[:, None, k] - b[None, :, k]) ** 2 for k in range(3)))


def _triangle_distances(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(n,) distance from each point to its triangle (n, 3, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    area2 = np.sum(normal * normal, axis=1)
    flat = area2 <= 0.0
    rel = points - a
    height = np.sum(rel * normal, axis=1) / np.sqrt(np.where(flat, 1.0, area2))
    foot = rel - (height / np.sqrt(np.where(flat, 1.0, area2)))[:, None] * normal
    w_b = np.sum(np.cross(foot, c - a) * normal, axis=1)
    w_c = np.sum(np.cross(b - a, foot) * normal, axis=1)
    over = ~flat & (w_b >= 0) & (w_c >= 0) & (w_b + w_c <= area2)
    edges = np.stack([_segment_distances(points, p, q) for p, q in ((a, b), (b, c), (c, a))])
    return np.where(over, np.abs(height), edges.min(axis=0))


def _segment_distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    along = end - start
    length2 = np.sum(along * along, axis=1)
    at = np.sum((points - start) * along, axis=1) / np.where(length2 > 0.0, length2, 1.0)
    nearest = start + np.clip(at, 0.0, 1.0)[:, None] * along
    return np.linalg.norm(points - nearest, axis=1)


def penetration(
    vertices: np.ndarray,
    faces: np.ndarray,
    closed_ids: np.ndarray | None = None,
    closed_faces: np.ndarray | None = None,
) -> Penetration:
    """Depth of every person's vertices inside every other person, all ordered pairs together.

    Args:
      vertices: (P, V, 3) m. With one person nothing is compared: the result is zero.
      faces: (F, 3) of the full mesh.
      closed_ids: (k,) vertices of a closed coarse mesh, for the inside test; None: the full mesh is closed.
      closed_faces: (m, 3) into closed_ids.

    Returns:
      Maximum and mean depth in millimetres over the vertices inside.
    """
    faces = np.asarray(faces, np.int64)
    depths = [np.zeros(0)]
    for i, other in enumerate(np.asarray(vertices, np.float64)):
        for j, mine in enumerate(np.asarray(vertices, np.float64)):
            if i == j:
                continue
            if closed_ids is None or closed_faces is None:
                numbers = crossing_numbers(mine, other, faces)
            else:
                numbers = crossing_numbers(mine, other[np.asarray(closed_ids)], np.asarray(closed_faces, np.int64))
            inside = mine[numbers >= 1]
            if len(inside):
                depths.append(surface_depths(inside, other, faces))
    pooled = np.concatenate(depths) * 1000.0
    if not len(pooled):
        return Penetration(0.0, 0.0, 0)
    return Penetration(float(pooled.max()), float(pooled.mean()), len(pooled))
