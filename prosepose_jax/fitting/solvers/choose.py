"""Solvers by name."""

from __future__ import annotations

from prosepose_jax.fitting.settings import Structure
from prosepose_jax.fitting.solvers.adam import Adam
from prosepose_jax.fitting.solvers.base import Solver
from prosepose_jax.fitting.solvers.lbfgs import LBFGS
from prosepose_jax.fitting.solvers.lm import LevenbergMarquardt


def make_solver(structure: Structure) -> Solver:
    """The solver that settings name (fitting.settings.SOLVERS)."""
    if structure.solver == "adam":
        return Adam(structure)
    if structure.solver == "lbfgs":
        return LBFGS(structure)
    return LevenbergMarquardt(structure)
