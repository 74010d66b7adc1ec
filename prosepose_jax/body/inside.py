"""Which points lie inside a closed surface: the exact test, and a fast one with the same result.

The exact test sums solid angles (generalised winding number; Jacobson et al. 2013). The fast one counts signed
crossings of the ray along +z from the point with the surface's faces, which lie in small compact groups: a ray
meets only the groups whose boxes stand over the point. For a closed surface both give the same integer
(docs/method.md, "Other terms").
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.cells import divide, pad_lists
from prosepose_jax.errors import InputError

_TINY = 1e-30
_GROUP_SIZE = 32


def winding_numbers(points: jax.Array, vertices: jax.Array, faces: jax.Array, chunk: int = 256) -> jax.Array:
    """Generalised winding number of a triangle mesh around each point, by solid angles.

    Args:
      points: (n, 3) m.
      vertices: (m, 3) m.
      faces: (f, 3) int, outward by the right-hand rule.
      chunk: points handled at once; bounds the memory to chunk × f.

    Returns:
      (n,) 1 inside and 0 outside of a closed surface.
    """
    corners = vertices[faces]  # (f, 3, 3)

    def one(point: jax.Array) -> jax.Array:
        rel = corners - point[None, None]
        a, b, c = rel[:, 0], rel[:, 1], rel[:, 2]
        la, lb, lc = (jnp.sqrt(jnp.sum(x * x, axis=-1)) for x in (a, b, c))
        det = jnp.sum(a * jnp.cross(b, c), axis=-1)
        dots = (jnp.sum(a * b, -1) * lc) + (jnp.sum(b * c, -1) * la) + (jnp.sum(c * a, -1) * lb)
        return jnp.sum(jnp.arctan2(det, la * lb * lc + dots)) / (2.0 * jnp.pi)

    return jax.lax.map(one, points, batch_size=chunk)


@struct.dataclass
class FaceGroups:
    """A closed surface's faces in s groups of at most 32 neighbours, for crossings. Padding repeats a face."""

    # Per face: the three edges as (low, high) vertex indices, so that the two faces at an edge compute bitwise the
    # same number, the sign that orients the edge along the face, and the corner opposite to the edge.
    edge_low: jax.Array  # (s, 3, t) int32
    edge_high: jax.Array  # (s, 3, t) int32
    edge_sign: jax.Array  # (s, 3, t) float32, 0 on padding faces
    opposite: jax.Array  # (s, 3, t) int32
    points: jax.Array  # (s, b) int32 all vertices of a group (for its box), padded with its first
    owner: jax.Array  # (s,) int32 which of several closed surfaces a group is of


def group_faces(vertices: np.ndarray, faces: np.ndarray, owner: np.ndarray | None = None) -> FaceGroups:
    """Puts the faces of a closed surface into compact groups.

    Args:
      vertices: (n, 3) rest positions, used only to choose compact groups.
      faces: (f, 3) ints of a closed, consistently oriented surface.
      owner: (f,) ints, which of several closed surfaces a face is of; no group has faces of two. None: all of one.

    Raises:
      InputError: when the surface has a boundary or inconsistent orientation.
    """
    faces = np.asarray(faces, np.int64)
    open_edges = _count_open_edges(faces)
    if open_edges:
        raise InputError(
            f"low-resolution mesh: {open_edges} edges are open or inconsistently oriented; "
            "expected a closed surface with outward faces"
        )
    centres = np.asarray(vertices, np.float64)[faces].mean(1)
    owner = np.zeros(len(faces), np.int64) if owner is None else np.asarray(owner)
    parts = [part for k in np.unique(owner) for part in divide(centres, np.flatnonzero(owner == k), _GROUP_SIZE)]
    ids, used = pad_lists(parts)
    start = faces[ids].transpose(0, 2, 1)  # (s, 3, t); edge i runs from corner i to i + 1, so i + 2 is opposite
    end = np.roll(start, -1, axis=1)
    return FaceGroups(
        edge_low=jnp.asarray(np.minimum(start, end), jnp.int32),
        edge_high=jnp.asarray(np.maximum(start, end), jnp.int32),
        edge_sign=jnp.asarray(np.where(start < end, 1.0, -1.0) * used[:, None], jnp.float32),
        opposite=jnp.asarray(np.roll(start, -2, axis=1), jnp.int32),
        points=jnp.asarray(pad_lists([np.unique(corners) for corners in start])[0]),
        owner=jnp.asarray(owner[ids[:, 0]], jnp.int32),
    )


def _count_open_edges(faces: np.ndarray) -> int:
    """Directed edges that no opposite edge cancels."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ids, inverse = np.unique(np.sort(directed, axis=1), axis=0, return_inverse=True)
    net = np.bincount(inverse.ravel(), weights=np.where(directed[:, 0] < directed[:, 1], 1, -1), minlength=len(ids))
    return int(np.abs(net).sum())


def group_boxes(groups: FaceGroups, vertices: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Lower and upper corners (s, 3) of the groups' bounding boxes on posed vertices (n, 3)."""
    points = vertices[groups.points]
    return jnp.min(points, axis=1), jnp.max(points, axis=1)


# Rows of `group_edges`: x and y of an edge's low and high end, its sign, and z of the opposite corner.
NUM_EDGE_ROWS = 6


def group_edges(groups: FaceGroups, vertices: jax.Array) -> jax.Array:
    """What crossings read of all groups, (s, 6, 3, t): one row to fetch a group, for posed vertices (n, 3)."""
    x, y, z = vertices[:, 0], vertices[:, 1], vertices[:, 2]
    low, high = groups.edge_low, groups.edge_high
    return jnp.stack([x[low], y[low], x[high], y[high], groups.edge_sign, z[groups.opposite]], axis=1)


def group_crossings(edges: jax.Array, points: jax.Array) -> jax.Array:
    """Signed crossings of the rays along +z from points with one group's faces.

    Args:
      edges: (6, 3, t) of one group.
      points: (c, 3).

    Returns:
      (c,) integers as float32; summed over all groups they are the surface's winding numbers.
    """
    x, y, level = points[:, 0, None], points[:, 1, None], points[:, 2, None]
    far = jnp.full((1, 1), jnp.inf)
    smallest, largest, height = far, -far, jnp.zeros((1, 1))
    for i in range(3):
        low_x, low_y, high_x, high_y, sign, opposite_z = (edges[k, i][None] for k in range(NUM_EDGE_ROWS))
        # Twice the signed area of (point, start, end); the two faces at an edge compute the same bits.
        area = (low_x - x) * (high_y - y)
        area = (area - (low_y - y) * (high_x - x)) * sign
        # A point exactly over an edge is moved to the same side of it for both faces.
        area = jnp.where(area == 0, sign * _TINY, area)
        smallest, largest = jnp.minimum(smallest, area), jnp.maximum(largest, area)
        height = height + area * (opposite_z - level)
    upward, downward = (smallest > 0) & (height > 0), (largest < 0) & (height < 0)
    return jnp.sum(jnp.where(upward, 1.0, jnp.where(downward, -1.0, 0.0)), axis=-1)


def crossing_numbers(groups: FaceGroups, vertices: jax.Array, points: jax.Array, chunk: int = 256) -> jax.Array:
    """Winding numbers (n,) of the whole closed surface by ray crossings, every group, no culling."""
    edges = group_edges(groups, vertices)

    def one(point: jax.Array) -> jax.Array:
        return jnp.sum(jax.vmap(lambda group: group_crossings(group, point[None])[0])(edges))

    return jax.lax.map(one, points, batch_size=chunk)
