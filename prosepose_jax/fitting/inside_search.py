"""Finds the vertices inside other people and the surface vertices nearest to them, without gradient.

The inside test is exact (body/inside.py): a block of vertices meets only the groups of faces that stand over it
along the ray. All directions of all scenes share one work list, so a crowded scene does not make the others wait.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.body.blocks import Blocks
from prosepose_jax.body.inside import FaceGroups, group_boxes, group_crossings, group_edges

# (Block, group of faces) pairs tested at once, and points matched to their nearest vertex at once.
_PAIR_CHUNK = 256
_POINT_CHUNK = 128
# Blocks of the other mesh that are searched for the vertex nearest to a point.
_NEAR_BLOCKS = 6


@struct.dataclass
class InsideSet:
    """Vertices of one mesh inside another, n slots, for D directions."""

    inside_ids: jax.Array  # (D, n) int32 vertices of the first mesh
    nearest_ids: jax.Array  # (D, n) int32 vertices of the second mesh
    weight: jax.Array  # (D, n) float32: 0 on empty slots; count / n each when more than n are inside
    count: jax.Array  # (D,) int32 vertices inside


def _place(offsets: jax.Array, rank: jax.Array) -> jax.Array:
    """Which list the rank-th item of concatenated lists belongs to; `offsets` are the lists' running ends."""
    return jnp.minimum(jnp.searchsorted(offsets, rank, side="right"), offsets.shape[0] - 1).astype(jnp.int32)


