"""Distance between projected and detected keypoints (docs/method.md, "Other terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

# Side of the normalised person box in which squared distances are measured, px.
NORMALISED_SIZE_PX = 512.0


def keypoint_scale(keypoints: np.ndarray) -> np.ndarray:
    """Factor per person that brings the keypoints' bounding box (larger side) to 512 px.

    Args:
      keypoints: (P, 25, 3) x, y, confidence; confidence 0 is missing.

    Returns:
      (P,) scales; 0 for a person without two distinct visible keypoints.
    """
    scales = []
    for person in np.asarray(keypoints, np.float64):
        seen = person[person[:, 2] > 0, :2]
        size = float(np.max(np.ptp(seen, axis=0))) if len(seen) else 0.0
        scales.append(NORMALISED_SIZE_PX / size if size > 0 else 0.0)
    return np.array(scales, np.float32)


def keypoint_loss(
    projected_px: jax.Array,
    detected_px: jax.Array,
    confidence: jax.Array,
    scale: jax.Array,
    robust_px: float = 0.0,
) -> jax.Array:
    """Confidence-weighted squared distance in the 512-px person box, summed over keypoints and people.

    With `robust_px` = c > 0 a squared distance r² counts as c² r² / (c² + r²) (Geman and McClure): like r² for
    small errors, never more than c² for a keypoint that lies somewhere else altogether.

    Args:
      projected_px: (P, 25, 2).
      detected_px: (P, 25, 2).
      confidence: (P, 25), 0 leaves a keypoint out.
      scale: (P,) from `keypoint_scale`.
      robust_px: c in pixels of the 512-px box; 0: plain squares, as published.
    """
    difference = (projected_px - detected_px) * scale[:, None, None]
    squared = jnp.sum(difference * difference, axis=-1)
    if robust_px > 0:
        squared = squared / (1.0 + squared / robust_px**2)
    return jnp.sum(confidence * squared)
