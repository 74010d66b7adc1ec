"""The searches of a round: what is found once without gradient and held for some steps. Names no term.

A minimum's gradient is the gradient at its argument, so the steps between two searches need only the
correspondences that the search chose.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from prosepose_jax.body.kinematics import pose_joints
from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.body.skinning import rest_vertices, skin
from prosepose_jax.fitting.arrays import FitModel, SceneArrays
from prosepose_jax.fitting.settings import Structure
from prosepose_jax.terms import Lookup, Term

Held = dict[str, Any]
"""What each term's lookup found."""


def terms_of(structure: Structure, num_people: int) -> tuple[Term, ...]:
    """The terms that scenes of so many people have."""
    return tuple(term for term in structure.terms if num_people >= term.fewest_people)


def pose_meshes(body: BodyModel, params: BodyParams) -> tuple[jax.Array, jax.Array]:
    """Rest and posed vertices (S, P, V, 3) of parameters (S, P, …)."""

    def pose(params: BodyParams) -> tuple[jax.Array, jax.Array]:
        _, transforms, rotations = pose_joints(body, params)
        rest = rest_vertices(body, params, rotations)
        return rest, skin(body, transforms, rest)

    return jax.vmap(jax.vmap(pose))(params)


def active_terms(
    structure: Structure, scenes: SceneArrays, index: jax.Array, busy: jax.Array | None = None
) -> dict[str, jax.Array]:
    """() bool for each term: whether it weighs anything in stage `index` of one scene, or of some scene at work."""
    found = {}
    for term in terms_of(structure, scenes.params.transl.shape[-2]):
        weight = scenes.weights[term.name][..., index]
        found[term.name] = jnp.any((weight > 0) if busy is None else (weight > 0) & busy)
    return found


def search_batch(
    model: FitModel,
    scenes: SceneArrays,
    params: BodyParams,
    structure: Structure,
    active: dict[str, jax.Array],
    index: jax.Array,
    rounds: jax.Array,
    busy: jax.Array | None = None,
) -> Held:
    """Looks up the correspondences of all terms at the present parameters.

    Args:
      model: the prepared body.
      scenes: S scenes.
      params: (S, P, …).
      structure: settings that decide the compilation.
      active: from `active_terms`; nothing is looked up for the others.
      index: () int32 which stage, for the random draws.
      rounds: (S,) searches of each scene so far, for the random draws.
      busy: (S,) bool, False on scenes whose result nobody reads. None: all count.
    """
    params = jax.lax.stop_gradient(params)
    if busy is None:
        busy = jnp.ones(params.transl.shape[0], bool)

    def key(seed: jax.Array, round_index: jax.Array) -> jax.Array:
        key = jax.random.fold_in(jax.random.key(structure.seed), seed)
        return jax.random.fold_in(jax.random.fold_in(key, index), round_index)

    keys = jax.vmap(key)(scenes.seed, rounds)
    rest, vertices = pose_meshes(model.body, params)
    held = {}
    for term in terms_of(structure, params.transl.shape[1]):
        lookup = Lookup(
            body=model.body,
            surface=model.surface,
            mine=model.terms[term.name],
            data=scenes.terms[term.name],
            params=params,
            rest=rest,
            vertices=vertices,
            keys=keys,
            busy=busy,
            search=structure.search,
            sample_size=structure.sample_size,
            inside_slots=structure.inside_slots,
            aggregation=structure.aggregation,
        )
        held[term.name] = _where_active(term, lookup, active[term.name])
    return held


def _where_active(term: Term, lookup: Lookup, active: jax.Array) -> Any:
    shapes = jax.eval_shape(term.look_up, lookup)
    if not jax.tree.leaves(shapes):
        return shapes
    return jax.lax.cond(
        active, lambda: term.look_up(lookup), lambda: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    )
