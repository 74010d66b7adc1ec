"""The 75 fine surface regions of any SMPL-X format body (docs/method.md, "Regions").

`compute_regions` derives them from rest geometry and skinning weights, `load_regions` reads the user's
file, `regions_from_lists` packs either for the model. Numpy only, apart from that packing.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from prosepose_jax.body import _mesh_labels as mesh
from prosepose_jax.body._keypoint_vertices import compute_keypoint_vertices
from prosepose_jax.body._landmarks import read_skeleton
from prosepose_jax.body._region_files import load_regions
from prosepose_jax.body._region_rules import label_vertices, seed_points
from prosepose_jax.body.model import Regions
from prosepose_jax.body.region_table import MIRROR_REGION, NUM_REGIONS, REGION_NAMES, Region
from prosepose_jax.errors import InputError

__all__ = ["compute_keypoint_vertices", "compute_regions", "load_regions", "region_labels", "regions_from_lists"]

# Smoothing rounds for each vertex of the mesh: averaging n times reaches about sqrt(n) edges, and edges
# shrink with the square root of the vertex count, so a fixed ratio is a fixed length on the skin.
_ROUNDS_PER_VERTEX = 1 / 4500
_BROAD_ROUNDS_PER_VERTEX = 1 / 1500
# Separate components below this share of the largest are details (eyeballs, tongue, teeth, buttons).
_DETAIL_SHARE = 0.15
# Detached pieces of a region below this share of its largest piece join what surrounds them. The thumb's
# back is a tenth of the fingers' back and must stay.
_ISLAND_SHARE, _FINGER_ISLAND_SHARE = 0.3, 0.05
_FINGERS = [
    Region.LEFT_FINGERS_BACK_SIDE,
    Region.LEFT_FINGERS_PALM_SIDE,
    Region.RIGHT_FINGERS_BACK_SIDE,
    Region.RIGHT_FINGERS_PALM_SIDE,
]


def compute_regions(
    v_template: np.ndarray,
    faces: np.ndarray,
    weights: np.ndarray,
    joints: np.ndarray,
    parents: Sequence[int] | np.ndarray,
) -> list[np.ndarray]:
    """The fine regions of a body, from its rest geometry and skinning weights (docs/method.md, "Regions").

    Works on any mesh with the SMPL family's joint order: adult or child, any topology and vertex order,
    winding inward or outward. Every vertex of a face is in exactly one region; eyeballs, tongue and the
    like are in the region they lie behind; vertices without a face are in none. No region is empty.

    Args:
      v_template: (V, 3) rest vertices, m.
      faces: (F, 3) vertex ids.
      weights: (V, J) skinning weights; J = 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X).
      joints: (J, 3) rest joints, m.
      parents: (J,) parent of each joint, the root's negative or out of range.

    Returns:
      75 sorted int arrays of vertex ids, by region id (`region_table.Region`).

    Raises:
      InputError: arrays of other shapes, not finite, or a mesh with fewer than 75 vertices.
    """
    vertices, faces, weights = _check_mesh(v_template, faces, weights)
    skeleton = read_skeleton(joints, parents)
    if weights.shape[1] != len(skeleton.parents):
        raise InputError(f"weights: expected {len(skeleton.parents)} columns, one a joint, found {weights.shape[1]}")
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    if used.sum() < NUM_REGIONS:
        raise InputError(f"faces: expected a mesh of at least {NUM_REGIONS} vertices, found {used.sum()}")
    edges = mesh.mesh_edges(faces)
    rounds = int(used.sum() * _ROUNDS_PER_VERTEX)
    normals = mesh.smooth_normals(mesh.vertex_normals(vertices, faces), edges, rounds)
    broad_normals = mesh.smooth_normals(normals, edges, int(used.sum() * _BROAD_ROUNDS_PER_VERTEX))

    labels = label_vertices(vertices, normals, broad_normals, weights, skeleton)
    labels = np.where(used, labels, -1)
    # The same preference on both sides of the body, whatever the order of vertices.
    order = np.minimum(np.arange(NUM_REGIONS), MIRROR_REGION)
    labels = mesh.majority_smooth(labels, edges, order, rounds)
    smallest_share = np.full(NUM_REGIONS, _ISLAND_SHARE)
    smallest_share[_FINGERS] = _FINGER_ISLAND_SHARE
    labels = mesh.absorb_islands(labels, edges, order, smallest_share)
    labels = _dress_details(labels, vertices, edges)
    labels = _fill_empty(labels, vertices, seed_points(vertices[used], skeleton))
    return [np.flatnonzero(labels == region) for region in range(NUM_REGIONS)]


def _check_mesh(
    v_template: np.ndarray, faces: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vertices = np.asarray(v_template, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    faces = np.asarray(faces).astype(np.int64)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(f"v_template: expected shape (V, 3), found {vertices.shape}")
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError(f"faces: expected shape (F, 3), found {faces.shape}")
    if weights.ndim != 2 or len(weights) != len(vertices):
        raise InputError(f"weights: expected shape ({len(vertices)}, J), found {weights.shape}")
    if not (np.isfinite(vertices).all() and np.isfinite(weights).all()):
        raise InputError("v_template, weights: expected finite numbers")
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise InputError(f"faces: expected vertex ids in 0..{len(vertices) - 1}")
    return vertices, faces, weights


def _dress_details(labels: np.ndarray, vertices: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Small separate components take the region of the nearest vertex of the body's skin."""
    used = labels >= 0
    _, piece, size = np.unique(mesh.components(len(labels), edges), return_inverse=True, return_counts=True)
    is_detail = used & (size < _DETAIL_SHARE * size.max())[piece]
    if not is_detail.any():
        return labels
    skin = np.flatnonzero(used & ~is_detail)
    labels = labels.copy()
    labels[is_detail] = labels[skin[mesh.nearest(vertices[is_detail], vertices[skin])]]
    return labels


