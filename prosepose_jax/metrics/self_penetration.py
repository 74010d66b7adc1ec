"""How deep a person's limbs stand in the own body, exact on the full mesh (docs/method.md, "Metrics").

A vertex counts when it lies inside a segment of the body (`body.segments`) that is far from it along the surface, so
the folds at every joint are left out. Its depth is the distance to the nearest point of the segment's skin.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from prosepose_jax.body.segments import Segments
from prosepose_jax.metrics.boxes import Boxes, Groups, enclosed
from prosepose_jax.metrics.depths import depths_in
from prosepose_jax.metrics.patches import Surface, vertex_groups
from prosepose_jax.metrics.rays import RAY_SHIFT, crossing_numbers
from prosepose_jax.metrics.trees import leaves_of

_AT_ONCE = 8  # vertices whose depth is measured before the next deepest is asked about


class _Segment(NamedTuple):
    asked: np.ndarray  # (V,) bool, vertices that must not be inside
    hull: Surface  # closed
    skin: Surface  # of the body's full mesh
    skin_ids: np.ndarray


class _Loop(NamedTuple):
    """A segment as the compiled loop takes it."""

    asked: np.ndarray  # (V,) bool
    hull: np.ndarray  # (H, 3)
    hull_leaves: np.ndarray
    hull_corners: np.ndarray
    skin: np.ndarray  # (S, 3)
    skin_leaves: np.ndarray
    skin_corners: np.ndarray

    @classmethod
    def of(cls, segment: _Segment, rest: np.ndarray) -> _Loop:
        hull, skin = segment.hull.faces, segment.skin.faces
        return cls(segment.asked, hull, *leaves_of(rest, hull), skin, *leaves_of(rest, skin))


class SelfPenetration:
    """Depths inside the own body, for many poses of one body.

    Args:
      rest: (V, 3) vertices at rest; neighbours there share a patch.
      faces: (F, 3) of the full mesh.
      segments: of the body, cut out of its full mesh.
      kernels: compiled loops (`metrics.kernels`), or none.
    """

    def __init__(
        self, rest: np.ndarray, faces: np.ndarray, segments: Segments, kernels: ModuleType | None = None
    ) -> None:
        rest, faces = np.asarray(rest, np.float64), np.asarray(faces, np.int64)
        self._points = vertex_groups(np.arange(len(rest)), rest)
        self._segments = []
        for k, hull in enumerate(segments.faces):
            asked = np.asarray(segments.foreign[:, k], bool)
            skin = faces[np.any(segments.of_vertex[faces] == k, axis=1)]
            if asked.any() and len(skin):
                hulls = Surface(rest, np.asarray(hull, np.int64))
                self._segments.append(_Segment(asked, hulls, Surface(rest, skin), np.unique(skin)))
        patches = [segment.hull.groups.members for segment in self._segments]
        self._hulls = Groups([ids for members in patches for ids in members])
        # Which sets of vertices hold any that a segment is asked about.
        sets = self._points.members
        self._asked = np.array([[segment.asked[ids].any() for segment in self._segments] for ids in sets], bool)
        self._asked = self._asked.reshape(len(sets), len(self._segments))
        self._of_segment = np.cumsum([0, *map(len, patches)])
        self._kernels = kernels
        if kernels is not None:
            width = max(map(len, sets))
            self._sets = np.stack([np.pad(ids, (0, width - len(ids)), "edge") for ids in sets])
            self._loops = [_Loop.of(segment, rest) for segment in self._segments]

    def depths_m(self, vertices: np.ndarray) -> np.ndarray:
        """(V,) depth of each vertex (V, 3) inside far segments of the same person, m; 0 outside."""
        vertices = np.asarray(vertices, np.float64)
        depths = np.zeros(len(vertices))
        for segment, inside in self._inside(vertices):
            found = depths_in(vertices[inside], segment.skin, vertices, segment.skin.boxes(vertices))
            depths[inside] = np.maximum(depths[inside], found)
        return depths

    def deepest_m(self, vertices: np.ndarray) -> float:
        """The largest of `depths_m`, without measuring those that are smaller.

        No vertex is deeper than its distance to the nearest vertex of the skin, so few have to be measured.
        """
        deepest = 0.0
        if self._kernels is not None:
            vertices = np.array(vertices, np.float64, order="C")
            of_sets = self._kernels.tile_boxes(vertices, self._sets)
            for loop in self._loops:
                deepest = float(self._kernels.deepest(vertices, self._sets, of_sets, *loop, RAY_SHIFT, deepest))
            return deepest
        vertices = np.asarray(vertices, np.float64)
        for segment, inside in self._inside(vertices):
            most = cKDTree(vertices[segment.skin_ids]).query(vertices[inside])[0]
            order = np.argsort(-most)
            boxes: Boxes | None = None
            for start in range(0, len(order), _AT_ONCE):
                part = order[start : start + _AT_ONCE]
                part = part[most[part] > deepest]
                if not len(part):
                    break
                boxes = segment.skin.boxes(vertices) if boxes is None else boxes
                # No patch that counts is farther than the nearest vertex.
                around = float(most[part].max())
                found = depths_in(vertices[inside[part]], segment.skin, vertices, boxes, around)
                deepest = max(deepest, float(found.max()))
        return deepest

    def _inside(self, vertices: np.ndarray) -> Iterator[tuple[_Segment, np.ndarray]]:
        """Segments with the ids of the vertices inside, those without any left out."""
        if not self._segments:
            return
        points, hulls = self._points.boxes(vertices), self._hulls.boxes(vertices)
        starts = self._of_segment[:-1]
        low, high = np.minimum.reduceat(hulls.low, starts), np.maximum.reduceat(hulls.high, starts)
        near = self._asked.copy()
        for axis in range(3):
            near &= points.low[:, axis, None] <= high[:, axis]
            near &= points.high[:, axis, None] >= low[:, axis]
        for k in np.flatnonzero(near.any(axis=0)):
            segment, own = self._segments[k], slice(starts[k], self._of_segment[k + 1])
            sets = np.flatnonzero(near[:, k])
            kept, met = enclosed(points.of(sets), Boxes(hulls.low[own], hulls.high[own]))
            ids = self._points.of(sets[kept])
            ids = ids[segment.asked[ids]]
            if len(ids):
                ids = ids[crossing_numbers(vertices[ids], vertices, segment.hull.triangles(met)) >= 1]
            if len(ids):
                yield segment, ids
