"""Distances along the rest surface, for telling touch from neighbourhood on one person.

The surface is a graph: mesh edges, and for every inner edge the straight line between the two vertices
opposite to it, unfolded flat (where that line crosses the edge). The diagonals take most of the zigzag
out of edge paths. Shortest paths are exact on the graph (Dijkstra); only balls of a bounded radius are
ever computed, and kept. docs/method.md, "Metrics".
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import numpy as np

# Sources this close to each other share one ball at first; the triangle inequality bounds what that costs.
_COVER_RADIUS_M = 0.03


class SurfaceDistances:
    """Bounded shortest paths over one body's rest surface, remembered between scenes.

    Args:
      vertices: (V, 3) rest positions, m.
      faces: (F, 3) triangles. Loose pieces (eyeballs) are tied to the nearest vertex of the largest piece.
      radius_m: how far distances are needed; anything beyond reads as infinite.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, radius_m: float):
        self.radius_m = float(radius_m)
        self.num_vertices = len(vertices)
        self._neighbours = _adjacency(np.asarray(vertices, np.float64), np.asarray(faces, np.int64))
        # A shared ball must reach one cover radius further than the distances it answers for.
        self._reach = self.radius_m + _COVER_RADIUS_M
        self._balls: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._sets: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def ways(self) -> list[list[tuple[int, float]]]:
        """For each vertex its neighbours in the graph with the lengths of the ways there."""
        return self._neighbours

    def from_set(self, sources: np.ndarray | Sequence[int]) -> np.ndarray:
        """(V,) distance to the nearest of the sources, infinite beyond the radius."""
        sources = np.asarray(sources, dtype=np.int64)
        key = sources.tobytes()
        if key not in self._sets:
            self._sets[key] = self._dijkstra(sources.tolist(), self.radius_m)
        distances = np.full(self.num_vertices, np.inf)
        ids, found = self._sets[key]
        distances[ids] = found
        return distances

    def from_vertex(self, source: int) -> np.ndarray:
        """(V,) distance to one vertex, infinite beyond the radius (plus a margin)."""
        if source not in self._balls:
            self._balls[source] = self._dijkstra([source], self._reach)
        distances = np.full(self.num_vertices, np.inf)
        ids, found = self._balls[source]
        distances[ids] = found
        return distances

    def _dijkstra(self, sources: Iterable[int], radius: float) -> tuple[np.ndarray, np.ndarray]:
        neighbours = self._neighbours
        best = {int(source): 0.0 for source in sources}
        heap = [(0.0, source) for source in best]
        while heap:
            distance, vertex = heapq.heappop(heap)
            if distance > best[vertex]:
                continue
            for other, length in neighbours[vertex]:
                reached = distance + length
                if reached < radius and reached < best.get(other, radius):
                    best[other] = reached
                    heapq.heappush(heap, (reached, other))
        return np.fromiter(best.keys(), np.int64, len(best)), np.fromiter(best.values(), np.float64, len(best))


def closest_apart(surface: SurfaceDistances, vertices: np.ndarray, ids_a: np.ndarray, ids_b: np.ndarray) -> float:
    """The smallest distance in space between two vertex sets of one person, over far pairs only.

    A pair of vertices counts when it is at least `surface.radius_m` apart along the rest surface. Exact:
    shared balls decide most pairs, the few that the triangle inequality leaves open get their own.

    Args:
      surface: the body's surface distances.
      vertices: (V, 3) posed, m.
      ids_a: (n,) vertex ids.
      ids_b: (m,) vertex ids.

    Returns:
      The distance in metres; infinite when no pair is far enough along the surface.
    """
    ids_a, ids_b = np.unique(ids_a), np.unique(ids_b)
    if not (len(ids_a) and len(ids_b)):
        return np.inf
    near_a = surface.from_set(ids_b)[ids_a] < surface.radius_m
    near_b = surface.from_set(ids_a)[ids_b] < surface.radius_m
    # A vertex that is far from the whole other set is far from each of its vertices.
    best = min(
        smallest_distance(vertices[ids_a[~near_a]], vertices[ids_b]),
        smallest_distance(vertices[ids_a], vertices[ids_b[~near_b]]),
    )
    ids_a, ids_b = ids_a[near_a], ids_b[near_b]
    if not (len(ids_a) and len(ids_b)):
        return best
    between = np.linalg.norm(vertices[ids_a][:, None] - vertices[ids_b][None], axis=-1)
    rows = between.min(axis=1) < best
    if not rows.any():
        return best
    ids_a, between = ids_a[rows], between[rows]
    # Bounds of the path length of every remaining pair, from balls around a few cover vertices.
    lower = np.full(between.shape, np.nan)
    upper = np.full(between.shape, np.nan)
    open_rows = np.ones(len(ids_a), dtype=bool)
    while open_rows.any():
        centre = ids_a[np.argmax(open_rows)]
        ball = surface.from_vertex(int(centre))
        offset = ball[ids_a]
        covered = open_rows & (offset <= _COVER_RADIUS_M)
        lower[covered] = ball[ids_b][None] - offset[covered, None]
        upper[covered] = ball[ids_b][None] + offset[covered, None]
        open_rows &= ~covered
    between = np.where(upper < surface.radius_m, np.inf, between)  # surely near: out
    certain = lower >= surface.radius_m
    while True:
        place = np.unravel_index(np.argmin(between), between.shape)
        if between[place] >= best or np.isinf(between[place]):
            return best
        if certain[place]:
            return float(between[place])
        row = place[0]
        far = surface.from_vertex(int(ids_a[row]))[ids_b] >= surface.radius_m
        between[row] = np.where(far, between[row], np.inf)
        certain[row] = True


