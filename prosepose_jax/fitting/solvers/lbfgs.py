"""L-BFGS with a zoom line search, from optax (docs/method.md, "Optimisation")."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import optax

from prosepose_jax.fitting.arrays import Numbers
from prosepose_jax.fitting.problem import Moving, Problem
from prosepose_jax.fitting.search import Held
from prosepose_jax.fitting.settings import Structure
from prosepose_jax.fitting.solvers.base import SolverState

_PATIENCE = 2


class LBFGS:
    """Memory: (optax state, energy at the start of the round before, rounds in a row with too little gain)."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        settings = structure.lbfgs
        linesearch = optax.scale_by_zoom_linesearch(max_linesearch_steps=settings.linesearch_steps)
        self._optimiser = optax.lbfgs(memory_size=settings.memory, linesearch=linesearch)

    def init(self, moving: Moving, numbers: Numbers, held: Held) -> SolverState:
        memory = (self._optimiser.init(moving), jnp.float32(jnp.inf), jnp.int32(0))
        return SolverState(moving=moving, memory=memory, step=jnp.int32(0), done=jnp.asarray(False))

    def run_round(self, problem: Problem, state: SolverState) -> tuple[SolverState, jax.Array]:
        _, last, idle = state.memory
        before, _ = problem.energy(state.moving)
        idle = jnp.where(last - before < problem.numbers.tolerance * jnp.abs(before), idle + 1, 0)
        # The remembered curvature holds on; the line search's value belongs to the search before.
        optimiser = optax.tree_utils.tree_set(state.memory[0], value=jnp.float32(jnp.inf))
        state = dataclasses.replace(state, memory=(optimiser, before, idle), done=state.done | (idle >= _PATIENCE))

        def total(moving: Moving) -> jax.Array:
            return problem.energy(moving)[0]

        def one_step(state: SolverState, _: None) -> tuple[SolverState, jax.Array]:
            optimiser, last, idle = state.memory
            (value, terms), gradient = jax.value_and_grad(problem.energy, has_aux=True)(state.moving)
            updates, optimiser = self._optimiser.update(
                gradient, optimiser, state.moving, value=value, grad=gradient, value_fn=total
            )
            step = state.step + 1
            moved = SolverState(
                moving=optax.apply_updates(state.moving, updates),
                memory=(optimiser, last, idle),
                step=step,
                done=step >= problem.numbers.steps,
            )
            kept = jax.tree.map(lambda old, new: jnp.where(state.done, old, new), state, moved)
            return kept, jnp.where(state.done, jnp.nan, terms)

        return jax.lax.scan(one_step, state, None, length=self._structure.refresh_every)

    def accepted(self, state: SolverState) -> Moving:
        return state.moving
