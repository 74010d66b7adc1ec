"""Distance in the image between projected and detected keypoints (docs/method.md, "Metrics")."""

from __future__ import annotations

import numpy as np

from prosepose_jax.camera.pinhole import MIN_DEPTH_M

CONFIDENT = 0.2
"""Keypoints below this confidence are not compared."""


def reprojection_px(
    keypoints_cam: np.ndarray, detected: np.ndarray, focal: np.ndarray, principal: np.ndarray
) -> float | None:
    """Mean distance in pixels over all people's keypoints with confidence ≥ 0.2, as `camera.project` projects.

    Args:
      keypoints_cam: (P, 25, 3) BODY_25 points of the bodies, m, camera frame.
      detected: (P, 25, 3) x, y, confidence.
      focal: (2,) px.
      principal: (2,) px.

    Returns:
      The mean, None when no keypoint is confident.
    """
    points, detected = np.asarray(keypoints_cam, np.float64), np.asarray(detected, np.float64)
    used = detected[..., 2] >= CONFIDENT
    if not used.any():
        return None
    points, targets = points[used], detected[used][:, :2]
    depth = np.maximum(points[:, 2:], MIN_DEPTH_M)
    projected = points[:, :2] / depth * np.asarray(focal, np.float64) + np.asarray(principal, np.float64)
    return float(np.mean(np.linalg.norm(projected - targets, axis=1)))
