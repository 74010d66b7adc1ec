"""Two people as the diffusion model sees them: 6D rotations, shape with kid scale, translation.

6D rotations (Zhou et al., 2019) are the first two rows of the rotation matrix, one after the other. The network
works on the raw numbers, without any normalisation.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.body import BodyParams, axis_angle_to_matrix, matrix_to_axis_angle

NUM_BODY_JOINTS = 21
NUM_BETAS = 10

PARTS: tuple[str, ...] = ("orient", "pose", "shape", "transl")
SIZES: dict[str, int] = {"orient": 6, "pose": 6 * NUM_BODY_JOINTS, "shape": NUM_BETAS + 1, "transl": 3}
"""Numbers a person has of each part; 146 in all."""


@struct.dataclass
class Pair:
    """Two people, on any leading batch shape."""

    orient: jax.Array  # (..., 2, 6)
    pose: jax.Array  # (..., 2, 126)
    shape: jax.Array  # (..., 2, 11) betas, kid scale
    transl: jax.Array  # (..., 2, 3) m

    @classmethod
    def zeros(cls, batch: tuple[int, ...] = ()) -> Pair:
        """All numbers zero: guidance that was dropped, not a rest pose."""
        return cls(**{part: jnp.zeros((*batch, 2, SIZES[part])) for part in PARTS})


def rotation_to_6d(matrix: jax.Array) -> jax.Array:
    """(..., 3, 3) rotation matrices → (..., 6)."""
    return jnp.reshape(matrix[..., :2, :], (*matrix.shape[:-2], 6))


def rotation_from_6d(six: jax.Array) -> jax.Array:
    """(..., 6) → (..., 3, 3) by Gram–Schmidt; finite in value and gradient where the rows are zero or parallel."""
    first = _unit(six[..., :3])
    second = _unit(six[..., 3:] - jnp.sum(first * six[..., 3:], axis=-1, keepdims=True) * first)
    return jnp.stack([first, second, jnp.cross(first, second)], axis=-2)


def _unit(vector: jax.Array) -> jax.Array:
    squared = jnp.sum(vector * vector, axis=-1, keepdims=True)
    tiny = squared < 1e-24
    return jnp.where(tiny, 0.0, vector / jnp.sqrt(jnp.where(tiny, 1.0, squared)))


def as_rotations(pair: Pair) -> Pair:
    """The same pair with every 6D block replaced by that of the rotation it stands for.

    Noise moves 6D numbers off the rotations; the model was trained on noisy samples brought back onto them.
    """

    def cast(numbers: jax.Array) -> jax.Array:
        blocks = jnp.reshape(numbers, (*numbers.shape[:-1], -1, 6))
        return jnp.reshape(rotation_to_6d(rotation_from_6d(blocks)), numbers.shape)

    return dataclasses.replace(pair, orient=cast(pair.orient), pose=cast(pair.pose))


def relative(pair: Pair) -> Pair:
    """The same pair with translations from person 0 (who gets zero); orientations stay absolute."""
    return dataclasses.replace(pair, transl=pair.transl - pair.transl[..., :1, :])


def from_params(params: BodyParams) -> Pair:
    """Two SMPL-X people as a pair. Betas beyond 10 are cut, missing ones are zero.

    Args:
      params: leaves (..., 2, …).
    """
    batch = params.transl.shape[:-1]
    given = min(params.betas.shape[-1], NUM_BETAS)
    betas = jnp.zeros((*batch, NUM_BETAS), params.betas.dtype).at[..., :given].set(params.betas[..., :given])
    pose = rotation_to_6d(axis_angle_to_matrix(params.body_pose))
    return Pair(
        orient=rotation_to_6d(axis_angle_to_matrix(params.global_orient)),
        pose=jnp.reshape(pose, (*batch, SIZES["pose"])),
        shape=jnp.concatenate([betas, params.kid_scale[..., None]], axis=-1),
        transl=params.transl,
    )


def to_params(pair: Pair, like: BodyParams) -> BodyParams:
    """A pair as SMPL-X people; hands, face and betas beyond 10 are those of `like`."""
    batch = pair.transl.shape[:-1]
    blocks = jnp.reshape(pair.pose, (*batch, NUM_BODY_JOINTS, 6))
    held = min(like.betas.shape[-1], NUM_BETAS)
    return dataclasses.replace(
        like,
        global_orient=matrix_to_axis_angle(rotation_from_6d(pair.orient)),
        body_pose=matrix_to_axis_angle(rotation_from_6d(blocks)),
        betas=like.betas.at[..., :held].set(pair.shape[..., :held]),
        kid_scale=pair.shape[..., NUM_BETAS],
        transl=pair.transl,
    )
