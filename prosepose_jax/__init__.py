"""ProsePose in JAX: language-model answers about touch become losses on SMPL-X bodies, fitted in batches.

The names below are the public entry points (docs/formats.md, "Python"); everything else may move.
"""

from prosepose_jax._environment import prepare_command

prepare_command()  # before JAX is imported; nothing for programs that import this package

# ruff: noqa: E402
from prosepose_jax.body import BodyModel, BodyParams, keypoints, load_body, pose_body
from prosepose_jax.config import load_config
from prosepose_jax.contact import ContactProgram, compile_answers, contact_loss
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings, fit_scenes
from prosepose_jax.fitting.api import SceneProblem, energy, fit, make_problem, normal_equations, search
from prosepose_jax.io import load_answers, load_scenes
from prosepose_jax.metrics import evaluate
from prosepose_jax.scene import Answer, Fit, Scene
from prosepose_jax.terms import TERMS, Term

__version__ = "0.1.0"

__all__ = [
    "TERMS",
    "Answer",
    "BodyModel",
    "BodyParams",
    "ContactProgram",
    "Fit",
    "FitSettings",
    "InputError",
    "Scene",
    "SceneProblem",
    "Term",
    "compile_answers",
    "contact_loss",
    "energy",
    "evaluate",
    "fit",
    "fit_scenes",
    "keypoints",
    "load_answers",
    "load_body",
    "load_config",
    "load_scenes",
    "make_problem",
    "normal_equations",
    "pose_body",
    "search",
]
