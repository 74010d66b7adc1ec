"""Where the edges of one mesh run through the faces of another, and how often a mesh winds around the other's vertices.

The winding number of a closed surface changes along an edge only where the edge runs through it, so a body's vertices
need no look at their own: from one that lies outside the other's box, the crossings tell all others along a tree of
edges. Every edge that is not of the tree says the same a second time, which shows where rounding misled the first.
"""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

from prosepose_jax.metrics.boxes import Groups, Ring, inverted, ranges, unique_edges
from prosepose_jax.metrics.trees import leaves_of

_CLUSTERS = 8  # of a patch


class Crossings(NamedTuple):
    """Edges of one mesh that run through faces of another."""

    edge: np.ndarray  # (n,) of the first
    face: np.ndarray  # (n,) of the second
    jump: np.ndarray  # (n,) int, how the second's winding number changes from the edge's first vertex to its other
    at: np.ndarray  # (n,) where, 0 at the edge's first vertex and 1 at its other


class Mesh:
    """A surface whose faces and edges are found by the boxes around patches and clusters of neighbours.

    Made once a body. Parts that hang together nowhere are linked: a link is a face without area, which nothing runs
    through and which adds nothing to any volume, but whose edge runs through the other mesh's faces as any other.

    Args:
      rest: (V, 3) vertices at rest; neighbours there share a patch.
      faces: (F, 3).
      every: link also vertices that no face has.
      kernels: compiled loops (`metrics.kernels`), or none.

    Attributes:
      faces: (F + links, 3).
      own: F.
      edges: (E, 2), each once, the smaller vertex first.
      face_edges: (F + links, 3) the edges from corner k to corner k + 1.
      along: (F + links, 3) +1 where the face runs through its edge from the first vertex to the other, else -1.
      owned: (F + links, 3) the edges that are looked up with each face, -1 for none; each edge is so with one face.
      leaves: of the tree over the faces; each is a cluster.
    """

    def __init__(
        self, rest: np.ndarray, faces: np.ndarray, every: bool = False, kernels: ModuleType | None = None
    ) -> None:
        self.kernels = kernels
        rest, faces = np.asarray(rest, np.float64), np.asarray(faces, np.int64)
        self.own = len(faces)
        faces = self.faces = np.concatenate([faces, _links(rest, faces, every)])
        self.edges = unique_edges(faces)
        ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1)
        count = len(rest)
        keys = self.edges[:, 0] * count + self.edges[:, 1]
        self.face_edges = np.searchsorted(keys, ends.min(axis=-1) * count + ends.max(axis=-1))
        self.along = np.where(ends[..., 0] < ends[..., 1], 1, -1)
        self._sides, self._side_starts = inverted(self.face_edges, len(self.edges))
        self._ring = Ring(faces)
        first = self._sides[self._side_starts[:-1]]
        self.owned = np.full(faces.shape, -1)
        self.owned[first // 3, first % 3] = np.arange(len(self.edges))
        self.leaves = leaves_of(rest, faces)
        self._clusters = np.ascontiguousarray(self.leaves.faces.T)
        patches = self.leaves.faces.reshape(len(self.leaves.faces) // _CLUSTERS, -1)
        self._groups = Groups([np.unique(faces[patch[patch >= 0]]) for patch in patches])
        self.tree = _Tree(self.edges, count)

    def around(self, ids: np.ndarray) -> np.ndarray:
        """(m,) the faces around vertices (n,), once for each."""
        return self._ring.around(ids)

    def faces_of(self, patches: np.ndarray) -> np.ndarray:
        """(m,) the faces of patches (n,)."""
        ids = self._clusters[:, (patches[:, None] * _CLUSTERS + np.arange(_CLUSTERS)).ravel()].ravel()
        return ids[ids >= 0]

    def sides(self, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The faces at edges (n,): which edge each is of, and 3 · face + corner."""
        whose, place = ranges(self._side_starts[edges], self._side_starts[edges + 1])
        return whose, self._sides.take(place)

    @property
    def at_edges(self) -> tuple[np.ndarray, np.ndarray]:
        """The faces at each edge as 3 · face + corner, those of edge e from place e of the second array to e + 1."""
        return self._sides, self._side_starts

    def placed(self, vertices: np.ndarray) -> Placed:
        """The mesh in posed vertices (V, 3)."""
        points = np.array(vertices, np.float64, order="C")
        axes = np.ascontiguousarray(points.T)
        if self.kernels is None:
            return Placed(self, axes, *self._groups.boxes_of_axes(axes), points, None)
        nodes = self.kernels.refit(points, self.leaves.corners)
        above = nodes[len(nodes) // 2 // _CLUSTERS : len(nodes) // _CLUSTERS]  # of patches
        low, high = (np.ascontiguousarray(corner.T) for corner in (above[:, :3], above[:, 3:]))
        return Placed(self, axes, low, high, points, nodes)

    def parts(self, patches: np.ndarray, axes: np.ndarray) -> _Parts:
        """The clusters and faces of some patches, with their boxes."""
        columns = (patches[:, None] * _CLUSTERS + np.arange(_CLUSTERS)).ravel()
        ids = self._clusters[:, columns]
        corners = self.faces.take(ids, axis=0, mode="wrap")
        a, b, c = (axes.take(corners[..., k], axis=1) for k in range(3))
        low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        low[:, ids < 0], high[:, ids < 0] = np.inf, -np.inf
        return _Parts(ids.ravel(), low.min(axis=1), high.max(axis=1), low.reshape(3, -1), high.reshape(3, -1), len(ids))


class _Parts(NamedTuple):
    """Of some patches of one mesh: cluster k of patch p is p · 8 + k, its i-th face i · clusters + that."""

    ids: np.ndarray  # (n,) the faces
    cluster_low: np.ndarray  # (3, c)
    cluster_high: np.ndarray
    low: np.ndarray  # (3, n)
    high: np.ndarray
    width: int  # faces of a cluster

    def faces_of(self, clusters: np.ndarray) -> np.ndarray:
        """(w, n) the faces of clusters (n,)."""
        return np.arange(self.width)[:, None] * self.cluster_low.shape[1] + clusters


class Placed(NamedTuple):
    """A mesh in posed vertices."""

    mesh: Mesh
    axes: np.ndarray  # (3, V)
    low: np.ndarray  # (3, n) of the patches' boxes
    high: np.ndarray
    points: np.ndarray  # (V, 3)
    nodes: np.ndarray | None  # of `metrics._compiled`, where there are compiled loops

    def parts(self, patches: np.ndarray) -> _Parts:
        """The clusters and faces of some patches, with their boxes."""
        return self.mesh.parts(patches, self.axes)

    def planes(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Normals (3, n) of faces (n,), as long as twice their area, and a corner (3, n) of each."""
        corners = self.mesh.faces.take(faces, axis=0)
        a, b, c = (self.axes.take(corners[:, k], axis=1) for k in range(3))
        return cross(b - a, c - a), a

    def walked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Vertices, faces, leaves and nodes, as compiled loops take them."""
        return self.points, self.mesh.faces, self.mesh.leaves.faces, self.nodes

    def distances(self, asked: np.ndarray) -> np.ndarray:
        """(n,) of points (n, 3) from the mesh's own faces; with compiled loops only."""
        mesh = self.mesh
        assert mesh.kernels is not None
        found: np.ndarray = mesh.kernels.distances(
            np.array(asked, np.float64), self.points, mesh.faces, mesh.own, mesh.leaves.faces, self.nodes
        )
        return found


class _Tree:
    """A spanning tree of a mesh's vertices, in an order in which all that hangs on a vertex follows it."""

    def __init__(self, edges: np.ndarray, count: int) -> None:
        graph = csr_matrix((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
        root = int(edges[0, 0]) if len(edges) else 0
        order, parent = breadth_first_order(graph, root, directed=False)
        self.reached = order.astype(np.int64)
        self.parent = parent.astype(np.int64)
        size = np.ones(count, np.int64)
        for vertex in order[:0:-1]:
            size[parent[vertex]] += size[vertex]
        self._begin, free = np.zeros(count, np.int64), np.ones(count, np.int64)
        for vertex in order[1:]:
            above = parent[vertex]
            self._begin[vertex], free[vertex] = free[above], free[above] + 1
            free[above] += size[vertex]
        self._end = self._begin + size
        first, other = edges[:, 0], edges[:, 1]
        self._below = np.where(parent[other] == first, other, np.where(parent[first] == other, first, -1))
        self._down = np.where(parent[other] == first, 1, -1)
        self._count = count
        self.link = np.full(count, -1, np.int64)  # the edge to each vertex's parent
        kept = np.flatnonzero(self._below >= 0)
        self.link[self._below[kept]] = kept

    def sums(self, edges: np.ndarray, jumps: np.ndarray) -> np.ndarray:
        """(V,) sums of jumps along the tree from its root, given from each edge's first vertex on."""
        below = self._below[edges]
        kept = below >= 0
        below, change = below[kept], (jumps * self._down[edges])[kept]
        steps = np.zeros(self._count + 1, np.int64)
        np.add.at(steps, self._begin[below], change)
        np.subtract.at(steps, self._end[below], change)
        return np.cumsum(steps).take(self._begin)


def facing(first: Placed, second: Placed) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a face of each mesh whose boxes overlap."""
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    i = np.flatnonzero(reaching(first.low, first.high, second.low.min(axis=1), second.high.max(axis=1)))
    j = np.flatnonzero(reaching(second.low, second.high, first.low.min(axis=1), first.high.max(axis=1)))
    grid = np.ones((len(i), len(j)), bool)
    for axis in range(3):
        grid &= first.low[axis, i, None] <= second.high[axis, j]
        grid &= first.high[axis, i, None] >= second.low[axis, j]
    row, column = np.nonzero(grid)
    if not len(row):
        return none
    (used_i, row), (used_j, column) = (np.unique(x, return_inverse=True) for x in (row, column))
    mine, other = first.parts(i[used_i]), second.parts(j[used_j])
    patches = second.low[:, j[used_j]], second.high[:, j[used_j]]
    of_mine, of_other = (mine.cluster_low, mine.cluster_high), (other.cluster_low, other.cluster_high)
    # One side is taken apart at a time: most of the parts meet nothing.
    eight = np.arange(_CLUSTERS)[:, None]
    i, j = _overlapping(of_mine, (row * _CLUSTERS + eight).ravel(), patches, np.tile(column, _CLUSTERS))
    i, j = _overlapping(of_mine, np.tile(i, _CLUSTERS), of_other, (j * _CLUSTERS + eight).ravel())
    i, j = _overlapping((mine.low, mine.high), mine.faces_of(i).ravel(), of_other, np.tile(j, mine.width))
    i, j = _overlapping(
        (mine.low, mine.high), np.tile(i, other.width), (other.low, other.high), other.faces_of(j).ravel()
    )
    return mine.ids.take(i), other.ids.take(j)


def both_ways(first: Placed, second: Placed) -> list[Crossings]:
    """Where edges of the first mesh run through faces of the second, and the other way round."""
    if first.nodes is not None and second.nodes is not None:
        return [crossings(first, second), crossings(second, first)]
    near = facing(first, second)
    return [crossings_of(first, second, near), crossings_of(second, first, near[::-1])]


def crossings(first: Placed, second: Placed) -> Crossings:
    """Where edges of the first mesh run through faces of the second."""
    kernels = first.mesh.kernels
    if kernels is None or first.nodes is None or second.nodes is None:
        return crossings_of(first, second, facing(first, second))
    edges = (first.mesh.owned, first.mesh.edges)
    return Crossings(*kernels.crossings(*first.walked(), *edges, *second.walked()))


def crossings_of(first: Placed, second: Placed, near: tuple[np.ndarray, np.ndarray]) -> Crossings:
    """Where edges of the first mesh run through faces of the second.

    The two faces of an edge of the second see an edge of the first pass on opposite sides, bit by bit, so what runs
    beside it belongs to exactly one of them.

    Args:
      first: the mesh whose edges.
      second: the mesh whose faces.
      near: pairs of faces of the two, from `facing`.
    """
    owned = first.mesh.owned.take(near[0], axis=0)
    row, corner = np.nonzero(owned >= 0)
    edge, face = owned[row, corner], near[1].take(row)
    used = np.zeros(len(second.mesh.faces), bool)
    used[face] = True
    place = np.cumsum(used) - 1
    normal, corner_of = second.planes(np.flatnonzero(used))
    height = np.einsum("in,in->n", normal, corner_of)
    place = place.take(face)
    n, h = normal.take(place, axis=1), height.take(place)
    ends = first.mesh.edges.take(edge, axis=0)
    before, after = (np.einsum("in,in->n", n, first.axes.take(ends[:, k], axis=1)) - h for k in (0, 1))
    kept = np.flatnonzero((before > 0.0) != (after > 0.0))
    edge, face, before, after, ends = edge[kept], face[kept], before[kept], after[kept], ends[kept]
    start = first.axes.take(ends[:, 0], axis=1)
    along = first.axes.take(ends[:, 1], axis=1) - start
    corners = second.mesh.faces.take(face, axis=0)
    a, b, c = (second.axes.take(corners[:, k], axis=1) - start for k in range(3))
    sides = _triple(along, a, b), _triple(along, b, c), _triple(along, c, a)
    met = np.flatnonzero(np.logical_and.reduce([s > 0 for s in sides]) | np.logical_and.reduce([s < 0 for s in sides]))
    before, after = before[met], after[met]
    return Crossings(edge[met], face[met], np.where(after > 0.0, -1, 1), before / (before - after))


def windings(placed: Placed, crossings: Crossings, other: Placed) -> tuple[np.ndarray, int | None] | None:
    """How often another closed surface winds around a mesh's vertices.

    Args:
      placed: whose vertices are asked about.
      crossings: of the mesh's edges with the other's faces.
      other: the closed surface.

    Returns:
      (V,) int, 0 for vertices of no face; and None or, where the mesh lies in the other's box whole, the vertex from
      which they are counted. None where the crossings contradict one another.
    """
    tree, edges, kernels = placed.mesh.tree, placed.mesh.edges, placed.mesh.kernels
    reached = tree.reached
    if kernels is not None and other.nodes is not None:
        first = kernels.first_outside(placed.points, reached, other.nodes[1])
        start = int(reached[max(first, 0)])
        same, found = kernels.windings(
            edges, start, reached, tree.parent, tree.link, crossings.edge, crossings.jump
        )  # fmt: skip
        return (found, start if first < 0 else None) if same else None
    points = placed.axes.take(reached, axis=1)
    outside = ~reaching(points, points, other.low.min(axis=1), other.high.max(axis=1))
    first = int(np.argmax(outside))
    reference, known = int(reached[first]), bool(outside[first])
    found = np.zeros(placed.axes.shape[1], np.int64)
    if len(crossings.edge):
        sums = tree.sums(crossings.edge, crossings.jump)
        found[reached] = sums.take(reached) - sums[reference]
        change = np.zeros(len(edges), np.int64)
        np.add.at(change, crossings.edge, crossings.jump)
        if not np.array_equal(found.take(edges[:, 1]) - found.take(edges[:, 0]), change):
            return None
    return found, None if known else reference


def _links(rest: np.ndarray, faces: np.ndarray, every: bool) -> np.ndarray:
    """(n, 3) faces without area from every part to the largest."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = csr_matrix((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(len(rest), len(rest)))
    _, part = connected_components(graph, directed=False)
    considered = np.arange(len(rest)) if every else np.unique(faces)
    sizes = np.bincount(part[considered], minlength=1)
    of_trunk = part[considered] == sizes.argmax()
    trunk, others = considered[of_trunk], considered[~of_trunk]
    if not len(others):
        return np.zeros((0, 3), np.int64)
    apart, nearest = cKDTree(rest[trunk]).query(rest[others])
    order = np.lexsort((apart, part[others]))
    closest = order[np.unique(part[others][order], return_index=True)[1]]
    return np.stack([trunk[nearest[closest]], others[closest], others[closest]], axis=1).astype(np.int64)


def reaching(low: np.ndarray, high: np.ndarray, box_low: np.ndarray, box_high: np.ndarray) -> np.ndarray:
    """(n,) bool: which boxes (3, n) reach into one box."""
    kept = (low[0] <= box_high[0]) & (high[0] >= box_low[0])
    for axis in range(1, len(low)):
        kept &= (low[axis] <= box_high[axis]) & (high[axis] >= box_low[axis])
    return kept


_Corners = tuple[np.ndarray, np.ndarray]


def _overlapping(a: _Corners, i: np.ndarray, b: _Corners, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of pairs of boxes that overlap."""
    for axis in range(3):
        kept = np.flatnonzero((a[0][axis].take(i) <= b[1][axis].take(j)) & (a[1][axis].take(i) >= b[0][axis].take(j)))
        i, j = i.take(kept), j.take(kept)
    return i, j


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Of vectors (3, n)."""
    return np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]])


def _triple(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    """u · (v × w), whose sign alone changes, bit by bit, when v and w change places."""
    return u[0] * (v[1] * w[2] - v[2] * w[1]) + u[1] * (v[2] * w[0] - v[0] * w[2]) + u[2] * (v[0] * w[1] - v[1] * w[0])
