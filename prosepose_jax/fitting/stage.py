"""One optimisation stage over any number of scenes, inside one jit.

A fixed number of slots work side by side: rounds of a search and some solver steps on what it found. A scene
that has finished leaves its slot and a waiting one enters, so that nobody waits for the slowest of a batch. Those that
will probably take longest enter first: one that enters last is waited for by empty slots.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.body.model import BodyParams
from prosepose_jax.fitting.arrays import FitModel, Numbers, SceneArrays
from prosepose_jax.fitting.problem import Moving, stage_problem, take_moving
from prosepose_jax.fitting.search import Held, active_terms, search_batch
from prosepose_jax.fitting.settings import Structure
from prosepose_jax.fitting.solvers import SolverState, make_solver


@struct.dataclass
class StageResult:
    """S scenes after a stage."""

    params: BodyParams  # (S, P, …)
    energy: jax.Array  # (S,) weighted terms together, before the last step
    losses: jax.Array  # (S, steps, T) weighted terms before each step, NaN after the scene stopped
    steps: jax.Array  # (S,) int32
    path: Moving | None = None  # (S, rounds, …) accepted parameters after each round, where they are recorded


@struct.dataclass
class _Slots:
    """B slots at work on S scenes, of which the first `count` are real."""

    turn: jax.Array  # (B,) int32 place in the queue of each slot's scene; `count` and above: the slot is empty
    round: jax.Array  # (B,) int32 searches of that scene so far
    state: SolverState
    waiting: jax.Array  # () int32 the next place to enter
    moving: Moving  # (S, …) results of the scenes that have left
    losses: jax.Array  # (S, steps, T)
    steps: jax.Array  # (S,)
    path: Moving | None  # (S, rounds, …)


def no_steps(params: BodyParams, structure: Structure) -> StageResult:
    """What a stage of zero steps leaves behind."""
    num_scenes = params.transl.shape[0]
    return StageResult(
        params=params,
        energy=jnp.zeros(num_scenes, jnp.float32),
        losses=jnp.zeros((num_scenes, 0, len(structure.terms))),
        steps=jnp.zeros(num_scenes, jnp.int32),
    )


def longest_first(expected: jax.Array, real: jax.Array) -> jax.Array:
    """(S,) int32 the scenes in the order in which they are begun: by what is expected of them, fillers last."""
    return jnp.lexsort((-jnp.nan_to_num(expected), ~real)).astype(jnp.int32)


@functools.partial(jax.jit, static_argnames=("structure",), donate_argnames=("params",))
def run_stage(
    model: FitModel,
    scenes: SceneArrays,
    params: BodyParams,
    numbers: Numbers,
    index: jax.Array,
    real: jax.Array | None = None,
    expected: jax.Array | None = None,
    *,
    structure: Structure,
) -> StageResult:
    """Runs one stage on a batch of scenes; all stages share this program.

    Args:
      model: the prepared body.
      scenes: S scenes.
      params: (S, P, …) where the stage starts; its body pose is what the initial-pose term pulls to. Donated.
      numbers: of the stage.
      index: () int32 which stage.
      real: (S,) bool, False on scenes that only fill the batch up; they are returned as they came. None: all are real.
      expected: (S,) what tells how long each will take; those of larger values are begun first, and nothing else
        depends on it. None: in their order.
      structure: of the settings; at most `structure.batch_size` scenes are worked on at a time.
    """
    if real is None:
        real = jnp.ones(params.transl.shape[0], bool)
    count = jnp.sum(real, dtype=jnp.int32)
    queue = longest_first(jnp.zeros(len(real)) if expected is None else expected, real)
    solver = make_solver(structure)
    num_scenes = params.transl.shape[0]
    num_slots = min(structure.batch_size, num_scenes)
    num_rounds = -(-structure.most_steps // structure.refresh_every)
    num_terms = len(structure.terms)

    def run_round(
        scene: SceneArrays, start: BodyParams, state: SolverState, held: Held, active: dict[str, jax.Array]
    ) -> tuple[SolverState, jax.Array]:
        problem = stage_problem(model, scene, start, held, active, numbers, index, structure)
        return solver.run_round(problem, state)

    def enter(params: BodyParams, held: Held) -> SolverState:
        return jax.vmap(lambda p, h: solver.init(take_moving(p), numbers, h))(params, held)

    @jax.jit  # asked for its shapes first: traced once for both
    def look_up(scene: SceneArrays, now: BodyParams, rounds: jax.Array, busy: jax.Array) -> tuple[Any, Held]:
        active = active_terms(structure, scene, index, busy)
        return active, search_batch(model, scene, now, structure, active, index, rounds, busy)

    def of(turn: jax.Array) -> jax.Array:
        # An empty slot keeps computing on the last scene; nothing of it is kept.
        return queue[jnp.minimum(turn, num_scenes - 1)]

    def pick(tree: Any, ids: jax.Array) -> Any:
        return jax.tree.map(lambda x: x[ids], tree)

    def work(slots: _Slots) -> _Slots:
        ids = of(slots.turn)
        scene, start = pick(scenes, ids), pick(params, ids)
        now = dataclasses.replace(start, **slots.state.moving)
        busy = slots.turn < count
        active, held = look_up(scene, now, slots.round, busy)
        state, terms = jax.vmap(run_round, in_axes=(0, 0, 0, 0, None))(scene, start, slots.state, held, active)
        row = jnp.where(busy, ids, num_scenes)
        places = slots.round[:, None] * structure.refresh_every + jnp.arange(structure.refresh_every)[None]
        losses = slots.losses.at[row[:, None], places].set(terms, mode="drop")
        left = state.done & busy
        target = jnp.where(left, ids, num_scenes)
        moving = jax.tree.map(lambda all_, new: all_.at[target].set(new, mode="drop"), slots.moving, state.moving)
        steps = slots.steps.at[target].set(state.step, mode="drop")
        path = slots.path
        if path is not None:
            now = jax.vmap(solver.accepted)(state)
            path = jax.tree.map(lambda all_, new: all_.at[row, slots.round].set(new, mode="drop"), path, now)
        turn = jnp.where(left, slots.waiting + jnp.cumsum(left) - 1, slots.turn).astype(jnp.int32)

        def replaced(fresh: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(left.reshape(-1, *([1] * (old.ndim - 1))), fresh, old)

        state = jax.lax.cond(
            jnp.any(left & (turn < count)),
            lambda: jax.tree.map(replaced, enter(pick(params, of(turn)), _zeros(held)), state),
            lambda: state,
        )
        return _Slots(
            turn=turn,
            round=jnp.where(left, 0, slots.round + 1),
            state=state,
            waiting=slots.waiting + jnp.sum(left, dtype=jnp.int32),
            moving=moving,
            losses=losses,
            steps=steps,
            path=path,
        )

    first = jnp.arange(num_slots, dtype=jnp.int32)
    ids = of(first)
    _, shapes = jax.eval_shape(look_up, pick(scenes, ids), pick(params, ids), first, first < count)
    slots = _Slots(
        turn=first,
        round=jnp.zeros(num_slots, jnp.int32),
        state=enter(pick(params, ids), _zeros(shapes)),
        waiting=jnp.int32(num_slots),
        moving=take_moving(params),
        losses=jnp.full((num_scenes, num_rounds * structure.refresh_every, num_terms), jnp.nan, jnp.float32),
        steps=jnp.zeros(num_scenes, jnp.int32),
        path=_rows(take_moving(params), num_rounds) if structure.record else None,
    )
    slots = jax.lax.while_loop(lambda s: jnp.any(s.turn < count), work, slots)
    losses = slots.losses[:, : structure.most_steps]
    last = jnp.take_along_axis(losses, jnp.maximum(slots.steps - 1, 0)[:, None, None], axis=1)[:, 0]
    return StageResult(
        params=dataclasses.replace(params, **slots.moving),
        energy=jnp.sum(last, axis=-1),
        losses=losses,
        steps=slots.steps,
        path=slots.path,
    )


def _rows(moving: Moving, count: int) -> Moving:
    """Room for so many states of every scene."""
    return jax.tree.map(lambda x: jnp.zeros((x.shape[0], count, *x.shape[1:]), x.dtype), moving)


def _zeros(shapes: Any) -> Any:
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
