"""Score distillation: pulling two people towards what the diffusion model makes of them (BUDDI, CVPR 2024).

The current pair is noised to a low level and denoised once; the difference to that result, held fixed, is the
residual. No gradient passes through the network.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.body import BodyParams
from prosepose_jax.diffusion.network import Denoiser
from prosepose_jax.diffusion.pairs import NUM_BETAS, from_params, relative, rotation_from_6d, rotation_to_6d, to_params
from prosepose_jax.diffusion.sampling import add_noise, normal_pair
from prosepose_jax.diffusion.schedule import Schedule


@struct.dataclass
class PriorWeights:
    """Weights of the norms of `distillation_residuals` in one stage."""

    pose: float = 100.0
    relative_transl: float = 1000.0
    betas: float = 0.0


@struct.dataclass
class PriorSettings:
    """The prior of one published configuration: noise level, and weights of the two stages."""

    timestep: int
    stages: tuple[PriorWeights, PriorWeights]


BUDDI_UNCONDITIONAL = PriorSettings(20, (PriorWeights(100.0, 1000.0, 0.0), PriorWeights(100.0, 1000.0, 0.0)))
"""buddi.yaml of the release."""

BUDDI_CONDITIONAL = PriorSettings(10, (PriorWeights(100.0, 10000.0, 10.0), PriorWeights(100.0, 10000.0, 0.0)))
"""buddi_cond_bev.yaml of the release."""


def distillation_target(
    denoise: Denoiser, schedule: Schedule, key: jax.Array, current: BodyParams, timestep: jax.Array | int
) -> BodyParams:
    """What the model makes of two people, brought back to where person 0 stands.

    With R_c the rotation from the denoised to the current orientation of person 0, both people's orientations and
    the way from person 0 to person 1 are turned by R_c; person 0 keeps orientation and translation.

    Args:
      denoise: from `denoiser`, with its guidance.
      schedule: of the noise.
      key: of the noise drawn.
      current: two people, leaves (2, …), in the order in which they are stored.
      timestep: the noise level.

    Returns:
      Two people; hands and face are the current ones. Gradients are stopped.
    """
    current = jax.lax.stop_gradient(current)
    pair = from_params(current)
    level = jnp.asarray(timestep, jnp.int32)
    clean = denoise(add_noise(schedule, relative(pair), level, normal_pair(key)), level)
    orient, now = rotation_from_6d(clean.orient), rotation_from_6d(pair.orient)
    back = now[0] @ orient[0].T
    moved = current.transl[:1] + (clean.transl - clean.transl[:1]) @ back.T
    placed = dataclasses.replace(clean, orient=rotation_to_6d(back[None] @ orient), transl=moved)
    return jax.lax.stop_gradient(to_params(placed, current))


def distillation_residuals(current: BodyParams, target: BodyParams) -> dict[str, jax.Array]:
    """Differences of two people to a target.

    Returns:
      {"pose": (2, 63) axis-angle, rad; "relative_transl": (1, 3) m; "betas": (2, B)}: one row a norm.
    """
    people = current.transl.shape[0]
    apart = (current.transl[1] - current.transl[0]) - (target.transl[1] - target.transl[0])
    return {
        "pose": jnp.reshape(current.body_pose - target.body_pose, (people, -1)),
        "relative_transl": apart[None],
        "betas": (current.betas - target.betas)[:, :NUM_BETAS],
    }


def distillation_loss(residuals: dict[str, jax.Array], weights: PriorWeights) -> jax.Array:
    """Σ weight × Euclidean norm (not squared) of every row; the gradient of a zero row is zero."""
    total = jnp.zeros(())
    for name, rows in residuals.items():
        squared = jnp.sum(rows * rows, axis=-1)
        zero = squared <= 0.0
        norms = jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, squared)))
        total = total + getattr(weights, name) * jnp.sum(norms)
    return total
