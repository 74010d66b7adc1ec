"""One scene between two searches, as the solvers see it: energy, quadratic model, and what may move."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.body.model import BodyParams
from prosepose_jax.fitting.arrays import FitModel, Numbers, SceneArrays
from prosepose_jax.fitting.objective import (
    Linearised,
    flatten,
    pose_trees,
    term_energy,
    term_linearised,
    unflatten,
)
from prosepose_jax.fitting.search import Held, terms_of
from prosepose_jax.fitting.settings import Structure
from prosepose_jax.terms.base import Context, Term
from prosepose_jax.terms.points import MOVABLE

Moving = dict[str, jax.Array]


def take_moving(params: BodyParams) -> Moving:
    """The fields that a fit may move."""
    return {name: getattr(params, name) for name in MOVABLE}


def moving_mask(params: BodyParams, moves: dict[str, jax.Array]) -> jax.Array:
    """(P, D) 1 where a number moves, in the order of `objective.flatten`."""
    masks = {name: jnp.broadcast_to(moves[name], getattr(params, name).shape) for name in MOVABLE}
    return flatten(dataclasses.replace(params, **masks))


@struct.dataclass
class Problem:
    """What a solver minimises until the next search."""

    model: FitModel
    scene: SceneArrays
    start: BodyParams
    held: Held
    weights: dict[str, jax.Array]  # () of each term in this stage
    active: dict[str, jax.Array]  # () bool; terms that weigh nothing anywhere in the batch are skipped
    numbers: Numbers
    terms: tuple[Term, ...] = struct.field(pytree_node=False)
    records: tuple[Term, ...] = struct.field(pytree_node=False)  # of which loss records are kept, in order

    def params(self, moving: Moving) -> BodyParams:
        """The start with what moves in this stage put in its place."""
        kept = {
            name: jnp.where(self.numbers.moves[name] > 0, value, getattr(self.start, name))
            for name, value in moving.items()
        }
        return dataclasses.replace(self.start, **kept)

    def energy(self, moving: Moving) -> tuple[jax.Array, jax.Array]:
        """() total of the terms and all weighted terms (T,)."""
        params = self.params(moving)
        kin = pose_trees(self.model.body, params)

        def value(term: Term) -> jax.Array:
            context = self._context(term, params)
            return self._if_active(term, lambda: term_energy(term, context, kin, self.numbers.scales[term.name]))

        return self._sum({term.name: value(term) for term in self.terms})

    def linearised(self, moving: Moving) -> Linearised:
        """Weighted terms (T,), gradient (P, D) and curvature (P, D, P, D); numbers that stay have a unit curvature."""
        params = self.params(moving)
        kin = pose_trees(self.model.body, params)
        gradient = curvature = jnp.zeros(())
        values = {}
        for term in self.terms:
            context, scale = self._context(term, params), self.numbers.scales[term.name]
            linearise = functools.partial(term_linearised, term, context, kin, scale)
            found: Linearised = self._if_active(term, linearise)
            weight = self.weights[term.name]
            values[term.name] = found.terms
            gradient = gradient + weight * found.gradient
            curvature = curvature + weight * found.curvature
        mask = moving_mask(params, self.numbers.moves)
        still = jnp.diag(1.0 - mask.reshape(-1)).reshape(curvature.shape)
        curvature = curvature * mask[:, :, None, None] * mask[None, None] + still
        return Linearised(self._sum(values)[1], gradient * mask, curvature)

    def judged(self, terms: jax.Array) -> jax.Array:
        """() the energy by which steps are compared: stochastic terms move a step and do not judge it."""
        return jnp.sum(jnp.where(jnp.array([term.comparable for term in self.records]), terms, 0.0))

    def _context(self, term: Term, params: BodyParams) -> Context:
        return Context(
            body=self.model.body,
            mine=self.model.terms[term.name],
            data=self.scene.terms[term.name],
            held=self.held[term.name],
            camera=self.scene.camera,
            start=self.start,
            params=params,
        )

    def _if_active(self, term: Term, function: Callable[[], Any]) -> Any:
        """What a function gives, zeros where a term weighs nothing in the whole batch."""
        shapes = jax.eval_shape(function)
        return jax.lax.cond(
            self.active[term.name], function, lambda: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        )

    def _sum(self, values: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        weighted = {name: self.weights[name] * value for name, value in values.items()}
        terms = jnp.stack([jnp.asarray(weighted.get(term.name, 0.0), jnp.float32) for term in self.records])
        return jnp.sum(terms), terms


def stage_problem(
    model: FitModel,
    scene: SceneArrays,
    start: BodyParams,
    held: Held,
    active: dict[str, jax.Array],
    numbers: Numbers,
    index: jax.Array | int,
    structure: Structure,
) -> Problem:
    """One scene's problem in a stage.

    Args:
      model: the prepared body.
      scene: the scene, no leading axis.
      start: (P, …) what stays in this stage is taken from here.
      held: what the searches found for the scene.
      active: from `active_terms` of the whole batch, so that under `vmap` it is one switch and not one a scene.
      numbers: of the stage.
      index: () which stage; says which weights count.
      structure: of the settings.
    """
    return Problem(
        model=model,
        scene=scene,
        start=start,
        held=held,
        weights={name: weight[index] for name, weight in scene.weights.items()},
        active=active,
        numbers=numbers,
        terms=terms_of(structure, start.transl.shape[0]),
        records=structure.terms,
    )


def add_step(moving: Moving, step: jax.Array, like: BodyParams) -> Moving:
    """Moves by a flat step (P, D) in the order of `objective.flatten`."""
    here = dataclasses.replace(like, **moving)
    return take_moving(unflatten(flatten(here) + step, here))
