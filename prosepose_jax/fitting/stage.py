"""One optimisation stage over a batch of scenes, inside one jit.

Rounds of a search and some optimiser steps on what it found, until every scene has stopped. A scene that
has stopped keeps its parameters while the others go on.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax
from flax import struct

from prosepose_jax.body.model import BodyParams
from prosepose_jax.fitting.arrays import FitModel, SceneArrays
from prosepose_jax.fitting.energy import energy
from prosepose_jax.fitting.held import Held, hold
from prosepose_jax.fitting.settings import FitSettings, StageSettings, StopSettings
from prosepose_jax.losses import TERMS, Weights


@struct.dataclass
class StageResult:
    """A batch of B scenes after a stage."""

    params: BodyParams  # (B, P, …)
    losses: jax.Array  # (B, steps, 7) weighted terms before each step, NaN after the scene stopped
    steps: jax.Array  # (B,) int32


@struct.dataclass
class _State:
    """One scene on its way."""

    moving: dict[str, jax.Array]
    optimiser: optax.OptState
    recent: jax.Array  # (window,) last total losses, newest last
    step: jax.Array  # () int32 steps taken
    done: jax.Array  # () bool


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


def _moving(params: BodyParams, stage: StageSettings) -> dict[str, jax.Array]:
    names = ["transl", "body_pose"] + (["betas"] if stage.move_betas else [])
    return {name: getattr(params, name) for name in names}


def no_steps(params: BodyParams) -> StageResult:
    """What a stage of zero steps leaves behind."""
    num_scenes = params.transl.shape[0]
    return StageResult(
        params=params, losses=jnp.zeros((num_scenes, 0, len(TERMS))), steps=jnp.zeros(num_scenes, jnp.int32)
    )


@functools.partial(jax.jit, static_argnames=("index", "settings"))
def run_stage(
    model: FitModel, scenes: SceneArrays, params: BodyParams, *, index: int, settings: FitSettings
) -> StageResult:
    """Runs stage `index` of the settings on a batch of scenes.

    Args:
      model: the prepared body.
      scenes: B scenes.
      params: (B, P, …) where the stage starts; its body pose is what the initial-pose term pulls to.
      index: which stage.
      settings: of the fit.
    """
    stage = settings.stages[index]
    optimiser = optax.adam(stage.learning_rate)
    start = params
    round_steps = stage.round_steps
    num_rounds = -(-stage.steps // round_steps)
    num_scenes = params.transl.shape[0]

    def init(params: BodyParams) -> _State:
        moving = _moving(params, stage)
        return _State(
            moving=moving,
            optimiser=optimiser.init(moving),
            recent=jnp.zeros(settings.stop.window, jnp.float32),
            step=jnp.int32(0),
            done=jnp.asarray(False),
        )

    def run_round(scene: SceneArrays, start: BodyParams, state: _State, held: Held) -> tuple[_State, jax.Array]:
        weights = Weights(**dict(zip(TERMS, scene.weights[index], strict=True)))

        def objective(moving: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
            return energy(model, scene, dataclasses.replace(start, **moving), start.body_pose, held, weights)

        def one_step(state: _State, _: None) -> tuple[_State, jax.Array]:
            (total, terms), gradient = jax.value_and_grad(objective, has_aux=True)(state.moving)
            updates, new_optimiser = optimiser.update(gradient, state.optimiser)
            recent = jnp.concatenate([state.recent[1:], total[None]])
            step = state.step + 1
            moved = _State(
                moving=optax.apply_updates(state.moving, updates),
                optimiser=new_optimiser,
                recent=recent,
                step=step,
                done=has_settled(recent, step, settings.stop) | (step >= stage.steps),
            )
            new = jax.tree.map(lambda old, new: jnp.where(state.done, old, new), state, moved)
            return new, jnp.where(state.done, jnp.nan, terms)

        return jax.lax.scan(one_step, state, None, length=round_steps)

    def body(carry: tuple[jax.Array, _State, jax.Array]) -> tuple[jax.Array, _State, jax.Array]:
        round_index, state, losses = carry
        held = hold(model, scenes, dataclasses.replace(start, **state.moving), stage, settings, index, round_index)
        state, terms = jax.vmap(run_round)(scenes, start, state, held)
        losses = jax.lax.dynamic_update_slice(losses, terms, (0, round_index * round_steps, 0))
        return round_index + 1, state, losses

    def unfinished(carry: tuple[jax.Array, _State, jax.Array]) -> jax.Array:
        return jnp.any(~carry[1].done)

    losses = jnp.full((num_scenes, num_rounds * round_steps, len(TERMS)), jnp.nan, jnp.float32)
    _, state, losses = jax.lax.while_loop(unfinished, body, (jnp.int32(0), jax.vmap(init)(params), losses))
    return StageResult(
        params=dataclasses.replace(params, **state.moving), losses=losses[:, : stage.steps], steps=state.step
    )
