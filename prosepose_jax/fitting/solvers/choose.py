"""Solvers by name."""

from __future__ import annotations

from prosepose_jax.fitting.settings import FitSettings, StageSettings
from prosepose_jax.fitting.solvers.adam import Adam
from prosepose_jax.fitting.solvers.base import Solver
from prosepose_jax.fitting.solvers.lbfgs import LBFGS
from prosepose_jax.fitting.solvers.lm import LevenbergMarquardt


def make_solver(settings: FitSettings, stage: StageSettings) -> Solver:
    """The solver of a stage; settings name it (fitting.settings.SOLVERS)."""
    if settings.solver == "adam":
        return Adam(stage, settings.stop)
    if settings.solver == "lbfgs":
        return LBFGS(stage, settings.lbfgs)
    return LevenbergMarquardt(stage, settings.lm)
