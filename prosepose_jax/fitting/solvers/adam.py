"""Adam with the published early stop (docs/method.md, "Optimisation")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from prosepose_jax.fitting.arrays import Numbers
from prosepose_jax.fitting.problem import Moving, Problem
from prosepose_jax.fitting.search import Held
from prosepose_jax.fitting.settings import Structure
from prosepose_jax.fitting.solvers.base import SolverState


def has_settled(recent: jax.Array, seen: jax.Array, slope_limit: jax.Array, relative: bool) -> jax.Array:
    """The published early stop: a flat least-squares line through the last losses.

    Args:
      recent: (window,) losses, newest last.
      seen: () how many losses there were; more than `window` are needed.
      slope_limit: () stop when the slope lies in [-slope_limit, slope_limit).
      relative: the slope is in units of the mean loss.
    """
    window = recent.shape[0]
    x = jnp.arange(window, dtype=jnp.float32) - (window - 1) / 2.0
    slope = jnp.sum(x * (recent - jnp.mean(recent))) / jnp.sum(x * x)
    if relative:
        slope = slope / jnp.maximum(jnp.abs(jnp.mean(recent)), 1e-6)
    return (seen > window) & (slope >= -slope_limit) & (slope < slope_limit)


class Adam:
    """The published optimiser; memory: (optax state, last total losses)."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        self._scale = optax.scale_by_adam()

    def init(self, moving: Moving, numbers: Numbers, held: Held) -> SolverState:
        memory = (self._scale.init(moving), jnp.zeros(self._structure.stop_window, jnp.float32))
        return SolverState(moving=moving, memory=memory, step=jnp.int32(0), done=jnp.asarray(False))

    def run_round(self, problem: Problem, state: SolverState) -> tuple[SolverState, jax.Array]:
        numbers = problem.numbers

        def one_step(state: SolverState, _: None) -> tuple[SolverState, jax.Array]:
            (total, terms), gradient = jax.value_and_grad(problem.energy, has_aux=True)(state.moving)
            optimiser, recent = state.memory
            updates, optimiser = self._scale.update(gradient, optimiser)
            updates = jax.tree.map(lambda u: -numbers.learning_rate * u, updates)
            recent = jnp.concatenate([recent[1:], total[None]])
            step = state.step + 1
            settled = has_settled(recent, step, numbers.stop_slope, self._structure.stop_relative)
            moved = SolverState(
                moving=optax.apply_updates(state.moving, updates),
                memory=(optimiser, recent),
                step=step,
                done=settled | (step >= numbers.steps),
            )
            new = jax.tree.map(lambda old, new: jnp.where(state.done, old, new), state, moved)
            return new, jnp.where(state.done, jnp.nan, terms)

        return jax.lax.scan(one_step, state, None, length=self._structure.refresh_every)

    def accepted(self, state: SolverState) -> Moving:
        return state.moving