def _fill_empty(labels: np.ndarray, vertices: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Regions that fell between the vertices of a coarse mesh take the vertex nearest to their place."""
    labels = labels.copy()
    counts = np.bincount(labels[labels >= 0], minlength=NUM_REGIONS)
    for region in np.flatnonzero(counts == 0):
        spare = np.flatnonzero((labels >= 0) & (counts[labels] > 1))
        taken = spare[mesh.nearest(seeds[region][None], vertices[spare])[0]]
        counts[labels[taken]] -= 1
        counts[region] = 1
        labels[taken] = region
    return labels


def region_labels(lists: Sequence[np.ndarray], num_vertices: int) -> np.ndarray:
    """(V,) int32 region of each vertex, -1 where none; where regions overlap the lowest id counts."""
    labels = np.full(num_vertices, -1, dtype=np.int32)
    for region in reversed(range(len(lists))):
        labels[np.asarray(lists[region], dtype=np.int64)] = region
    return labels


def regions_from_lists(lists: Sequence[np.ndarray], num_vertices: int) -> Regions:
    """Regions as padded arrays for the model (docs/method.md, "Regions").

    Args:
      lists: 75 non-empty integer arrays of vertex ids.
      num_vertices: V of the body they belong to.

    Returns:
      Regions with vertex_ids (75, M) int32, padded with the region's first vertex, and mask (75, M).

    Raises:
      InputError: not 75 lists, an empty one, or an id outside 0..V-1.
    """
    if len(lists) != NUM_REGIONS:
        raise InputError(f"regions: expected {NUM_REGIONS} lists of vertex ids, found {len(lists)}")
    arrays = [np.asarray(ids).astype(np.int64).reshape(-1) for ids in lists]
    for region, ids in enumerate(arrays):
        if not len(ids):
            raise InputError(f"region {region} ({REGION_NAMES[region]}): expected at least one vertex, found none")
        if ids.min() < 0 or ids.max() >= num_vertices:
            raise InputError(
                f"region {region} ({REGION_NAMES[region]}): expected vertex ids in 0..{num_vertices - 1}, "
                f"found {ids.min()}..{ids.max()}"
            )
    longest = max(len(ids) for ids in arrays)
    padded = np.stack([np.concatenate([ids, np.full(longest - len(ids), ids[0])]) for ids in arrays])
    mask = np.stack([np.arange(longest) < len(ids) for ids in arrays])
    return Regions(vertex_ids=jnp.asarray(padded, dtype=jnp.int32), mask=jnp.asarray(mask))
