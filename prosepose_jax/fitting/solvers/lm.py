"""Levenberg–Marquardt on the Gauss–Newton model of the energy (docs/method.md, "Levenberg–Marquardt")."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.fitting.arrays import Numbers
from prosepose_jax.fitting.problem import Moving, Problem, add_step
from prosepose_jax.fitting.search import Held
from prosepose_jax.fitting.settings import Structure
from prosepose_jax.fitting.solvers.base import SolverState

_DAMPING_RANGE = (1e-4, 1e4)
# A refused step says little until the damping is this large: a shorter step may still be taken.
_SHORT = 1.0
_EASE, _TAME, _BRAKE = 1.0 / 3.0, 3.0, 8.0
_RECENT = 3
# The damping is eased when the energy fell by at least this share of what the model promised.
_TRUSTED = 0.5


@struct.dataclass
class LMMemory:
    """Where the solver stands with the model of the energy there, and the best it has seen."""

    here: Moving
    gradient: jax.Array  # (P D,) at `here`
    curvature: jax.Array  # (P D, P D)
    damping: jax.Array  # () share of the curvature's diagonal that is added to it
    recent: jax.Array  # (_RECENT,) energies of the last steps taken, newest last
    best: Moving
    energy: jax.Array  # () at `best`, searched there
    terms: jax.Array  # (T,)
    idle: jax.Array  # () int32 steps in a row with too little gain
    held: Any  # what the terms looked up at `here`
    predicted: jax.Array  # () by how much the model expects the energy to fall with the step that was proposed


def solve_damped(curvature: jax.Array, gradient: jax.Array, damping: jax.Array) -> jax.Array:
    """The step -(H + damping diag H)^-1 g; NaN when H is not positive definite in float32."""
    diagonal = jnp.diagonal(curvature)
    root = jnp.sqrt(jnp.maximum(diagonal, 1e-12))
    # Scaled to a unit diagonal: betas, radians and metres differ by orders of magnitude.
    scaled = curvature / (root[:, None] * root[None])
    scaled = scaled + damping * jnp.eye(scaled.shape[0], dtype=scaled.dtype)
    factor = jnp.linalg.cholesky(scaled)
    half = jax.scipy.linalg.solve_triangular(factor, -gradient / root, lower=True)
    return jax.scipy.linalg.solve_triangular(factor, half, lower=True, trans=1) / root


class LevenbergMarquardt:
    """Damped Gauss–Newton steps; a step is taken when the energy, searched anew, is below one of the last few.

    The search makes the energy jump a little when another pair of vertices becomes the closest or a vertex gets
    inside; asking for a lower energy at every step would stop at the first such edge (Grippo, Lampariello and
    Lucidi 1986). How far the model holds is another question: the gain ratio (Moré 1978) compares the fall that it
    promised with the fall on the correspondences that it was made of, and alone eases the damping. The result is the
    best parameters seen. Stochastic terms (`comparable` False) move steps and judge none.
    """

    def __init__(self, structure: Structure) -> None:
        self._structure = structure

    def init(self, moving: Moving, numbers: Numbers, held: Held) -> SolverState:
        size = sum(leaf.size for leaf in moving.values())
        memory = LMMemory(
            here=moving,
            gradient=jnp.zeros(size, jnp.float32),
            curvature=jnp.zeros((size, size), jnp.float32),
            damping=numbers.damping / _EASE,
            recent=jnp.full(_RECENT, jnp.inf, jnp.float32),
            best=moving,
            energy=jnp.float32(jnp.inf),
            terms=jnp.zeros(len(self._structure.terms), jnp.float32),
            idle=jnp.int32(0),
            held=held,
            predicted=jnp.float32(0.0),
        )
        return SolverState(moving=moving, memory=memory, step=jnp.int32(0), done=jnp.asarray(False))

    def run_round(self, problem: Problem, state: SolverState) -> tuple[SolverState, jax.Array]:
        old: LMMemory = state.memory
        found = problem.linearised(state.moving)
        size = found.gradient.size
        terms, gradient, curvature = found.terms, found.gradient.reshape(size), found.curvature.reshape(size, size)
        energy = problem.judged(terms)
        low, high = _DAMPING_RANGE

        # The model is judged on the correspondences that it was made of, progress on those found anew.
        there = problem.judged(dataclasses.replace(problem, held=old.held).energy(state.moving)[1])
        first = jnp.isinf(old.recent[-1])
        trusted = first | (old.recent[-1] - there > _TRUSTED * old.predicted)
        taken = energy < jnp.max(old.recent)
        # A step up is taken now and then to get over an edge, but steps that go up and down in turn must get shorter.
        eased = jnp.where(trusted, _EASE, 1.0)
        change = jnp.where(energy < old.recent[-1], eased, jnp.where(taken, _TAME, _BRAKE))
        stood = (old.here, old.gradient, old.curvature, old.recent)
        # The start is all there is to compare with at first.
        since = jnp.where(first, energy, jnp.concatenate([old.recent[1:], energy[None]]))
        stands = (state.moving, gradient, curvature, since)
        here, gradient, curvature, recent = _where(taken, stands, stood)
        best = _where(energy < old.energy, (state.moving, energy, terms), (old.best, old.energy, old.terms))
        enough = old.energy - energy > problem.numbers.tolerance * jnp.abs(energy)
        memory = LMMemory(
            here=here,
            gradient=gradient,
            curvature=curvature,
            damping=jnp.clip(old.damping * change, low, high),
            recent=recent,
            best=best[0],
            energy=best[1],
            terms=best[2],
            idle=jnp.where(enough, 0, old.idle + (taken | (old.damping >= _SHORT))),
            held=_where(taken, problem.held, old.held),
            predicted=old.predicted,
        )
        step = state.step + 1
        done = (memory.idle >= self._structure.patience) | (step >= problem.numbers.steps)
        flat = solve_damped(memory.curvature, memory.gradient, memory.damping)
        predicted = -(memory.gradient @ flat + 0.5 * flat @ (memory.curvature @ flat))
        memory = dataclasses.replace(memory, predicted=predicted)
        candidate = add_step(memory.here, flat.reshape(found.gradient.shape), problem.start)
        moving = _where(done, memory.best, candidate)
        return SolverState(moving=moving, memory=memory, step=step, done=done), memory.terms[None]

    def accepted(self, state: SolverState) -> Moving:
        best: Moving = state.memory.best
        return best


def _where(condition: jax.Array, first: Any, second: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)
