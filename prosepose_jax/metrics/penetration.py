"""How deep people stand inside each other, and how much space they share (docs/method.md, "Metrics").

Exact on the full meshes: a vertex is inside when a ray from it crosses the other surface more often outwards than
inwards, its depth is the distance to the nearest point of that surface, and the shared volume is what parallel rays
run through both bodies. All on the host: a few thousand of the triangles matter, others in every scene
(`metrics.patches` finds them).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from prosepose_jax.metrics.patches import Boxes, Patches, Surface, enclosed, meeting, split, unique_edges, within

_MOST_CELLS = 512  # across the points that rays start from
_COLUMNS = 96  # rays across the shared box, for the volume
_CELL_M = 0.002  # rays of people stand closer than this
_AROUND_M = 0.03  # triangles so near the points are looked at first
_GROUP = 64  # points whose common box tells which triangles are near
_NEIGHBOURS = 16  # triangles that are looked at first
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
    vertices = np.asarray(vertices)
    if not np.isfinite(vertices).all() or np.abs(vertices).max(initial=0.0) > _FARTHEST_M:
        return False
    rows = np.ascontiguousarray(np.swapaxes(vertices, -1, -2))  # NumPy reduces long rows, not columns of three
    return bool((np.ptp(rows, axis=-1) <= _WIDEST_M).all())


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
      faces: (f, 3) closed and outward; those that no ray can meet may be left out.

    Returns:
      (n,) int; 1 inside, 0 outside, more where the surface overlaps itself.
    """
    points, vertices = np.asarray(points, np.float64), np.asarray(vertices, np.float64)
    total = np.zeros(len(points), dtype=np.int64)
    if not len(points) or not len(faces):
        return total
    ray, face = _ray_candidates(points, vertices, faces)
    sign, height = ray_crossings(points[ray, :2], vertices[faces[face]])
    np.add.at(total, ray, np.where(height > points[ray, 2], sign, 0))
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
    low: np.ndarray,
    high: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    faces_a: np.ndarray,
    faces_b: np.ndarray,
    boxes: Boxes | None = None,
) -> float:
    """Inside the box alone, and with `boxes` only by finer rays that meet one of them."""
    size = high - low
    if not (size > 0.0).all():
        return 0.0
    longest = float(size[:2].max())
    cell = longest / _COLUMNS if boxes is None else max(min(longest / _COLUMNS, _CELL_M), longest / _MOST_CELLS)
    counts = np.maximum(1, np.ceil(size[:2] / cell - 1e-9)).astype(np.int64)
    cells = size[:2] / counts
    used = np.ones(counts, bool) if boxes is None else _covered(boxes, low[:2], cells, counts)
    x, y = np.nonzero(used)
    rays = np.stack([low[0] + (x + 0.5) * cells[0], low[1] + (y + 0.5) * cells[1], np.full(len(x), -np.inf)], axis=1)
    events = []
    for body, (vertices, faces) in enumerate(((a, faces_a), (b, faces_b))):
        ray, face = _ray_candidates(rays, vertices, faces)
        sign, height = ray_crossings(rays[ray, :2], vertices[faces[face]])
        hit = sign != 0
        events.append((ray[hit], height[hit], np.full(hit.sum(), body), -sign[hit]))
    # Only rays that meet both can run inside both.
    met = np.logical_and(*(np.bincount(ray, minlength=len(rays)) > 0 for ray, *_ in events))
    ray, height, whose, step = (np.concatenate(parts) for parts in zip(*events, strict=True))
    kept = met[ray]
    if not kept.any():
        return 0.0
    ray, height, whose, step = ray[kept], height[kept], whose[kept], step[kept]
    # By ray, then by height: as one number, sorted several times faster than two; it tells heights 1e-11 m apart.
    bottom, span = float(height.min()), float(np.ptp(height))
    order = np.argsort(ray + (height - bottom) / (1.000001 * span + 1e-9))
    height, whose, step = height[order], whose[order], step[order]
    # Along +z a surface is entered where it faces down: there the winding number goes up. A ray leaves whatever it
    # enters, so the sums start anew at every ray.
    windings = [np.cumsum(np.where(whose == which, step, 0)) for which in (0, 1)]
    both = (windings[0] >= 1) & (windings[1] >= 1)
    lengths = np.diff(height, append=height[-1:])
    return float(np.sum(lengths[both]) * cells.prod()) if len(height) else 0.0


