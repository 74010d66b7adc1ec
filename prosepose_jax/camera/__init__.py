"""Pinhole projection and frame conventions (docs/method.md, "Frames and camera")."""

from prosepose_jax.camera.pinhole import focal_from_image_size, project

__all__ = ["focal_from_image_size", "project"]
