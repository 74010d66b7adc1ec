"""Errors of joints and vertices (docs/method.md, "Metrics"): pure functions, batched over any leading axes, in mm."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from prosepose_jax.metrics.alignment import align, align_scale_translation, align_translation
from prosepose_jax.metrics.joint_sets import LSP_JOINTS, evaluation_joints, load_joint_regressor
from prosepose_jax.metrics.precision import in_double

__all__ = [
    "LSP_JOINTS", "PELVIS", "absolute_mpjpe_mm", "acceleration_error_mm", "acceleration_mm", "accelerations",
    "evaluation_joints", "joint_pa_mpjpe_mm", "joint_pa_mpjpe_swapped_mm", "load_joint_regressor", "mpjpe_mm",
    "pa_mpjpe_mm", "pelvis_vector_mm", "pve_mm", "scale_translation_mpjpe_mm", "translation_mpjpe_mm",
]  # fmt: skip

PELVIS = 0
"""The root of `mpjpe_mm` in the body's own joints."""

_MM = 1000.0


@in_double()
def mpjpe_mm(joints: jax.Array, truth: jax.Array, pelvis: jax.Array, true_pelvis: jax.Array) -> jax.Array:
    """Mean joint error after moving every person's pelvis onto the true one, mm.

    The root is the pelvis of the skeleton whatever joints are compared. (The method's release calls something else by
    this name: it moves joint 0 of the 14, the right ankle.)

    Args:
      joints: (..., P, n, 3) m.
      truth: (..., P, n, 3) m.
      pelvis: (..., P, 3) m.
      true_pelvis: (..., P, 3) m.

    Returns:
      (...).
    """
    return _mean_mm(joints + (true_pelvis - pelvis)[..., None, :], truth)


@in_double()
def absolute_mpjpe_mm(joints: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean joint error as the people stand in the camera frame, nothing aligned, mm; (..., P, n, 3) both."""
    return _mean_mm(joints, truth)


@in_double()
def translation_mpjpe_mm(joints: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean joint error after the best shift of every person, mm; (..., P, n, 3) both."""
    return _mean_mm(align_translation(joints, truth), truth)


@in_double()
def scale_translation_mpjpe_mm(joints: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean joint error after the best shift and scale of every person, not turned, mm; (..., P, n, 3) both."""
    return _mean_mm(align_scale_translation(joints, truth), truth)


@in_double()
def pa_mpjpe_mm(joints: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean joint error after aligning every person by a similarity of their own, mm; (..., P, n, 3) both.

    Vertices are points like joints: the same function gives PA-PVE.
    """
    return _mean_mm(align(joints, truth), truth)


@in_double()
def joint_pa_mpjpe_mm(joints: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean joint error after aligning all P people together by one similarity, mm; (..., P, n, 3) both.

    Sees how the people stand to each other, which `pa_mpjpe_mm` does not.
    """
    joints, truth = (points.reshape(*points.shape[:-3], -1, 3) for points in (joints, truth))
    return _mean(align(joints, truth), truth)


@in_double()
def joint_pa_mpjpe_swapped_mm(joints: jax.Array, truth: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`joint_pa_mpjpe_mm` with the people as they are, or exchanged where that is nearer to the truth.

    The published figures of Hi4D and CHI3D are taken this way: a regressor doesn't know who is person 0.

    Args:
      joints: (..., 2, n, 3) m.
      truth: (..., 2, n, 3) m.

    Returns:
      The smaller error (...) and whether it is that of the exchange.
    """
    kept, exchanged = joint_pa_mpjpe_mm(joints, truth), joint_pa_mpjpe_mm(joints, truth[..., ::-1, :, :])
    return jnp.minimum(kept, exchanged), exchanged < kept


@in_double()
def pelvis_vector_mm(pelvis: jax.Array, true_pelvis: jax.Array) -> jax.Array:
    """How far off the vector from the first person's pelvis to the second's is, mm; (..., 2, 3) m both.

    Camera frame, not aligned: how people stand to each other, in size and in direction.
    """
    vectors = [x[..., 1, :] - x[..., 0, :] for x in (pelvis, true_pelvis)]
    return _lengths(vectors[0] - vectors[1]) * _MM


@in_double()
def pve_mm(vertices: jax.Array, truth: jax.Array, pelvis: jax.Array, true_pelvis: jax.Array) -> jax.Array:
    """Mean vertex error after moving every person's pelvis onto the true one, mm; vertices (..., P, V, 3)."""
    return mpjpe_mm(vertices, truth, pelvis, true_pelvis)


@in_double()
def accelerations(positions: jax.Array) -> jax.Array:
    """Second differences over time of positions (T, ..., 3): (T - 2, ..., 3), in metres a frame²."""
    return positions[2:] - 2.0 * positions[1:-1] + positions[:-2]


@in_double()
def acceleration_error_mm(joints: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean difference between the joints' accelerations and the true ones, mm a frame², (Kanazawa et al. 2019).

    Times the frame rate squared it is in mm/s². A constant error of the pose has none, jitter has.

    Args:
      joints: (T, ..., n, 3) m, T ≥ 3 frames at equal intervals.
      truth: the same.
    """
    if joints.shape[0] < 3:
        raise ValueError(f"an acceleration needs three frames, found {joints.shape[0]}")
    return jnp.mean(_lengths(accelerations(joints) - accelerations(truth))) * _MM


@in_double()
def acceleration_mm(joints: jax.Array) -> jax.Array:
    """Mean length of the joints' accelerations (T, ..., n, 3), mm a frame²: how much a sequence shakes."""
    if joints.shape[0] < 3:
        raise ValueError(f"an acceleration needs three frames, found {joints.shape[0]}")
    return jnp.mean(_lengths(accelerations(joints))) * _MM


def _lengths(vectors: jax.Array) -> jax.Array:
    squared = jnp.sum(vectors * vectors, axis=-1)
    zero = squared <= 0.0  # the root's slope at 0 is infinite
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, squared)))


def _mean_mm(a: jax.Array, b: jax.Array) -> jax.Array:
    """Over points and people."""
    return jnp.mean(_lengths(a - b), axis=(-1, -2)) * _MM


def _mean(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.mean(_lengths(a - b), axis=-1) * _MM