def smallest_distance(a: np.ndarray, b: np.ndarray, chunk: int = 512) -> float:
    """The smallest distance between two point sets (n, 3) and (m, 3), by differences; infinite if one is empty."""
    if not (len(a) and len(b)):
        return np.inf
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    best = np.inf
    for start in range(0, len(a), chunk):
        part = a[start : start + chunk]
        squared = sum((part[:, None, k] - b[None, :, k]) ** 2 for k in range(3))
        best = min(best, float(np.min(squared)))
    return float(np.sqrt(best))


def _adjacency(vertices: np.ndarray, faces: np.ndarray) -> list[list[tuple[int, float]]]:
    """For each vertex its neighbours with the lengths of the ways there."""
    start, end, length = _edges_and_diagonals(vertices, faces)
    tie_start, tie_end = _ties_of_loose_pieces(vertices, faces)
    tie_length = np.linalg.norm(vertices[tie_start] - vertices[tie_end], axis=1)
    start, end = np.concatenate([start, tie_start]), np.concatenate([end, tie_end])
    length = np.concatenate([length, tie_length])
    tail, head = np.concatenate([start, end]), np.concatenate([end, start])
    length = np.concatenate([length, length])
    order = np.argsort(tail, kind="stable")
    bounds = np.searchsorted(tail[order], np.arange(len(vertices) + 1))
    ways = list(zip(head[order].tolist(), length[order].tolist(), strict=True))
    return [ways[low:high] for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]


def _edges_and_diagonals(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Every side of every triangle with the corner opposite to it, sorted so that the two of an edge are neighbours.
    sides = np.concatenate([faces[:, [0, 1, 2]], faces[:, [1, 2, 0]], faces[:, [2, 0, 1]]])
    sides[:, :2].sort(axis=1)
    sides = sides[np.lexsort((sides[:, 1], sides[:, 0]))]
    same = np.all(sides[1:, :2] == sides[:-1, :2], axis=1)
    edges = sides[np.concatenate([[True], ~same])][:, :2]
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)

    twin = np.flatnonzero(same)
    p, q = vertices[sides[twin, 0]], vertices[sides[twin, 1]]
    first, second = sides[twin, 2], sides[twin + 1, 2]
    along = q - p
    base = np.linalg.norm(along, axis=1)
    along = along / np.maximum(base, 1e-12)[:, None]

    def unfolded(corner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rel = vertices[corner] - p
        x = np.sum(rel * along, axis=1)
        return x, np.linalg.norm(rel - x[:, None] * along, axis=1)

    x1, y1 = unfolded(first)
    x2, y2 = unfolded(second)
    # The straight line meets the edge where the heights balance; outside of it the way bends and edges suffice.
    meets = (x1 * y2 + x2 * y1) / np.maximum(y1 + y2, 1e-12)
    good = (meets > 0) & (meets < base) & (first != second)
    diagonal = np.hypot(x1 - x2, y1 + y2)
    return (
        np.concatenate([edges[:, 0], first[good]]),
        np.concatenate([edges[:, 1], second[good]]),
        np.concatenate([length, diagonal[good]]),
    )


def _ties_of_loose_pieces(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One edge from each loose piece to the largest piece, between their closest vertices."""
    label = np.arange(len(vertices))
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    while True:
        smallest = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        new = label.copy()
        np.minimum.at(new, edges[:, 0], smallest)
        np.minimum.at(new, edges[:, 1], smallest)
        new = new[new]  # pointer jumping: labels travel far in few rounds
        if np.array_equal(new, label):
            break
        label = new
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    pieces, sizes = np.unique(label[used], return_counts=True)
    main = np.flatnonzero(used & (label == pieces[np.argmax(sizes)]))
    starts, ends = [], []
    for piece in pieces[pieces != pieces[np.argmax(sizes)]]:
        loose = np.flatnonzero(used & (label == piece))
        squared = np.sum((vertices[loose][:, None] - vertices[main][None]) ** 2, axis=-1)
        i, j = np.unravel_index(np.argmin(squared), squared.shape)
        starts.append(loose[i])
        ends.append(main[j])
    return np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)
