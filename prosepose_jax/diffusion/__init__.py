"""BUDDI, a diffusion prior over the bodies of two people (Müller et al., CVPR 2024; docs/buddi.md)."""

from prosepose_jax.diffusion.checkpoint import Loaded, from_state_dict, load_buddi
from prosepose_jax.diffusion.distillation import (
    BUDDI_CONDITIONAL,
    BUDDI_UNCONDITIONAL,
    PriorSettings,
    PriorWeights,
    distillation_loss,
    distillation_residuals,
    distillation_target,
)
from prosepose_jax.diffusion.network import Buddi, Denoiser, denoiser, timestep_embedding
from prosepose_jax.diffusion.pairs import Pair, as_rotations, from_params, relative, to_params
from prosepose_jax.diffusion.sampling import sample_pair, sample_pairs
from prosepose_jax.diffusion.schedule import Schedule, cosine_schedule

__all__ = [
    "BUDDI_CONDITIONAL",
    "BUDDI_UNCONDITIONAL",
    "Buddi",
    "Denoiser",
    "Loaded",
    "Pair",
    "PriorSettings",
    "PriorWeights",
    "Schedule",
    "as_rotations",
    "cosine_schedule",
    "denoiser",
    "distillation_loss",
    "distillation_residuals",
    "distillation_target",
    "from_params",
    "from_state_dict",
    "load_buddi",
    "relative",
    "sample_pair",
    "sample_pairs",
    "timestep_embedding",
    "to_params",
]
