"""The volume that two closed meshes share, from where their surfaces meet.

The integral of the product of both winding numbers is a sum over the pieces of faces inside the other mesh
(divergence theorem), and the area of such a piece a sum over its border, whose corners are vertices of the one and
crossings of an edge with a face (after W. R. Franklin, Polygon properties calculated from the vertex neighborhoods,
1987). Where a mesh overlaps itself the product counts the place more than once; rays take that away again.
"""

from __future__ import annotations

import numpy as np

from prosepose_jax.metrics.boxes import Boxes
from prosepose_jax.metrics.crossings import Crossings, Placed, cross, reaching
from prosepose_jax.metrics.rays import Grid, fine_cell, runs

_CELLS = 32  # across what is shared, for a first look at places that count more than once
_LITTLE = 5e-3  # of the volume: some rays tell it to a tenth or two
_TURNS = [0, 1, 2], [1, 2, 0], [2, 0, 1]  # the same handedness


class _Side:
    """One mesh of a pair: its vertices' winding numbers in the other, its edges' crossings with the other's faces."""

    def __init__(self, placed: Placed, winding: np.ndarray, crossings: Crossings) -> None:
        mesh = placed.mesh
        self.placed, self.winding, self.crossings = placed, winding, crossings
        inside = np.flatnonzero(winding)
        touched = np.zeros(len(mesh.faces), bool)
        touched[mesh.around(inside)] = True
        self._of_crossing, self._sides = mesh.sides(crossings.edge)
        touched[self._sides // 3] = True
        self.touched = np.flatnonzero(touched)  # faces of which any part may lie inside the other
        self.places = np.concatenate([placed.axes[:, inside], self._crossed()], axis=1)  # (3, n) on the border

    def _crossed(self) -> np.ndarray:
        """(3, n) where the edges run through the other's faces."""
        axes, ends = self.placed.axes, self.placed.mesh.edges[self.crossings.edge]
        start = axes[:, ends[:, 0]]
        return start + self.crossings.at * (axes[:, ends[:, 1]] - start)

    def along_edges(self, origin: np.ndarray) -> float:
        """Six times what the edges of faces add to the volume."""
        mesh, found = self.placed.mesh, self.crossings
        # The mean winding number along an edge.
        later = np.zeros(len(mesh.edges))
        np.add.at(later, found.edge, found.jump * (1.0 - found.at))
        edges = mesh.face_edges[self.touched]
        mean = self.winding[mesh.edges[edges, 0]] + later[edges]
        normal, _ = self.placed.planes(self.touched)
        normal = _unit(normal)
        corners = [self.placed.axes[:, mesh.faces[self.touched, k]] - origin for k in range(3)]
        height = _dot(normal, corners[0])
        turned = sum(mean[:, k] * _dot(cross(corners[k], corners[(k + 1) % 3]), normal) for k in range(3))
        return float(np.sum(height * turned))

    def along_cuts(self, other: Placed, origin: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Six times what the ends of cuts of two faces add, on edges of this mesh.

        Returns:
          the sum, and (n,) which pairs of faces, own · (other's faces) + other's, each end is of, and (n,) ±1 whether
          it is the end or the start, along normal × other's normal.
        """
        mesh, found, whose = self.placed.mesh, self.crossings, self._of_crossing
        face, corner = self._sides // 3, self._sides % 3
        against = found.face[whose]
        sign = mesh.along[face, corner] * found.jump[whose]
        point = self._crossed()[:, whose] - origin
        normal, facing = _unit(self.placed.planes(face)[0]), _unit(other.planes(against)[0])
        way = _unit(cross(normal, facing))
        cosine = _dot(normal, facing)
        mine = _dot(point, normal) * _dot(point, _unit(facing - cosine * normal))
        theirs = _dot(point, facing) * _dot(point, _unit(normal - cosine * facing))
        total = float(np.sum(sign * _dot(point, way) * (mine + theirs)))
        return total, face * len(other.mesh.faces) + against, sign

    def boxes(self) -> Boxes:
        """Of the touched faces."""
        a, b, c = (self.placed.axes[:, self.placed.mesh.faces[self.touched, k]] for k in range(3))
        return Boxes(np.minimum(np.minimum(a, b), c).T, np.maximum(np.maximum(a, b), c).T)


def volume_of(
    first: Placed, second: Placed, windings: tuple[np.ndarray, np.ndarray], crossings: tuple[Crossings, Crossings]
) -> float | None:
    """The volume inside both of two closed meshes, m³; parts that overlap themselves count once.

    Args:
      first: a closed, outward mesh.
      second: the other.
      windings: of each mesh's vertices in the other.
      crossings: of each mesh's edges with the other's faces.

    Returns:
      None where the crossings contradict one another.
    """
    sides = [_Side(*parts) for parts in zip((first, second), windings, crossings, strict=True)]
    places = np.concatenate([side.places for side in sides], axis=1)
    if not places.shape[1]:
        return 0.0
    low, high = places.min(axis=1), places.max(axis=1)
    origin = (0.5 * (low + high))[:, None]
    total = sum(side.along_edges(origin) for side in sides)
    own, pairs, signs = sides[0].along_cuts(second, origin)
    others, turned, opposite = sides[1].along_cuts(first, origin)
    face, against = np.divmod(turned, len(first.mesh.faces))
    pairs = np.concatenate([pairs, against * len(second.mesh.faces) + face])
    _, pair = np.unique(pairs, return_inverse=True)
    # A cut has two ends.
    if np.bincount(pair, weights=np.concatenate([signs, -opposite])).any():
        return None
    total = max((total + own + others) / 6.0, 0.0)
    return max(total - _surplus(sides, low, high, total), 0.0)


def _surplus(sides: list[_Side], low: np.ndarray, high: np.ndarray, total: float) -> float:
    """What counts more than once: looked for by some rays, and measured by many where it is not little."""
    if not (high > low).all():
        return 0.0
    boxes = [side.boxes() for side in sides]
    of_both = Boxes(np.concatenate([box.low for box in boxes]), np.concatenate([box.high for box in boxes]))
    # Rays along the axis along which they meet fewest patches.
    turned = min(_TURNS, key=lambda axes: sum(_met(side.placed, axes, low, high) for side in sides))
    low, high, of_both = low[turned], high[turned], Boxes(of_both.low[:, turned], of_both.high[:, turned])
    fine = fine_cell(low, high)
    cell = max(fine, float((high - low)[:2].max()) / _CELLS)
    found = 0.0
    for cell in (max(fine, float((high - low)[:2].max()) / _CELLS), fine):
        grid = Grid(low, high, cell, of_both)
        meshes = []
        for side in sides:
            placed = side.placed
            near = np.flatnonzero(grid.met(placed.low[turned].T, placed.high[turned].T))
            vertices = np.ascontiguousarray(placed.axes[turned].T)
            meshes.append((vertices, placed.mesh.faces[placed.mesh.faces_of(near)]))
        (a, faces_a), (b, faces_b) = meshes
        found = runs(grid.rays, a, b, faces_a, faces_b).surplus * grid.area
        if abs(found) <= _LITTLE * total:
            break
    return found


def _met(placed: Placed, axes: list[int], low: np.ndarray, high: np.ndarray) -> int:
    """How many patches rays through a box along the last of three axes may meet."""
    across = axes[:2]
    return int(reaching(placed.low[across], placed.high[across], low[across], high[across]).sum())


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (3, n) of length 1; zeros stay."""
    length = np.sqrt(_dot(vectors, vectors))
    return vectors / np.where(length > 0.0, length, 1.0)


def _dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Of vectors (3, n)."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
