"""Finds the vertices inside other people and the surface vertices nearest to them, without gradient.

The inside test is exact (body/inside.py): a block of vertices meets only the groups of faces that stand over it
along the ray. All directions of all scenes share one work list, so a crowded scene does not make the others wait.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.body.blocks import Blocks
from prosepose_jax.body.coarse import Boxes, Marked, coarse_meshes, keep_lower, squared_centre_distances, squared_gaps
from prosepose_jax.body.inside import FaceGroups, group_boxes, group_crossings, group_edges

# (Block, group of faces) pairs tested at once, and points matched to their nearest vertex at once.
_PAIR_CHUNK = 256
_POINT_CHUNK = 512
# (Point, group of blocks) and (point, block) pairs looked at at once.
_GROUP_CHUNK, _BLOCK_CHUNK = 2048, 2048


@struct.dataclass
class InsideSet:
    """Vertices of one mesh inside another, n slots, for D directions."""

    inside_ids: jax.Array  # (D, n) int32 vertices of the first mesh
    nearest_ids: jax.Array  # (D, n) int32 vertices of the second mesh
    weight: jax.Array  # (D, n) float32: 0 on empty slots; count / n each when more than n are inside
    count: jax.Array  # (D,) int32 vertices inside


def inside_masks(
    blocks: Blocks, groups: FaceGroups, vertices: jax.Array, surfaces: jax.Array, asked: jax.Array | None = None
) -> jax.Array:
    """Which vertices lie inside a closed surface.

    Args:
      blocks: blocks of the mesh.
      groups: faces of the low-resolution surface.
      vertices: (D, V, 3) vertices to test.
      surfaces: (D, n, 3) low-resolution vertices of the other person.
      asked: (D,) bool, False where nobody wants to know and all are called outside; None: all are asked.

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
    if asked is not None:
        meets = meets & asked[:, None, None]
    num_directions, num_blocks, num_groups = meets.shape
    flat_points = points.reshape(num_directions * num_blocks, *points.shape[2:])
    flat_edges = edges.reshape(num_directions * num_groups, -1)

    def look(block: jax.Array, group: jax.Array, valid: jax.Array, winding: jax.Array) -> jax.Array:
        chosen = flat_edges[block // num_blocks * num_groups + group].reshape(-1, *edges.shape[2:])
        crossings = jax.vmap(group_crossings)(chosen, flat_points[block])
        return winding.at[block].add(jnp.where(valid[:, None], crossings, 0.0))

    winding = jnp.zeros(flat_points.shape[:2], jnp.float32)
    winding = Marked(meets.reshape(-1, num_groups)).visit(_PAIR_CHUNK, look, winding)
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


@struct.dataclass
class Targets:
    """On which part of the other mesh the nearest vertex is looked for."""

    of_group: jax.Array  # (g,) int32 part that a group of blocks is of
    wanted: jax.Array  # (D, V) int32 part that is looked at for a vertex


def inside_sets(
    blocks: Blocks,
    inside: jax.Array,
    vertices: jax.Array,
    others: jax.Array,
    slots: int,
    targets: Targets | None = None,
) -> InsideSet:
    """The inside vertices with the other mesh's nearest vertex to each.

    When more than `slots` vertices are inside, an even selection stands for all of them by its weight.

    Args:
      blocks: blocks of the mesh.
      inside: (D, V) bool.
      vertices: (D, V, 3) the meshes whose vertices are inside.
      others: (D, V, 3) the full other meshes.
      slots: most vertices kept per direction.
      targets: None: the whole other mesh.
    """
    ids, weight, count = jax.vmap(lambda i: _pick(i, slots))(inside)
    num_directions, num_vertices = inside.shape
    asked = jnp.arange(slots)[None] < count[:, None]
    flat_vertices = vertices.reshape(-1, 3)
    looker = _NearestLooker(blocks, others)

    def look(direction: jax.Array, slot: jax.Array, valid: jax.Array, nearest: jax.Array) -> jax.Array:
        vertex = direction * num_vertices + ids[direction, slot]
        place = jnp.where(valid, direction * slots + slot, num_directions * slots)
        among = None if targets is None else targets.of_group[None] == targets.wanted.reshape(-1)[vertex][:, None]
        return nearest.at[place].set(looker.nearest(direction, flat_vertices[vertex], valid, among), mode="drop")

    nearest = Marked(asked).visit(_POINT_CHUNK, look, jnp.zeros(num_directions * slots, jnp.int32))
    return InsideSet(inside_ids=ids, nearest_ids=nearest.reshape(num_directions, slots), weight=weight, count=count)


class _NearestLooker:
    """Finds the vertex of a mesh nearest to a point, exactly: groups of blocks, blocks, vertices, by bounds."""

    def __init__(self, blocks: Blocks, meshes: jax.Array) -> None:
        self.blocks = blocks
        self.num_blocks = blocks.vertex_ids.shape[0]
        self.meshes = coarse_meshes(meshes, blocks.vertex_ids, blocks.of_group)

    def nearest(self, mesh: jax.Array, point: jax.Array, valid: jax.Array, among: jax.Array | None = None) -> jax.Array:
        """Vertices (n,) of mesh (n,) nearest to point (n, 3), of groups `among` (n, g); anything where not `valid`."""
        boxes = self.meshes.boxes
        box = Boxes(point[:, None], point[:, None])
        group_boxes = self.meshes.group_boxes.take(mesh)  # (n, g, 3)
        centre_distances = squared_centre_distances(box, group_boxes)
        group = jnp.argmin(centre_distances if among is None else jnp.where(among, centre_distances, jnp.inf), axis=1)
        rows = self._rows(mesh, group)
        guess = jnp.argmin(squared_centre_distances(box, boxes.take(rows)), axis=1)
        block = jnp.take_along_axis(rows, guess[:, None], axis=1)[:, 0]
        # Below 0 nothing is looked for.
        best = (jnp.where(valid, self._look(block, point), -1.0), block)
        may_be_nearer = squared_gaps(box, group_boxes) < best[0][:, None]
        open_groups = Marked(may_be_nearer if among is None else may_be_nearer & among)

        def look_into_groups(of: jax.Array, group: jax.Array, valid: jax.Array, best: _Best) -> _Best:
            rows = self._rows(mesh[of], group)
            gaps = squared_gaps(box.take(of), boxes.take(rows))

            def look_into_blocks(row: jax.Array, column: jax.Array, valid: jax.Array, best: _Best) -> _Best:
                block = rows[row, column]
                found = jnp.where(valid, self._look(block, point[of[row]]), jnp.inf)
                return keep_lower(*best, of[row], found, block)

            open_blocks = (gaps < best[0][of][:, None]) & valid[:, None]
            return Marked(open_blocks).visit(_BLOCK_CHUNK, look_into_blocks, best)

        _, block = open_groups.visit(_GROUP_CHUNK, look_into_groups, best)
        place = jnp.argmin(self._squared(block, point), axis=1)
        return self.blocks.vertex_ids[block % self.num_blocks, place]

    def _rows(self, mesh: jax.Array, group: jax.Array) -> jax.Array:
        """Rows (n, K) of the blocks of groups."""
        return mesh[:, None] * self.num_blocks + self.blocks.of_group[group]

    def _squared(self, block: jax.Array, point: jax.Array) -> jax.Array:
        """(n, M) squared distances of a block's vertices from a point."""
        members, total = self.meshes.points[block], jnp.zeros((), jnp.float32)  # (n, 3, M)
        for k in range(3):
            apart = members[:, k] - point[:, k, None]
            total = total + apart * apart
        return total

    def _look(self, block: jax.Array, point: jax.Array) -> jax.Array:
        return jnp.min(self._squared(block, point), axis=1)


# Squared distances (n,) of the nearest blocks so far, and which these are: rows (n,) of the blocks of all meshes.
_Best = tuple[jax.Array, jax.Array]
