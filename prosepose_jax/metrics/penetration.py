"""How deep people stand inside each other, and how much space they share (docs/method.md, "Metrics").

Exact on the full meshes: a vertex is inside when a ray from it crosses the other surface more often outwards than
inwards, its depth is the distance to the nearest point of that surface, and the shared volume is what parallel rays
run through both bodies. Which triangles a ray or a point can meet is looked up on the host; rays and triangles are
then measured by pure functions on arrays.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import cKDTree

from prosepose_jax.metrics.precision import in_double

_CELL_M = 0.006  # of the grid of rays: few triangles share a cell
_MOST_CELLS = 512  # across
_COLUMNS = 96  # rays across the shared box, for the volume
_AROUND_M = 0.08  # triangles so near the points are looked at first
_FINE_EDGE_M = 0.05  # meshes of shorter edges share no space worth measuring when no vertex is inside
_SIZES = (1 << 12, 1 << 14, 1 << 16)  # pairs measured in one call: few shapes are compiled
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
    ray, face = _ray_candidates(points[near], vertices, faces)
    sign, height = _hits(points[near, :2], vertices, faces, ray, face)
    np.add.at(total, near[ray], np.where(height > points[near[ray], 2], sign, 0))
    return total


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
    return _volume_in(low, high, a, b, faces, faces if faces_b is None else faces_b)


def _volume_in(
    low: np.ndarray, high: np.ndarray, a: np.ndarray, b: np.ndarray, faces_a: np.ndarray, faces_b: np.ndarray
) -> float:
    size = high - low
    if not (size > 0.0).all():
        return 0.0
    cell = float(size[:2].max()) / _COLUMNS
    counts = np.maximum(1, np.ceil(size[:2] / cell - 1e-9)).astype(np.int64)
    cells = size[:2] / counts
    x, y = (low[k] + (np.arange(counts[k]) + 0.5) * cells[k] for k in range(2))
    rays = np.stack([np.repeat(x, len(y)), np.tile(y, len(x)), np.full(len(x) * len(y), -np.inf)], axis=1)
    events = []
    for body, (vertices, faces) in enumerate(((a, faces_a), (b, faces_b))):
        ray, face = _ray_candidates(rays, vertices, faces)
        sign, height = _hits(rays[:, :2], vertices, faces, ray, face)
        hit = sign != 0
        events.append(np.stack([ray[hit], height[hit], np.full(hit.sum(), body), -sign[hit]], axis=1))
    ray, height, body, step = np.concatenate(events).T
    order = np.lexsort((height, ray))
    ray, height, body, step = ray[order], height[order], body[order], step[order]
    # Along +z a surface is entered where it faces down: there the winding number goes up.
    windings = [np.cumsum(np.where(body == which, step, 0.0)) for which in (0, 1)]
    both = (np.round(windings[0]) >= 1) & (np.round(windings[1]) >= 1)
    lengths = np.diff(height, append=height[-1:])
    return float(np.sum(lengths[both]) * cells.prod()) if len(height) else 0.0


def _ray_candidates(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a point and a triangle that the vertical line through it may meet: indices (k,), (k,)."""
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    # Triangles with a corner on the near side of every face of the box above the points, one face at a time.
    used = np.arange(len(faces))
    for axis, limit, sign in ((0, low[0], 1), (0, high[0], -1), (1, low[1], 1), (1, high[1], -1)):
        near = (sign * vertices[:, axis] >= sign * limit)[faces[used]]
        used = used[near[:, 0] | near[:, 1] | near[:, 2]]
    near = (vertices[:, 2] > points[:, 2].min())[faces[used]]  # rays go up
    used = used[near[:, 0] | near[:, 1] | near[:, 2]]
    if not len(used):
        return none
    a, b, c = (vertices[faces[used, k]] for k in range(3))
    below, above = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    extent = float((high - low).max())
    cell = max(_CELL_M, extent / _MOST_CELLS)
    first = np.maximum((below[:, :2] - low) / cell, 0.0).astype(np.int64)
    last = ((np.minimum(above[:, :2], high) - low) / cell).astype(np.int64)
    width = int((high[1] - low[1]) / cell) + 2
    spans = last - first + 1
    count = spans[:, 0] * spans[:, 1]
    face = np.repeat(np.arange(len(used)), count)
    step = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    column = first[face, 0] + step // spans[face, 1]
    key = column * width + first[face, 1] + step % spans[face, 1]
    order = np.argsort(key, kind="stable")
    key, face = key[order], face[order]
    place = ((points[:, :2] - low) / cell).astype(np.int64)
    place_key = place[:, 0] * width + place[:, 1]
    start, stop = np.searchsorted(key, place_key), np.searchsorted(key, place_key, side="right")
    tested = stop - start
    point = np.repeat(np.arange(len(points)), tested)
    candidate = face[np.repeat(start, tested) + np.arange(len(point)) - np.repeat(np.cumsum(tested) - tested, tested)]
    higher = above[candidate, 2] > points[point, 2]
    return point[higher], used[candidate[higher]]