def _covered(boxes: Boxes, low: np.ndarray, cells: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(n, m) bool: the cells of a grid on the x-y plane that any of the boxes reaches into."""
    spread = np.zeros(counts + 1, np.int64)
    first = np.clip(((boxes.low[:, :2] - low) / cells).astype(np.int64), 0, counts - 1)
    last = np.clip(((boxes.high[:, :2] - low) / cells).astype(np.int64), 0, counts - 1) + 1
    for x, y, sign in ((first, first, 1), (first, last, -1), (last, first, -1), (last, last, 1)):
        np.add.at(spread, (x[:, 0], y[:, 1]), sign)
    return spread.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0


def _ray_candidates(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a point and a triangle that the line up from it may meet: indices (k,), (k,)."""
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    below, above = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    used = np.flatnonzero(
        (above[:, 0] >= low[0]) & (below[:, 0] <= high[0]) & (above[:, 1] >= low[1]) & (below[:, 1] <= high[1])
        & (above[:, 2] > points[:, 2].min())
    )  # fmt: skip
    if not len(used):
        return none
    below, above = below[used], above[used]
    # The points are sorted into cells, about one a cell; a triangle finds those of its box row by row.
    extent = high - low
    cell = max(np.sqrt(extent.prod() / len(points)), float(extent.max()) / _MOST_CELLS, 1e-9)
    rows, columns = ((extent / cell).astype(np.int64) + 1).tolist()
    place = ((points[:, :2] - low) / cell).astype(np.int64)
    key = place[:, 0] * columns + place[:, 1]
    order = np.argsort(key, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=rows * columns))])
    first = np.maximum((below[:, :2] - low) / cell, 0.0).astype(np.int64)
    last = ((np.minimum(above[:, :2], high) - low) / cell).astype(np.int64)
    face, row = _ranges(first[:, 0], last[:, 0] + 1)
    start, stop = starts[row * columns + first[face, 1]], starts[row * columns + last[face, 1] + 1]
    entry, where = _ranges(start, stop)
    point, face = order[where], face[entry]
    met = (above[face, 2] > points[point, 2]) & (above[face, 0] >= points[point, 0])
    met &= (below[face, 0] <= points[point, 0]) & (above[face, 1] >= points[point, 1])
    met &= below[face, 1] <= points[point, 1]
    return point[met], used[face[met]]


