"""BUDDI, a diffusion prior over the bodies of two people (Müller et al., CVPR 2024; docs/buddi.md)."""

from prosepose_jax.diffusion.checkpoint import Loaded, from_state_dict, load_checkpoint
from prosepose_jax.diffusion.distillation import (
    BUDDI_CONDITIONAL,
    BUDDI_UNCONDITIONAL,
    PriorSettings,
    PriorWeights,
    distillation_loss,
    distillation_residuals,
    distillation_target,
)
from prosepose_jax.diffusion.loading import load_buddi
from prosepose_jax.diffusion.network import Buddi, Denoiser, denoiser, timestep_embedding
from prosepose_jax.diffusion.pairs import Pair, as_rotations, from_params, relative, to_params
from prosepose_jax.diffusion.prior_file import load_prior, save_prior
from prosepose_jax.diffusion.sampling import sample_pair, sample_pairs
from prosepose_jax.diffusion.schedule import Schedule, cosine_schedule
from prosepose_jax.diffusion.training import PairSet, Trainer, Training, TrainState, held_out_loss

__all__ = [
    "BUDDI_CONDITIONAL",
    "BUDDI_UNCONDITIONAL",
    "Buddi",
    "Denoiser",
    "Loaded",
    "Pair",
    "PairSet",
    "PriorSettings",
    "PriorWeights",
    "Schedule",
    "TrainState",
    "Trainer",
    "Training",
    "as_rotations",
    "cosine_schedule",
    "denoiser",
    "distillation_loss",
    "distillation_residuals",
    "distillation_target",
    "from_params",
    "from_state_dict",
    "held_out_loss",
    "load_buddi",
    "load_checkpoint",
    "load_prior",
    "relative",
    "sample_pair",
    "sample_pairs",
    "save_prior",
    "timestep_embedding",
    "to_params",
]
