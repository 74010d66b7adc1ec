"""Adam with the published early stop (docs/method.md, "Optimisation")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from prosepose_jax.fitting.problem import Moving, Problem
from prosepose_jax.fitting.settings import StageSettings, StopSettings
from prosepose_jax.fitting.solvers.base import SolverState


def has_settled(recent: jax.Array, seen: jax.Array, stop: StopSettings) -> jax.Array:
    """The published early stop: a flat least-squares line through the last losses.

    Args:
      recent: (window,) losses, newest last.
      seen: () how many losses there were; more than `window` are needed.
      stop: the settings.
    """
    x = jnp.arange(stop.window, dtype=jnp.float32) - (stop.window - 1) / 2.0
    slope = jnp.sum(x * (recent - jnp.mean(recent))) / jnp.sum(x * x)
    if stop.relative:
        slope = slope / jnp.maximum(jnp.abs(jnp.mean(recent)), 1e-6)
    return (seen > stop.window) & (slope >= -stop.slope) & (slope < stop.slope)


class Adam:
    """The published optimiser; memory: (optax state, last total losses)."""

    def __init__(self, stage: StageSettings, stop: StopSettings) -> None:
        self.max_steps = stage.steps
        self.round_steps = stage.round_steps
        self._stop = stop
        self._optimiser = optax.adam(stage.learning_rate)

    def init(self, moving: Moving) -> SolverState:
        memory = (self._optimiser.init(moving), jnp.zeros(self._stop.window, jnp.float32))
        return SolverState(moving=moving, memory=memory, step=jnp.int32(0), done=jnp.asarray(False))

    def run_round(self, problem: Problem, state: SolverState) -> tuple[SolverState, jax.Array]:
        def one_step(state: SolverState, _: None) -> tuple[SolverState, jax.Array]:
            (total, terms), gradient = jax.value_and_grad(problem.energy, has_aux=True)(state.moving)
            optimiser, recent = state.memory
            updates, optimiser = self._optimiser.update(gradient, optimiser)
            recent = jnp.concatenate([recent[1:], total[None]])
            step = state.step + 1
            moved = SolverState(
                moving=optax.apply_updates(state.moving, updates),
                memory=(optimiser, recent),
                step=step,
                done=has_settled(recent, step, self._stop) | (step >= self.max_steps),
            )
            new = jax.tree.map(lambda old, new: jnp.where(state.done, old, new), state, moved)
            return new, jnp.where(state.done, jnp.nan, terms)

        return jax.lax.scan(one_step, state, None, length=self.round_steps)
