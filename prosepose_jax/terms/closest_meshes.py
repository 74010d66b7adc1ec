"""The baseline without a language model: the two closest points of the people (docs/method.md, "Other terms")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.contact.cell_search import search_meshes
from prosepose_jax.contact.search import search_exact
from prosepose_jax.terms import kernels
from prosepose_jax.terms.base import Context, Elements, Lookup, SceneReading, Term
from prosepose_jax.terms.contact import distance, only_pair, pair_ends


@struct.dataclass
class MeshPairs:
    """The pairs of people whose meshes may be the closest."""

    pairs: jax.Array  # (Q, 2) int32
    only: tuple[int, int] | None = struct.field(pytree_node=False, default=None)


@struct.dataclass
class HeldClosest:
    """The closest vertices of each pair's meshes."""

    ids_a: jax.Array  # (Q,)
    ids_b: jax.Array  # (Q,)
    closest: jax.Array  # (Q,) 1 for the closest pair, else 0


@dataclasses.dataclass(frozen=True)
class ClosestMeshes(Term):
    """The single smallest squared distance between the meshes of two people, m²."""

    name: str = "heuristic"
    fewest_people: int = 2
    refresh_field: str = "contact.refresh_every"

    def prepare_scene(self, reading: SceneReading) -> MeshPairs:
        pairs: Any = np.asarray(reading.program.pairs)
        return MeshPairs(pairs, only_pair(reading.program))

    def look_up(self, lookup: Lookup) -> HeldClosest:
        pairs = jnp.asarray(lookup.data.pairs)
        # Never sampled: it is one pair of whole meshes.
        if lookup.search == "exact":
            nothing = jnp.zeros((1, 3), jnp.int32)
            exact = jax.vmap(lambda vertices, pair: search_exact(lookup.body.regions, vertices, pair, nothing)[1])
            found = exact(lookup.vertices, pairs)
        else:
            found = search_meshes(lookup.surface.cells, lookup.vertices, pairs)
        best = jnp.argmin(found.distance, axis=-1)
        closest = jnp.arange(pairs.shape[1])[None] == best[:, None]
        return HeldClosest(found.ids_a, found.ids_b, closest.astype(jnp.float32))

    def elements(self, context: Context) -> Sequence[Elements]:
        data, held = context.data, context.held
        ends = pair_ends(context.body, context.params, (held.ids_a, held.ids_b), data.only, data.pairs)
        return [Elements(ends, held.closest[None], residual=distance, kernel=kernels.plain)]