def _ranges(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of half-open ranges one after the other: whose each is, and the number."""
    counts = stop - start
    whose = np.repeat(np.arange(len(counts)), counts)
    return whose, np.arange(len(whose)) + np.repeat(start - (np.cumsum(counts) - counts), counts)


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
    x, y = (corners[:, :, axis] - (rays[:, axis, None] + _RAY_SHIFT[axis]) for axis in (0, 1))
    w2, w0, w1 = (x[:, i] * y[:, j] - y[:, i] * x[:, j] for i, j in ((0, 1), (1, 2), (2, 0)))
    above = (w0 > 0) & (w1 > 0) & (w2 > 0)
    below = (w0 < 0) & (w1 < 0) & (w2 < 0)
    total = np.where(above | below, w0 + w1 + w2, 1.0)
    height = (w0 * corners[:, 0, 2] + w1 * corners[:, 1, 2] + w2 * corners[:, 2, 2]) / total
    return above.astype(np.int64) - below, height


def surface_depths(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, edges: np.ndarray | None = None
) -> np.ndarray:
    """(n,) distances from points to the nearest point of a surface, exact.

    The nearest point is a vertex, or the foot of a perpendicular on an edge or on a face. A foot at distance d is at
    most s from the middle of its edge or face, s half the edge or the face's radius, so that the middle is at most
    √(d² + s²) away: few middles are so near. They are looked up in a tree of four dimensions, in the last of which
    each lies √(S² - s²) off, S the largest s: then no foot that counts is farther than √(d² + S²).

    Args:
      points: (n, 3).
      vertices: (m, 3).
      faces: (f, 3).
      edges: (e, 2) of the faces, each at least once; None: found here.
    """
    points, vertices = np.asarray(points, np.float64), np.asarray(vertices, np.float64)
    if not len(points):
        return np.zeros(0)
    edges = unique_edges(faces) if edges is None else edges
    features = _Features(vertices, faces, edges)
    lifted = np.concatenate([points, np.zeros((len(points), 1))], axis=1)
    best, waiting, count = np.full(len(points), np.inf), np.arange(len(points)), _NEIGHBOURS
    while len(waiting):
        count = min(count, features.size)
        apart, feature = features.tree.query(lifted[waiting], k=np.arange(1, count + 1))
        squared = apart * apart - features.most
        # The nearest middle is itself a point of the surface.
        here = np.minimum(best[waiting], squared[:, 0] + features.reach[feature[:, 0]])
        row, column = np.nonzero(squared < here[:, None])
        np.minimum.at(here, row, features.squared_feet(points[waiting[row]], feature[row, column]))
        best[waiting] = here
        waiting = waiting[squared[:, -1] < here] if count < features.size else waiting[:0]
        count *= 4
    return np.sqrt(np.maximum(best, 0.0))


class _Features:
    """Faces, edges and vertices of a surface in a tree of their middles."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, edges: np.ndarray) -> None:
        self._corners, self._ends = vertices[faces], vertices[edges]
        centres, middles = self._corners.mean(axis=1), self._ends.mean(axis=1)
        radii = np.sum((self._corners - centres[:, None]) ** 2, axis=2).max(axis=1)
        halves = np.sum((self._ends[:, 0] - middles) ** 2, axis=1)
        own = vertices[np.unique(edges)]
        self.reach = np.concatenate([radii, halves, np.zeros(len(own))])  # s²
        self.most = float(self.reach.max())  # S²
        self.size = len(self.reach)
        self._middles = np.concatenate([centres, middles, own])
        off = np.sqrt(self.most - self.reach)[:, None]
        self.tree = cKDTree(np.concatenate([self._middles, off], axis=1), balanced_tree=False, compact_nodes=False)

    def squared_feet(self, points: np.ndarray, feature: np.ndarray) -> np.ndarray:
        """(k,) squared distances of points (k, 3) to their feet on one feature each, infinite where there is none."""
        found = np.full(len(points), np.inf)
        faces, edges = len(self._corners), len(self._ends)
        at = np.flatnonzero(feature < faces)
        found[at] = _squared_heights(points[at], self._corners[feature[at]])
        at = np.flatnonzero((feature >= faces) & (feature < faces + edges))
        found[at] = _squared_beside(points[at], self._ends[feature[at] - faces])
        at = np.flatnonzero(feature >= faces + edges)
        away = points[at] - self._middles[feature[at]]
        found[at] = np.einsum("ij,ij->i", away, away)
        return found


def _squared_heights(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Of points over their triangle (k, 3, 3); infinite beside it."""
    a = corners[:, 0]
    u, v, w = corners[:, 1] - a, corners[:, 2] - a, points - a
    uu, uv, vv, uw, vw, ww = (np.einsum("ij,ij->i", x, y) for x, y in ((u, u), (u, v), (v, v), (u, w), (v, w), (w, w)))
    area2 = uu * vv - uv * uv
    flat = area2 <= 0.0
    area2 = np.where(flat, 1.0, area2)
    s, t = (vv * uw - uv * vw) / area2, (uu * vw - uv * uw) / area2
    over = ~flat & (s >= 0.0) & (t >= 0.0) & (s + t <= 1.0)
    return np.where(over, np.maximum(ww - s * uw - t * vw, 0.0), np.inf)


def _squared_beside(points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Of points beside their edge (k, 2, 3); infinite beyond its ends."""
    along, away = ends[:, 1] - ends[:, 0], points - ends[:, 0]
    length2, ahead, squared = (
        np.einsum("ij,ij->i", x, y) for x, y in ((along, along), (along, away), (away, away))
    )  # fmt: skip
    beside = (length2 > 0.0) & (ahead >= 0.0) & (ahead <= length2)
    foot = ahead * ahead / np.where(length2 > 0.0, length2, 1.0)
    return np.where(beside, np.maximum(squared - foot, 0.0), np.inf)


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
    hull = None if closed_ids is None or closed_faces is None else np.asarray(closed_ids)[np.asarray(closed_faces)]
    return penetration_in(Patches(vertices[0], faces, hull), vertices, volume)


def penetration_in(patches: Patches, vertices: np.ndarray, volume: bool = True) -> tuple[Penetration, float]:
    """`penetration_and_volume` of many scenes of one body, whose patches are made once."""
    people = np.asarray(vertices, np.float64)
    if len(people) < 2:
        return Penetration(0.0, 0.0, 0), 0.0
    of_points = [patches.vertices.boxes(person) for person in people]
    of_hull = [patches.hull.boxes(person) for person in people]
    of_surface = of_hull if patches.hull is patches.surface else [patches.surface.boxes(person) for person in people]
    depths, shared = [np.zeros(0)], 0.0
    for i in range(len(people)):
        for j in range(i):
            for mine, other in ((i, j), (j, i)):
                kept, met = enclosed(of_points[mine], of_hull[other])
                points = people[mine][patches.vertices.of(kept)]
                within_ = crossing_numbers(points, people[other], patches.hull.triangles(met)) >= 1
                if within_.any():
                    depths.append(depths_in(points[within_], patches.surface, people[other], of_surface[other]))
            if volume:
                of_pair = [(people[person], of_hull[person]) for person in (i, j)]
                shared += _volume_near(patches.hull, *of_pair)
    pooled = np.concatenate(depths) * 1000.0
    if not len(pooled):
        return Penetration(0.0, 0.0, 0), shared * 1000.0
    return Penetration(float(pooled.max()), float(pooled.mean()), len(pooled)), shared * 1000.0


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
            depths[left] = surface_depths(points[left], vertices, surface.triangles(near), surface.edges(near))
            if near.all():
                return depths
            # What is farther than all that was left out may be nearer still.
            left = left[depths[left] > around]
            if not len(left):
                return depths
        around *= 3.0


def _volume_near(hull: Surface, first: tuple[np.ndarray, Boxes], second: tuple[np.ndarray, Boxes]) -> float:
    """`shared_volume`, looked for where it can be.

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
    return _volume_in(low, high, a, b, faces_a, faces_b, boxes)
