"""The pinhole camera: x right, y down, z forward, origin at the camera centre."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

# Points nearer than this are projected as if at this depth: finite values and gradients behind the camera.
MIN_DEPTH_M = 0.05
FIELD_OF_VIEW_DEG = 60.0


def project(points_cam: jax.Array, focal_px: jax.Array, principal_px: jax.Array) -> jax.Array:
    """Image positions (..., 2) in pixels of camera-frame points (..., 3) in metres.

    Args:
      points_cam: (..., 3) points, m.
      focal_px: (2,) focal lengths.
      principal_px: (2,) principal point.
    """
    depth = jnp.maximum(points_cam[..., 2:], MIN_DEPTH_M)
    ratio = points_cam[..., :2] / depth
    shape = (1,) * (ratio.ndim - 1) + (2,)
    return ratio * focal_px.reshape(shape) + principal_px.reshape(shape)


def focal_from_image_size(width_px: float, height_px: float, field_of_view_deg: float = FIELD_OF_VIEW_DEG) -> float:
    """Focal length in pixels of a camera that sees `field_of_view_deg` across the longer image side."""
    return max(width_px, height_px) / 2.0 / math.tan(math.radians(field_of_view_deg / 2.0))
