"""Distance in the image between projected and detected keypoints (docs/method.md, "Metrics")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.camera.pinhole import MIN_DEPTH_M
from prosepose_jax.metrics.precision import in_double

CONFIDENT = 0.2
"""Keypoints below this confidence are not compared."""


@in_double()
def reprojection_errors_px(
    keypoints_cam: jax.Array, detected: jax.Array, focal: jax.Array, principal: jax.Array
) -> jax.Array:
    """Mean distance in pixels over all people's keypoints with confidence ≥ 0.2, as `camera.project` projects.

    Args:
      keypoints_cam: (..., P, 25, 3) BODY_25 points of the bodies, m, camera frame.
      detected: (..., P, 25, 3) x, y, confidence.
      focal: (..., 2) px.
      principal: (..., 2) px.

    Returns:
      (...), NaN where no keypoint is confident.
    """
    used = detected[..., 2] >= CONFIDENT
    depth = jnp.maximum(keypoints_cam[..., 2:], MIN_DEPTH_M)
    projected = keypoints_cam[..., :2] / depth * focal[..., None, None, :] + principal[..., None, None, :]
    offset = jnp.where(used[..., None], projected - detected[..., :2], 0.0)
    total = jnp.sum(jnp.sqrt(jnp.sum(offset * offset, axis=-1)), axis=(-1, -2))
    count = jnp.sum(used, axis=(-1, -2))
    return jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan)


def reprojection_px(
    keypoints_cam: np.ndarray, detected: np.ndarray, focal: np.ndarray, principal: np.ndarray
) -> float | None:
    """`reprojection_errors_px` of one scene, None when no keypoint is confident."""
    found = float(reprojection_errors_px(keypoints_cam, detected, focal, principal))
    return None if np.isnan(found) else found
