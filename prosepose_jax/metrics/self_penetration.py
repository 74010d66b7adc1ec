"""How deep a person's limbs stand in the own body, exact on the full mesh (docs/method.md, "Metrics").

A vertex counts when it lies inside a segment of the body (`body.segments`) that is far from it along the surface, so
the folds at every joint are left out. Its depth is the distance to the nearest point of the segment's skin.
"""

from __future__ import annotations

import numpy as np

from prosepose_jax.body.segments import Segments
from prosepose_jax.metrics.penetration import crossing_numbers, surface_depths


def self_depths_m(vertices: np.ndarray, faces: np.ndarray, segments: Segments) -> np.ndarray:
    """(V,) depth of each vertex inside far segments of the same person, m; 0 outside.

    Args:
      vertices: (V, 3) posed, m.
      faces: (F, 3) of the full mesh.
      segments: of the body, cut out of its full mesh.
    """
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    depths = np.zeros(len(vertices))
    for k, hull in enumerate(segments.faces):
        asked = np.flatnonzero(segments.foreign[:, k])
        # Ids of the segment alone: the look-up of triangles goes over vertices.
        ids, local = np.unique(hull, return_inverse=True)
        inside = asked[crossing_numbers(vertices[asked], vertices[ids], local.reshape(hull.shape)) >= 1]
        skin = faces[np.any(segments.of_vertex[faces] == k, axis=1)]
        depths[inside] = np.maximum(depths[inside], surface_depths(vertices[inside], vertices, skin))
    return depths
