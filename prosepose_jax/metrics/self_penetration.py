"""How deep a person's limbs stand in the own body, exact on the full mesh (docs/method.md, "Metrics").

A vertex counts when it lies inside a segment of the body (`body.segments`) that is far from it along the surface, so
the folds at every joint are left out. Its depth is the distance to the nearest point of the segment's skin.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from prosepose_jax.body.segments import Segments
from prosepose_jax.metrics.patches import Groups, Surface, enclosed, vertex_groups
from prosepose_jax.metrics.penetration import crossing_numbers, depths_in


class _Segment(NamedTuple):
    asked: Groups  # vertices that must not be inside
    hull: Surface  # closed
    skin: Surface  # of the body's full mesh


class SelfPenetration:
    """Depths inside the own body, for many poses of one body.

    Args:
      rest: (V, 3) vertices at rest; neighbours there share a patch.
      faces: (F, 3) of the full mesh.
      segments: of the body, cut out of its full mesh.
    """

    def __init__(self, rest: np.ndarray, faces: np.ndarray, segments: Segments) -> None:
        rest, faces = np.asarray(rest, np.float64), np.asarray(faces, np.int64)
        self._segments = []
        for k, hull in enumerate(segments.faces):
            asked = vertex_groups(np.flatnonzero(segments.foreign[:, k]), rest)
            skin = faces[np.any(segments.of_vertex[faces] == k, axis=1)]
            if asked.members and len(skin):
                self._segments.append(_Segment(asked, Surface(rest, np.asarray(hull, np.int64)), Surface(rest, skin)))

    def depths_m(self, vertices: np.ndarray) -> np.ndarray:
        """(V,) depth of each vertex (V, 3) inside far segments of the same person, m; 0 outside."""
        vertices = np.asarray(vertices, np.float64)
        depths = np.zeros(len(vertices))
        for asked, hull, skin in self._segments:
            kept, met = enclosed(asked.boxes(vertices), hull.boxes(vertices))
            ids = asked.of(kept)
            inside = ids[crossing_numbers(vertices[ids], vertices, hull.triangles(met)) >= 1]
            if len(inside):
                found = depths_in(vertices[inside], skin, vertices, skin.boxes(vertices))
                depths[inside] = np.maximum(depths[inside], found)
        return depths