def inside_masks(blocks: Blocks, groups: FaceGroups, vertices: jax.Array, surfaces: jax.Array) -> jax.Array:
    """Which vertices lie inside a closed surface.

    Args:
      blocks: blocks of the mesh.
      groups: faces of the low-resolution surface.
      vertices: (D, V, 3) vertices to test.
      surfaces: (D, n, 3) low-resolution vertices of the other person.

    Returns:
      (D, V) bool, exactly those that the winding number of the whole surface calls inside.
    """
    edges = jax.vmap(lambda s: group_edges(groups, s))(surfaces)  # (D, s, 6, 3, t)
    box_low, box_high = jax.vmap(lambda s: group_boxes(groups, s))(surfaces)
    points = vertices[:, blocks.vertex_ids]  # (D, b, M, 3)
    low, high = jnp.min(points, axis=2), jnp.max(points, axis=2)

    def lows(k: int) -> tuple[jax.Array, jax.Array]:
        return low[:, :, None, k], box_low[:, None, :, k]

    def highs(k: int) -> tuple[jax.Array, jax.Array]:
        return high[:, :, None, k], box_high[:, None, :, k]

    # Groups that rays from the block can meet, and of these the nearest and farthest.
    column = (lows(0)[0] <= highs(0)[1]) & (highs(0)[0] >= lows(0)[1])
    column = column & (lows(1)[0] <= highs(1)[1]) & (highs(1)[0] >= lows(1)[1])
    nearest = jnp.min(jnp.where(column, lows(2)[1], jnp.inf), axis=-1)
    # In front of every group of its column a block sees the whole closed surface: outside. Behind all: nothing.
    between = high[..., 2] >= nearest
    meets = column & between[..., None] & (lows(2)[0] <= highs(2)[1])  # (D, b, s)
    num_directions, num_blocks, num_groups = meets.shape
    meets = meets.reshape(-1, num_groups)
    per_block = jnp.sum(meets, axis=1)
    ends = jnp.cumsum(per_block)
    total = ends[-1]
    flat_points = points.reshape(num_directions * num_blocks, *points.shape[2:])
    flat_edges = edges.reshape(num_directions * num_groups, -1)

    def body(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        start, winding = state
        rank = start + jnp.arange(_PAIR_CHUNK)
        valid = rank < total
        block = _place(ends, rank)
        # The group is the block's (rank - first rank of the block)-th one.
        nth = rank - (ends[block] - per_block[block])
        group = jnp.argmax(jnp.cumsum(meets[block], axis=1) == nth[:, None] + 1, axis=1)
        chosen = flat_edges[block // num_blocks * num_groups + group].reshape(-1, *edges.shape[2:])
        crossings = jax.vmap(group_crossings)(chosen, flat_points[block])
        return start + _PAIR_CHUNK, winding.at[block].add(jnp.where(valid[:, None], crossings, 0.0))

    winding = jnp.zeros(flat_points.shape[:2], jnp.float32)
    _, winding = jax.lax.while_loop(lambda state: state[0] < total, body, (jnp.int32(0), winding))
    inside = (winding.reshape(num_directions, num_blocks, -1) > 0.5) & blocks.mask[None]
    # Padding repeats a block's first vertex: take the maximum, so that it cannot undo the real entry.
    marks = jnp.zeros(vertices.shape[:2], jnp.int32)
    return marks.at[:, blocks.vertex_ids].max(inside.astype(jnp.int32)) > 0


def _pick(inside: jax.Array, slots: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Ids (slots,) of inside vertices, evenly spread when there are too many, their weights, and the count."""
    count = jnp.sum(inside)
    kept = jnp.minimum(count, slots)
    rank = jnp.arange(slots)
    # Evenly spread ranks among the inside vertices; the identity while all of them fit.
    spread = (rank * (count / slots)).astype(jnp.int32)
    order = jnp.cumsum(inside)
    position = jnp.searchsorted(order, jnp.where(count > slots, spread, rank) + 1, side="left")
    valid = rank < kept
    ids = jnp.where(valid, jnp.minimum(position, inside.shape[0] - 1), 0).astype(jnp.int32)
    return ids, jnp.where(valid, count / jnp.maximum(kept, 1), 0.0), count


def inside_sets(blocks: Blocks, inside: jax.Array, vertices: jax.Array, others: jax.Array, slots: int) -> InsideSet:
    """The inside vertices with the other mesh's nearest vertex to each.

    When more than `slots` vertices are inside, an even selection stands for all of them by its weight. The
    nearest vertex is searched in the blocks that can be nearest by their bounding spheres.

    Args:
      blocks: blocks of the mesh.
      inside: (D, V) bool.
      vertices: (D, V, 3) the meshes whose vertices are inside.
      others: (D, V, 3) the full other meshes.
      slots: most vertices kept per direction.
    """
    ids, weight, count = jax.vmap(lambda i: _pick(i, slots))(inside)
    num_directions, num_vertices = inside.shape
    kept = jnp.minimum(count, slots)
    ends = jnp.cumsum(kept)
    total = ends[-1]
    members = others[:, blocks.vertex_ids]  # (D, b, M, 3)
    centre = jnp.mean(members, axis=2)
    radius = jnp.sqrt(jnp.max(jnp.sum((members - centre[:, :, None]) ** 2, axis=-1), axis=2))
    flat_others = others.reshape(-1, 3)
    flat_vertices = vertices.reshape(-1, 3)

    def body(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        start, nearest = state
        rank = start + jnp.arange(_POINT_CHUNK)
        valid = rank < total
        direction = _place(ends, rank)
        slot = jnp.clip(rank - (ends[direction] - kept[direction]), 0, slots - 1)
        point = flat_vertices[direction * num_vertices + ids[direction, slot]]
        apart = jnp.sqrt(jnp.sum((centre[direction] - point[:, None]) ** 2, axis=-1))
        _, near = jax.lax.top_k(radius[direction] - apart, _NEAR_BLOCKS)
        candidates = blocks.vertex_ids[near].reshape(_POINT_CHUNK, -1)
        squared = jnp.sum((flat_others[direction[:, None] * num_vertices + candidates] - point[:, None]) ** 2, axis=-1)
        found = jnp.take_along_axis(candidates, jnp.argmin(squared, axis=1)[:, None], axis=1)[:, 0]
        place = jnp.where(valid, direction * slots + slot, num_directions * slots)
        return start + _POINT_CHUNK, nearest.at[place].set(found, mode="drop")

    nearest = jnp.zeros(num_directions * slots, jnp.int32)
    _, nearest = jax.lax.while_loop(lambda state: state[0] < total, body, (jnp.int32(0), nearest))
    return InsideSet(inside_ids=ids, nearest_ids=nearest.reshape(num_directions, slots), weight=weight, count=count)
