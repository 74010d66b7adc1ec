"""The optimisers of a stage: one module each, one interface (docs/method.md, "Optimisation")."""

from prosepose_jax.fitting.solvers.base import Solver, SolverState
from prosepose_jax.fitting.solvers.choose import make_solver

__all__ = ["Solver", "SolverState", "make_solver"]
