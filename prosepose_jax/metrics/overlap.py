"""The volume that two closed meshes share, from where their surfaces meet.

The integral of the product of both winding numbers is a sum over the pieces of faces inside the other mesh
(divergence theorem), and the area of such a piece a sum over its border, whose corners are vertices of the one and
crossings of an edge with a face (after W. R. Franklin, Polygon properties calculated from the vertex neighborhoods,
1987). Where a mesh overlaps itself the product counts the place more than once; rays take that away again.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from prosepose_jax.metrics.boxes import Boxes
from prosepose_jax.metrics.crossings import Crossings, Placed, cross
from prosepose_jax.metrics.rays import RAY_SHIFT, Grid, fine_cell, runs

_CELLS = 32  # across what is shared, for a first look at places that count more than once
_LITTLE = 2e-2  # of the volume: rays of the second look tell that to a twentieth


class _Side:
    """One mesh of a pair: its vertices' winding numbers in the other, its edges' crossings with the other's faces."""

    def __init__(self, placed: Placed, winding: np.ndarray, crossings: Crossings) -> None:
        self.placed, self.winding, self.crossings = placed, winding, crossings
        self._kernels = placed.mesh.kernels if placed.nodes is not None else None

    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """(3,) low and (3,) high corner of what is shared, as far as this mesh tells; infinite where nothing is."""
        mesh, found = self.placed.mesh, self.crossings
        if self._kernels is not None:
            box: np.ndarray = self._kernels.extent(
                self.placed.points, mesh.edges, mesh.own, *mesh.at_edges, self.winding, found.edge, found.at
            )
            return box[:3], box[3:]
        ends = self._crossed()[:, np.unique(self._of_crossing)]
        places = np.concatenate([self.placed.axes.take(np.flatnonzero(self.winding), axis=1), ends], axis=1)
        return places.min(axis=1, initial=np.inf), places.max(axis=1, initial=-np.inf)

    @functools.cached_property
    def _touched(self) -> np.ndarray:
        """(F + links,) bool: faces of which any part may lie inside the other."""
        mesh, found = self.placed.mesh, self.crossings
        if self._kernels is not None:
            touched: np.ndarray = self._kernels.touched(mesh.faces, mesh.own, *mesh.at_edges, self.winding, found.edge)
            return touched
        touched = np.zeros(len(mesh.faces), bool)
        touched[mesh.around(np.flatnonzero(self.winding))] = True
        touched[self._sides // 3] = True
        touched[mesh.own :] = False
        return touched

    @functools.cached_property
    def _at_crossings(self) -> tuple[np.ndarray, np.ndarray]:
        """The faces at each crossing: which crossing each is of, and 3 · face + corner. Links have no area."""
        whose, sides = self.placed.mesh.sides(self.crossings.edge)
        kept = sides < 3 * self.placed.mesh.own
        return whose[kept], sides[kept]

    @property
    def _of_crossing(self) -> np.ndarray:
        return self._at_crossings[0]

    @property
    def _sides(self) -> np.ndarray:
        return self._at_crossings[1]

    def sums(self, other: Placed, origin: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Six times what this mesh adds to the volume.

        Returns:
          the sum, and (n,) which pairs of faces, own · (other's faces) + other's, each end of a cut is of, and (n,) ±1
          whether it is the end or the start, along normal × other's normal.
        """
        mesh, found = self.placed.mesh, self.crossings
        if self._kernels is not None:
            total, pairs, signs = self._kernels.volume_sums(
                self.placed.points, mesh.faces, mesh.own, mesh.edges, mesh.face_edges, mesh.along, *mesh.at_edges,
                self.winding, *found, self._touched, other.points, other.mesh.faces, origin[:, 0],
            )  # fmt: skip
            return float(total), pairs, signs
        cuts, pairs, signs = self._along_cuts(other, origin)
        return self._along_edges(origin) + cuts, pairs, signs

    def _crossed(self) -> np.ndarray:
        """(3, n) where the edges run through the other's faces."""
        axes, ends = self.placed.axes, self.placed.mesh.edges[self.crossings.edge]
        start = axes.take(ends[:, 0], axis=1)
        return start + self.crossings.at * (axes.take(ends[:, 1], axis=1) - start)

    def _along_edges(self, origin: np.ndarray) -> float:
        """Six times what the edges of faces add to the volume."""
        mesh, found = self.placed.mesh, self.crossings
        # The mean winding number along an edge.
        later = np.zeros(len(mesh.edges))
        np.add.at(later, found.edge, found.jump * (1.0 - found.at))
        faces = np.flatnonzero(self._touched)
        edges = mesh.face_edges[faces]
        mean = self.winding[mesh.edges[edges, 0]] + later[edges]
        normal, _ = self.placed.planes(faces)
        normal = _unit(normal)
        corners = [self.placed.axes.take(mesh.faces[faces, k], axis=1) - origin for k in range(3)]
        height = _dot(normal, corners[0])
        turned = sum(mean[:, k] * _dot(cross(corners[k], corners[(k + 1) % 3]), normal) for k in range(3))
        return float(np.sum(height * turned))

    def _along_cuts(self, other: Placed, origin: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The same of the ends of cuts of two faces, on edges of this mesh, with the pairs and signs of `sums`."""
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

    def boxes(self, pierced: np.ndarray) -> Boxes:
        """Of the touched faces, and of those that the other's edges run through."""
        kept = self._touched.copy()
        kept[pierced] = True
        corners = self.placed.mesh.faces[kept]
        a, b, c = (self.placed.axes.take(corners[:, k], axis=1) for k in range(3))
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
    lows, highs = zip(*(side.extent() for side in sides), strict=True)
    low, high = np.minimum(*lows), np.maximum(*highs)
    if not np.isfinite(low).all():
        return 0.0
    origin = (0.5 * (low + high))[:, None]
    own, pairs, signs = sides[0].sums(second, origin)
    others, turned, opposite = sides[1].sums(first, origin)
    face, against = np.divmod(turned, len(first.mesh.faces))
    pairs = np.concatenate([pairs, against * len(second.mesh.faces) + face])
    _, pair = np.unique(pairs, return_inverse=True)
    # A cut has two ends.
    if np.bincount(pair, weights=np.concatenate([signs, -opposite])).any():
        return None
    total = max((own + others) / 6.0, 0.0)
    return max(total - _surplus(sides, low, high, total), 0.0)


def _surplus(sides: list[_Side], low: np.ndarray, high: np.ndarray, total: float) -> float:
    """What counts more than once: looked for by some rays, and measured by many where it is not little."""
    if not (high > low).all():
        return 0.0
    boxes = [side.boxes(other.crossings.face) for side, other in (sides, sides[::-1])]
    of_both = Boxes(np.concatenate([box.low for box in boxes]), np.concatenate([box.high for box in boxes]))
    turn = min(_TURNS, key=lambda turn: sum(_below(side.placed, turn, low, high).sum() for side in sides))
    kernels, nodes = sides[0].placed.mesh.kernels, [side.placed.nodes for side in sides]
    compiled = kernels is not None and nodes[0] is not None and nodes[1] is not None
    meshes = []
    for side in [] if compiled else sides:
        placed = side.placed
        patches = np.flatnonzero(_below(placed, turn, low, high))
        of_patches = turn.box(placed.low[:, patches], placed.high[:, patches])
        meshes.append((placed.mesh, turn.points(placed.axes).T, patches, of_patches))
    of_both = Boxes(*(corner.T for corner in turn.box(of_both.low.T, of_both.high.T)))
    low, high = turn.box(low, high)
    fine = fine_cell(low, high)
    found = 0.0
    coarse = float((high - low)[:2].max()) / _CELLS
    for cell, enough in ((coarse, 0.1 * _LITTLE), (0.5 * coarse, _LITTLE), (fine, np.inf)):
        grid = Grid(low, high, max(cell, fine), of_both)
        if kernels is not None and compiled:
            rays, axes = grid.rays[:, :2] + RAY_SHIFT, np.array(turn.axes, np.int64)
            of_sides = [part for side in sides for part in side.placed.walked()]
            found = kernels.surplus(rays, *of_sides, axes, int(turn.sign), float(high[2])) * grid.area
            if abs(found) <= enough * total:
                break
            continue
        (a, faces_a), (b, faces_b) = (
            (vertices, mesh.faces[mesh.faces_of(patches[grid.met(boxes[0].T, boxes[1].T)])])
            for mesh, vertices, patches, boxes in meshes
        )
        found = runs(grid.rays, a, b, faces_a, faces_b).surplus * grid.area
        if abs(found) <= enough * total:
            break
    return found


class _Turn(NamedTuple):
    """A rotation that exchanges axes, or turns them round."""

    axes: list[int]
    sign: float  # of the last

    def points(self, axes: np.ndarray) -> np.ndarray:
        """(3, …) turned."""
        turned = axes[self.axes]
        turned[2] *= self.sign
        return turned

    def box(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Corners (3, …) turned."""
        low, high = self.points(low), self.points(high)
        return np.minimum(low, high), np.maximum(low, high)


_TURNS = [_Turn([k, (k + 1) % 3, (k + 2) % 3], 1.0) for k in range(3)]
_TURNS += [_Turn([(k + 1) % 3, k, (k + 2) % 3], -1.0) for k in range(3)]


def _below(placed: Placed, turn: _Turn, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which patches rays may meet that run through a box along the last axis and end there."""
    first, second, along = turn.axes
    kept = placed.low[along] <= high[along] if turn.sign > 0 else placed.high[along] >= low[along]
    for axis in (first, second):
        kept &= (placed.low[axis] <= high[axis]) & (placed.high[axis] >= low[axis])
    return kept


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (3, n) of length 1; zeros stay."""
    length = np.sqrt(_dot(vectors, vectors))
    return vectors / np.where(length > 0.0, length, 1.0)


def _dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Of vectors (3, n)."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