def _hits(
    rays: np.ndarray, vertices: np.ndarray, faces: np.ndarray, ray: np.ndarray, face: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`ray_crossings` of pairs (k,) of a ray and a triangle, called with few different shapes."""
    sign, height = np.zeros(len(ray), np.int64), np.zeros(len(ray))
    for part, padded in _parts(len(ray)):
        points = rays[ray[part]] + _RAY_SHIFT
        ids = faces[face[part]]
        corners = vertices[ids]
        # Each edge is taken from its lower to its higher vertex: its two triangles get the same bits, and a ray close
        # to the edge is given to exactly one of them.
        forward = ids < np.roll(ids, -1, axis=1)
        found = ray_crossings(_fill(points, padded), _fill(corners, padded), _fill(forward, padded))
        sign[part], height[part] = found[0][: len(points)], found[1][: len(points)]
    return sign, height


@in_double()
def ray_crossings(rays: jax.Array, corners: jax.Array, forward: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How vertical lines meet triangles.

    Args:
      rays: (n, 2) where the lines stand.
      corners: (n, 3, 3) one triangle a line.
      forward: (n, 3) whether each edge (01, 12, 20) is to be taken from its first vertex to its second; the two
        triangles of an edge must take it alike.

    Returns:
      (n,) int: +1 where the line along +z leaves through the triangle, -1 where it enters, 0 where it misses; and the
      heights (n,) at which they meet.
    """
    areas = []
    for edge, (start, end) in enumerate(((0, 1), (1, 2), (2, 0))):
        ahead = forward[:, edge, None]
        tail = jnp.where(ahead, corners[:, start, :2], corners[:, end, :2]) - rays
        head = jnp.where(ahead, corners[:, end, :2], corners[:, start, :2]) - rays
        area = tail[:, 0] * head[:, 1] - tail[:, 1] * head[:, 0]
        areas.append(jnp.where(forward[:, edge], area, -area))
    w2, w0, w1 = areas
    above = (w0 > 0) & (w1 > 0) & (w2 > 0)
    below = (w0 < 0) & (w1 < 0) & (w2 < 0)
    total = jnp.where(above | below, w0 + w1 + w2, 1.0)
    height = (w0 * corners[:, 0, 2] + w1 * corners[:, 1, 2] + w2 * corners[:, 2, 2]) / total
    return above.astype(jnp.int32) - below.astype(jnp.int32), height


def _parts(count: int) -> list[tuple[slice, int]]:
    """Slices of at most the largest call's size, each with the size that it is filled up to."""
    parts = []
    for start in range(0, count, _SIZES[-1]):
        size = min(_SIZES[-1], count - start)
        parts.append((slice(start, start + size), next(n for n in _SIZES if n >= size)))
    return parts


def _fill(array: np.ndarray, size: int) -> np.ndarray:
    """An array brought to `size` rows by repeating its last."""
    return array if len(array) == size else np.concatenate([array, np.repeat(array[-1:], size - len(array), axis=0)])


def surface_depths(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(n,) distances from points to the nearest point of a surface, exact."""
    points, vertices = np.asarray(points, np.float64), np.asarray(vertices, np.float64)
    if not len(points):
        return np.zeros(0)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    centres = (a + b + c) / 3.0
    radii = np.sqrt(np.max([np.sum((corner - centres) ** 2, axis=1) for corner in (a, b, c)], axis=0))
    around = _AROUND_M
    while True:
        # Triangles near the box of the points: enough when no point is as far from its nearest one as the margin.
        low, high = points.min(axis=0) - around, points.max(axis=0) + around
        near = np.flatnonzero(((centres >= low) & (centres <= high)).all(axis=1))
        whole = len(near) == len(faces)
        if len(near):
            nearest, _ = cKDTree(centres[near]).query(points)  # a centre lies on the surface: none is farther
            if whole or nearest.max() + radii.max() < around:
                break
        around *= 3.0
    best = nearest.copy()
    # By size: among the many small triangles the few large ones would make every search wide.
    order = near[np.argsort(radii[near])]
    for group in np.split(order, [int(0.9 * len(order)), int(0.99 * len(order))]):
        if not len(group):
            continue
        reach = nearest + radii[group].max()
        found = cKDTree(centres[group]).query_ball_point(points, reach, return_sorted=False)
        counts = np.fromiter(map(len, found), np.int64, len(found))
        if not counts.sum():
            continue
        point = np.repeat(np.arange(len(points)), counts)
        face = group[np.fromiter(itertools.chain.from_iterable(found), np.int64, len(point))]
        apart = np.sqrt(np.sum((points[point] - centres[face]) ** 2, axis=1))
        kept = apart - radii[face] <= nearest[point]
        point, face = point[kept], face[kept]
        for part, padded in _parts(len(point)):
            chosen = point[part]
            corners = vertices[faces[face[part]]]
            found_here = triangle_distances(_fill(points[chosen], padded), _fill(corners, padded))
            np.minimum.at(best, chosen, found_here[: len(chosen)])
    return best


@in_double()
def triangle_distances(points: jax.Array, corners: jax.Array) -> jax.Array:
    """(n,) distance from each point (n, 3) to its triangle (n, 3, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = jnp.cross(b - a, c - a)
    area2 = jnp.sum(normal * normal, axis=1)
    flat = area2 <= 0.0
    safe = jnp.where(flat, 1.0, area2)
    rel = points - a
    height = jnp.sum(rel * normal, axis=1) / jnp.sqrt(safe)
    foot = rel - (height / jnp.sqrt(safe))[:, None] * normal
    w_b = jnp.sum(jnp.cross(foot, c - a) * normal, axis=1)
    w_c = jnp.sum(jnp.cross(b - a, foot) * normal, axis=1)
    over = ~flat & (w_b >= 0) & (w_c >= 0) & (w_b + w_c <= area2)
    edges = jnp.minimum(
        _segment_distances(points, a, b),
        jnp.minimum(_segment_distances(points, b, c), _segment_distances(points, c, a)),
    )
    return jnp.where(over, jnp.abs(height), edges)


def _segment_distances(points: jax.Array, start: jax.Array, end: jax.Array) -> jax.Array:
    along = end - start
    length2 = jnp.sum(along * along, axis=1)
    at = jnp.sum((points - start) * along, axis=1) / jnp.where(length2 > 0.0, length2, 1.0)
    nearest = start + jnp.clip(at, 0.0, 1.0)[:, None] * along
    return jnp.sqrt(jnp.sum((points - nearest) ** 2, axis=1))


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
    return penetration_and_volume(vertices, faces, closed_ids, closed_faces, volume=False)[0]


def penetration_and_volume(
    vertices: np.ndarray,
    faces: np.ndarray,
    closed_ids: np.ndarray | None = None,
    closed_faces: np.ndarray | None = None,
    volume: bool = True,
) -> tuple[Penetration, float]:
    """`penetration` and the volume in litres that people share, summed over all pairs of people."""
    faces = np.asarray(faces, np.int64)
    people = np.asarray(vertices, np.float64)
    ids = slice(None) if closed_ids is None or closed_faces is None else np.asarray(closed_ids)
    hull = faces if closed_ids is None or closed_faces is None else np.asarray(closed_faces, np.int64)
    depths = [np.zeros(0)]
    shared = 0.0
    for i in range(len(people)):
        for j in range(i):
            inside = []
            for mine, other in ((people[i], people[j]), (people[j], people[i])):
                inside.append(mine[crossing_numbers(mine, other[ids], hull) >= 1])
                depths.append(surface_depths(inside[-1], other, faces))
            if volume:
                shared += _volume_near(np.concatenate(inside), people[i][ids], people[j][ids], hull)
    pooled = np.concatenate(depths) * 1000.0
    if not len(pooled):
        return Penetration(0.0, 0.0, 0), shared * 1000.0
    return Penetration(float(pooled.max()), float(pooled.mean()), len(pooled)), shared * 1000.0


def _volume_near(inside: np.ndarray, a: np.ndarray, b: np.ndarray, faces: np.ndarray) -> float:
    """`shared_volume`, looked for where vertices are inside: what fine meshes share has some on its edge."""
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    if not (high > low).all():
        return 0.0
    longest = max(_longest_edge(a, faces), _longest_edge(b, faces))
    if longest < _FINE_EDGE_M:
        if not len(inside):
            return 0.0
        low = np.maximum(low, inside.min(axis=0) - longest)
        high = np.minimum(high, inside.max(axis=0) + longest)
    return _volume_in(low, high, a, b, faces, faces)


def _longest_edge(vertices: np.ndarray, faces: np.ndarray) -> float:
    squared = 0.0
    for start, end in ((0, 1), (1, 2), (2, 0)):
        along = vertices[faces[:, start]] - vertices[faces[:, end]]
        squared = max(squared, float(np.einsum("ij,ij->i", along, along).max()))
    return float(np.sqrt(squared))
