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
from prosepose_jax.fitting import fit_scenes
from prosepose_jax.io import load_answers, load_scenes
from prosepose_jax.metrics import evaluate
from prosepose_jax.scene import Answer, Fit, Scene

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "BodyModel",
    "BodyParams",
    "ContactProgram",
    "Fit",
    "InputError",
    "Scene",
    "compile_answers",
    "contact_loss",
    "evaluate",
    "fit_scenes",
    "keypoints",
    "load_answers",
    "load_body",
    "load_config",
    "load_scenes",
    "pose_body",
]
