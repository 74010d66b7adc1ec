"""The price of vertices inside another person (docs/method.md, "Other terms")."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.terms import kernels
from prosepose_jax.terms.base import Context, Elements, End, Lookup, Term
from prosepose_jax.terms.inside_search import inside_masks, inside_sets
from prosepose_jax.terms.points import Rows

# Scale of the squared distance in m², as published: 10 cm cost 1, 1 cm costs 1e-4.
DEPTH_SCALE = 100.0


@struct.dataclass
class HeldPenetration:
    """Inside vertices and the surface vertices they are matched to, for every ordered pair of people."""

    inside: Rows  # (G, n)
    nearest: Rows  # (G, n)
    weight: jax.Array  # (G, n) 0 on padding; above 1 where one vertex stands for several


def ordered_pairs(num_people: int) -> list[tuple[int, int]]:
    """All (a, b), a ≠ b, both directions of a pair next to each other."""
    return [p for pair in itertools.combinations(range(num_people), 2) for p in (pair, pair[::-1])]


def squared_depth(points: jax.Array, data: None) -> jax.Array:
    """(1,) 100 d² of an inside vertex and the nearest one of the other mesh (2, 3), d in m."""
    apart = points[0] - points[1]
    return DEPTH_SCALE * jnp.sum(apart * apart)[None]


def depth_kernel(s: jax.Array, scale_m: jax.Array) -> jax.Array:
    """Pseudo-Huber on 100 d²; its scale is given as a depth in m."""
    return kernels.pseudo_huber(s, DEPTH_SCALE * scale_m**2)


@dataclasses.dataclass(frozen=True)
class Penetration(Term):
    """Σ over inside vertices of (100 d²)², d the distance in metres to the nearest vertex of the other mesh."""

    name: str = "penetration"
    fewest_people: int = 2
    scale_field: str = "penetration.robust_m"
    refresh_field: str = "penetration.refresh_every"

    def look_up(self, lookup: Lookup) -> HeldPenetration:
        vertices, rest = lookup.vertices, lookup.rest
        num_scenes, num_people, num_vertices, _ = vertices.shape
        directions = ordered_pairs(num_people)
        a, b = jnp.array([d[0] for d in directions]), jnp.array([d[1] for d in directions])
        first = vertices[:, a].reshape(-1, num_vertices, 3)
        second = vertices[:, b].reshape(-1, num_vertices, 3)
        asked = jnp.repeat(lookup.busy, len(directions))
        blocks, body = lookup.surface.blocks, lookup.body
        inside = inside_masks(blocks, lookup.surface.groups, first, second[:, body.lowres.vertex_ids], asked)
        found = inside_sets(blocks, inside, first, second, lookup.inside_slots)
        # The published rule: a pair counts only when each mesh has vertices inside the other.
        both = jnp.min(found.count.reshape(-1, 2), axis=1) > 0
        weight = found.weight * jnp.repeat(both, 2)[:, None]

        def per_scene(x: jax.Array) -> jax.Array:
            return x.reshape(num_scenes, len(directions), *x.shape[1:])

        def rows(people: jax.Array, ids: jax.Array) -> Rows:
            # Shape and pose correctives are held in the base: their change within a round is far below a millimetre.
            base = jnp.take_along_axis(rest[:, people], ids[..., None], axis=2)
            return Rows(base=base, shape_dirs=None, pose_dirs=None, skin_weights=body.skin_weights[ids])

        return HeldPenetration(
            inside=rows(a, per_scene(found.inside_ids)),
            nearest=rows(b, per_scene(found.nearest_ids)),
            weight=per_scene(weight),
        )

    def elements(self, context: Context) -> Sequence[Elements]:
        held, directions = context.held, ordered_pairs(context.num_people)
        ends = (
            End(held.inside, whose=tuple(a for a, _ in directions)),
            End(held.nearest, whose=tuple(b for _, b in directions)),
        )
        return [Elements(ends, held.weight, residual=squared_depth, kernel=depth_kernel)]
