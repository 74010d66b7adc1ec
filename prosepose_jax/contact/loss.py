"""The contact loss of posed people (docs/method.md, "Contact loss")."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from prosepose_jax.body.model import Regions
from prosepose_jax.contact.distance import part_distances, region_distances
from prosepose_jax.contact.program import ContactProgram, ProgramArrays, program_loss


def contact_loss(program: ContactProgram, vertices: jax.Array, regions: Regions) -> jax.Array:
    """How far the people are from the contacts that the answers name.

    For each answer the minimum, over all left/right choices and person orders, of the sum of its rows'
    distances; the mean over the answers (0 for one without a usable row), summed over the pairs of people. A
    program compiled with another aggregation than "mean" has that in the place of the mean.

    Args:
      program: the scene's compiled answers.
      vertices: (P, V, 3) posed vertices in metres.
      regions: the body's surface regions.

    Returns:
      Scalar in metres, unweighted. Exact over all region vertices; differentiable in `vertices`.
    """
    return program_loss(program.arrays, pair_part_distances(program.arrays, vertices, regions), program.aggregation)


def pair_part_distances(arrays: ProgramArrays, vertices: jax.Array, regions: Regions) -> jax.Array:
    """(Q, S, S) part distances in metres for every pair of people that a program reads."""
    vertices = jnp.asarray(vertices)
    pairs = jnp.asarray(arrays.pairs)

    def of_pair(pair: jax.Array) -> jax.Array:
        return part_distances(region_distances(regions, vertices[pair[0]], vertices[pair[1]]))

    if pairs.shape[0] == 1:
        return of_pair(pairs[0])[None]
    return jax.lax.map(of_pair, pairs)  # one pair at a time: memory does not grow with their number
