"""What a stage expects of an optimiser. Everything is written for one scene; the stage vmaps it."""

from __future__ import annotations

from typing import Any, Protocol

import jax
from flax import struct

from prosepose_jax.fitting.arrays import Numbers
from prosepose_jax.fitting.problem import Moving, Problem
from prosepose_jax.fitting.search import Held


@struct.dataclass
class SolverState:
    """One scene on its way."""

    moving: Moving
    memory: Any  # of the optimiser
    step: jax.Array  # () int32 steps taken
    done: jax.Array  # () bool


class Solver(Protocol):
    """Minimises one scene's energy in rounds between two searches."""

    def init(self, moving: Moving, numbers: Numbers, held: Held) -> SolverState:
        """A scene before its first step; `held` has the shapes of what a search finds."""
        ...

    def run_round(self, problem: Problem, state: SolverState) -> tuple[SolverState, jax.Array]:
        """Takes up to `refresh_every` steps; returns (steps, T) weighted terms before each, NaN once done."""
        ...

    def accepted(self, state: SolverState) -> Moving:
        """The parameters that count so far, for records of the way: no trial step among them."""
        ...
