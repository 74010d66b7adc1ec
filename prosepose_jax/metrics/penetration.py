"""How deep people stand inside each other, and how much space they share (docs/method.md, "Metrics").

Exact on the full meshes: a vertex is inside when the other surface winds around it, which the crossings of edges and
faces tell (`metrics.crossings`), its depth is the distance to the nearest point of that surface (`metrics.depths`), and
the shared volume is told by the crossings as well (`metrics.overlap`). Where rounding makes crossings contradict one
another, rays are asked (`metrics.rays`). All on the host: a few thousand of the triangles matter, others in every
scene.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from prosepose_jax.metrics.boxes import Boxes, enclosed
from prosepose_jax.metrics.crossings import Crossings, Placed, both_ways, crossings, windings
from prosepose_jax.metrics.depths import depths_in
from prosepose_jax.metrics.overlap import volume_of
from prosepose_jax.metrics.patches import Patches
from prosepose_jax.metrics.rays import crossing_numbers, volume_near

# Beyond these a body is broken (m): its triangles no longer spread over the cells, and rounding eats the shifts.
_FARTHEST_M, _WIDEST_M = 1e6, 100.0
# People are moved so far against one another (m): no vertex of one lies on a face of the other exactly, nor any ray of
# `metrics.rays`, which are moved as well.
_SHIFT = 1e-9 * np.array([np.sqrt(5.0), np.sqrt(3.0), np.sqrt(2.0)])
# What is no deeper lies on the surface, as far as the shift and rounding let tell (m).
_ON_SURFACE_M = 1e-8
_T = TypeVar("_T")


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
    placed = [_Person(patches, person, k * _SHIFT) for k, person in enumerate(people)]
    depths, shared = [np.zeros(0)], 0.0
    for i in range(len(people)):
        for j in range(i):
            pair = _Pair(patches, placed[i], placed[j])
            depths += pair.depths()
            shared += pair.volume() if volume else 0.0
    pooled = np.concatenate(depths)
    pooled = pooled[pooled > _ON_SURFACE_M] * 1000.0
    if not len(pooled):
        return Penetration(0.0, 0.0, 0), shared * 1000.0
    return Penetration(float(pooled.max()), float(pooled.mean()), len(pooled)), shared * 1000.0


class _Person:
    """One posed body: its skin, and the closed surface that others may be inside of."""

    def __init__(self, patches: Patches, vertices: np.ndarray, shift: np.ndarray) -> None:
        self._patches, self.vertices, self.shift = patches, vertices, shift
        self.skin = patches.skin_mesh.placed(vertices + shift)
        one = patches.hull_mesh is patches.skin_mesh
        self.hull = self.skin if one else patches.hull_mesh.placed(vertices + shift)

    @functools.cached_property
    def surface_boxes(self) -> Boxes:
        return self._patches.surface.boxes(self.vertices)

    @functools.cached_property
    def hull_boxes(self) -> Boxes:
        one = self._patches.hull is self._patches.surface
        return self.surface_boxes if one else self._patches.hull.boxes(self.vertices)

    def winding_of(self, placed: Placed, crossings: Crossings) -> np.ndarray | None:
        """(V,) how often this person's hull winds around another's mesh; None where the crossings are of no use."""
        found = windings(placed, crossings, self.hull)
        if found is None:
            return None
        numbers, whole = found
        if whole is None:
            return numbers
        point = placed.axes[:, [whole]].T
        numbers[placed.mesh.tree.reached] += crossing_numbers(point, self.hull.axes.T, self._patches.hull.faces)
        return numbers


class _Pair:
    """Two people, and where their surfaces meet."""

    def __init__(self, patches: Patches, first: _Person, second: _Person) -> None:
        self._patches, self._ways = patches, ((first, second), (second, first))
        self._one = first.hull is first.skin
        if self._one:
            self._found = both_ways(first.skin, second.skin)
        else:
            self._found = [crossings(mine.skin, other.hull) for mine, other in self._ways]
        self._numbers = [other.winding_of(mine.skin, found) for (mine, other), found in self._by_way(self._found)]

    def _by_way(self, values: Sequence[_T]) -> Iterator[tuple[tuple[_Person, _Person], _T]]:
        return zip(self._ways, values, strict=True)

    def depths(self) -> Iterator[np.ndarray]:
        """Of the vertices of each that are inside the other, m."""
        for (mine, other), numbers in self._by_way(self._numbers):
            points = mine.vertices[numbers >= 1] if numbers is not None else self._inside_by_rays(mine, other)
            if not len(points):
                continue
            if other.skin.nodes is not None:
                yield other.skin.distances(points + other.shift)
            else:
                yield depths_in(points, self._patches.surface, other.vertices, other.surface_boxes)

    def _inside_by_rays(self, mine: _Person, other: _Person) -> np.ndarray:
        kept, met = enclosed(self._patches.vertices.boxes(mine.vertices), other.hull_boxes)
        points = mine.vertices[self._patches.vertices.of(kept)]
        return points[crossing_numbers(points, other.vertices, self._patches.hull.triangles(met)) >= 1]

    def volume(self) -> float:
        """What both are inside of, m³."""
        found, numbers = self._found, self._numbers
        if not self._one:
            hulls = [person.hull for person, _ in self._ways]
            found = both_ways(*hulls)
            numbers = [other.winding_of(mine.hull, one) for (mine, other), one in self._by_way(found)]
        shared = None
        if numbers[0] is not None and numbers[1] is not None:
            first, second = (person.hull for person, _ in self._ways)
            shared = volume_of(first, second, (numbers[0], numbers[1]), (found[0], found[1]))
        if shared is None:
            one, other = ((person.vertices, person.hull_boxes) for person, _ in self._ways)
            shared = volume_near(self._patches.hull, one, other)
        return shared
