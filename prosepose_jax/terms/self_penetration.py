"""The price of limbs inside the own body (docs/method.md, "Self-penetration")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.blocks import Blocks, make_blocks, stand_ins
from prosepose_jax.body.coarse import Boxes, Marked, boxes_of
from prosepose_jax.body.inside import FaceGroups, group_boxes, group_crossings, group_edges, group_faces
from prosepose_jax.body.model import BodyModel
from prosepose_jax.body.segments import make_segments
from prosepose_jax.terms.base import Context, Elements, End, Lookup, Term
from prosepose_jax.terms.inside_search import Targets, inside_sets
from prosepose_jax.terms.penetration import depth_kernel, squared_depth
from prosepose_jax.terms.points import Rows

# (Block, group of faces) pairs tested at once.
_PAIR_CHUNK = 256
# Vertices, about, that are tested: of a finer mesh one stands for its neighbours.
_MOST_TESTED = 3000


@struct.dataclass
class SegmentSurfaces:
    """K segments of a body as closed low-resolution surfaces, and its vertices in blocks of one segment each."""

    blocks: Blocks  # of all vertices, in g groups
    of_group: jax.Array  # (g,) int32 segment of each group of blocks
    tested: Blocks  # of b blocks of M vertices, of those that stand for all
    stands_for: jax.Array  # (V,) float32 how many vertices a tested one stands for; 0 for the others
    foreign: jax.Array  # (b, M, K) bool: a tested vertex must not be inside the segment
    groups: FaceGroups  # of s groups; `owner` is the segment
    surface_ids: jax.Array  # (n,) int32 vertices that the faces are between


@struct.dataclass
class HeldSelfPenetration:
    """Vertices inside far segments of the same person, and the vertices of these that they are matched to."""

    inside: Rows  # (P, n)
    nearest: Rows  # (P, n)
    weight: jax.Array  # (P, n) 0 on padding; above 1 where one vertex stands for several


def segment_surfaces(body: BodyModel, most: int = _MOST_TESTED) -> SegmentSurfaces:
    """Prepares a body (host).

    Args:
      body: the body.
      most: vertices to test, about; at least as many as there are: all.
    """
    template, low = np.asarray(body.v_template), np.asarray(body.lowres.vertex_ids)
    closed_faces = low[np.asarray(body.lowres.faces)]
    segments = make_segments(
        template, np.asarray(body.faces), np.asarray(body.skin_weights), body.parents, closed_faces
    )
    blocks = make_blocks(template, segments.of_vertex)
    members, first_block = np.asarray(blocks.vertex_ids), np.asarray(blocks.of_group)[:, 0]
    # Of one segment and foreign to the same ones; who is foreign to nothing needs no test.
    rows = np.concatenate([segments.of_vertex[:, None], segments.foreign], axis=1)
    kinds = np.where(segments.foreign.any(axis=1), np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1), -1)
    stands_for = stand_ins(template, kinds, most)
    tested = make_blocks(template, segments.of_vertex, np.flatnonzero(stands_for))
    faces = np.concatenate(segments.faces)
    place = np.zeros(len(template), np.int64)
    place[low] = np.arange(len(low))
    owner = np.repeat(np.arange(len(segments.faces)), [len(of_segment) for of_segment in segments.faces])
    return SegmentSurfaces(
        blocks=blocks,
        of_group=jnp.asarray(segments.of_vertex[members[first_block, 0]]),
        tested=tested,
        stands_for=jnp.asarray(stands_for, jnp.float32),
        foreign=jnp.asarray(segments.foreign[np.asarray(tested.vertex_ids)] & np.asarray(tested.mask)[..., None]),
        groups=group_faces(template[low], place[faces], owner),
        surface_ids=jnp.asarray(low, jnp.int32),
    )


def inside_own_segments(
    surfaces: SegmentSurfaces, vertices: jax.Array, asked: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Which of the tested vertices lie inside a segment that is foreign to them.

    Exact for each, as `inside_search.inside_masks`: signed crossings of the ray along +z with each closed surface. A
    block of vertices meets only segments whose boxes overlap its own, and of these the groups of faces over it.

    Args:
      surfaces: of the body.
      vertices: (D, V, 3) posed people.
      asked: (D,) bool, False where nobody wants to know and nothing is called inside; None: all are asked.

    Returns:
      (D, V) bool, False for vertices that are not tested, and (D, V) int32 the segment that a vertex is inside.
    """
    blocks, groups, num_segments = surfaces.tested, surfaces.groups, surfaces.foreign.shape[-1]
    points = vertices[:, blocks.vertex_ids]  # (D, b, M, 3)
    num_people, num_blocks, _, _ = points.shape
    num_groups = groups.owner.shape[0]
    posed = vertices[:, surfaces.surface_ids]
    edges = jax.vmap(lambda v: group_edges(groups, v))(posed)  # (D, s, 6, 3, t)
    flat_edges = edges.reshape(num_people * num_groups, -1)
    box, of_faces = boxes_of(points), Boxes(*jax.vmap(lambda v: group_boxes(groups, v))(posed))  # (D, b, 3), (D, s, 3)
    mine = (groups.owner[None] == jnp.arange(num_segments)[:, None])[None, :, :, None]  # (1, K, s, 1)
    of_segments = Boxes(
        jnp.min(jnp.where(mine, of_faces.low[:, None], jnp.inf), axis=2),
        jnp.max(jnp.where(mine, of_faces.high[:, None], -jnp.inf), axis=2),
    )  # (D, K, 3)
    near = _overlap(box, of_segments, 3) & jnp.any(surfaces.foreign, axis=1)[None]  # (D, b, K)
    if asked is not None:
        near = near & asked[:, None, None]
    over = _overlap(box, of_faces, 2) & (box.low[:, :, None, 2] <= of_faces.high[:, None, :, 2])
    meets = near[..., groups.owner] & over  # (D, b, s)
    flat_points = points.reshape(num_people * num_blocks, *points.shape[2:])

    def look(block: jax.Array, group: jax.Array, valid: jax.Array, winding: jax.Array) -> jax.Array:
        chosen = flat_edges[block // num_blocks * num_groups + group].reshape(-1, *edges.shape[2:])
        crossings = jax.vmap(group_crossings)(chosen, flat_points[block]).astype(jnp.int8)
        return winding.at[block * num_segments + groups.owner[group]].add(jnp.where(valid[:, None], crossings, 0))

    winding = jnp.zeros((num_people * num_blocks * num_segments, points.shape[2]), jnp.int8)
    winding = Marked(meets.reshape(-1, num_groups)).visit(_PAIR_CHUNK, look, winding)
    wound = winding.reshape(num_people, num_blocks, num_segments, -1) > 0
    inside = wound & surfaces.foreign.transpose(0, 2, 1)[None]  # (D, b, K, M)
    # 1 + the segment, 0 outside. Padding repeats a block's first vertex: it must not undo the real entry.
    which = jnp.max(jnp.where(inside, jnp.arange(1, num_segments + 1)[None, None, :, None], 0), axis=2)
    marks = jnp.zeros(vertices.shape[:2], jnp.int32).at[:, blocks.vertex_ids].max(which.astype(jnp.int32))
    return marks > 0, jnp.maximum(marks - 1, 0)


def _overlap(a: Boxes, b: Boxes, axes: int) -> jax.Array:
    """(D, n, m) which boxes (D, n, 3) and (D, m, 3) overlap along the first axes."""
    found = jnp.ones((), bool)
    for k in range(axes):
        found = (
            found & (a.low[:, :, None, k] <= b.high[:, None, :, k]) & (a.high[:, :, None, k] >= b.low[:, None, :, k])
        )
    return found


@dataclasses.dataclass(frozen=True)
class SelfPenetration(Term):
    """Σ over vertices inside a far segment of the own body of (100 d²)², d as in `Penetration`.

    Attributes:
      slots: inside vertices kept a person; of more, an even selection is weighted up.
    """

    name: str = "self_penetration"
    scale_field: str = "penetration.robust_m"
    refresh_field: str = "penetration.refresh_every"
    slots: int = 32

    def prepare_body(self, body: BodyModel, prior: Any) -> SegmentSurfaces:
        return segment_surfaces(body)

    def look_up(self, lookup: Lookup) -> HeldSelfPenetration:
        num_scenes, num_people, num_vertices, _ = lookup.vertices.shape
        surfaces, people = lookup.mine, lookup.vertices.reshape(-1, num_vertices, 3)
        inside, which = inside_own_segments(surfaces, people, jnp.repeat(lookup.busy, num_people))
        targets = Targets(surfaces.of_group, which)
        found = inside_sets(surfaces.blocks, inside, people, people, self.slots, targets)

        def per_scene(x: jax.Array) -> jax.Array:
            return x.reshape(num_scenes, num_people, *x.shape[1:])

        def rows(ids: jax.Array) -> Rows:
            # Held in the base as in `Penetration`: shape and pose correctives hardly change within a round.
            base = jnp.take_along_axis(lookup.rest, ids[..., None], axis=2)
            return Rows(base=base, shape_dirs=None, pose_dirs=None, skin_weights=lookup.body.skin_weights[ids])

        return HeldSelfPenetration(
            inside=rows(per_scene(found.inside_ids)),
            nearest=rows(per_scene(found.nearest_ids)),
            weight=per_scene(found.weight * surfaces.stands_for[found.inside_ids]),
        )

    def elements(self, context: Context) -> Sequence[Elements]:
        held, people = context.held, tuple(range(context.num_people))
        ends = (End(held.inside, whose=people), End(held.nearest, whose=people))
        return [Elements(ends, held.weight, residual=squared_depth, kernel=depth_kernel)]
