"""Keypoint files of the common detectors: one table of layouts, one reader a family of files (docs/keypoints.md)."""

from prosepose_jax.importing.detections import Detections
from prosepose_jax.importing.keypoints.layouts import LAYOUTS, Layout
from prosepose_jax.importing.keypoints.merged import read_merged
from prosepose_jax.importing.keypoints.read import read_keypoints

__all__ = ["LAYOUTS", "Detections", "Layout", "read_keypoints", "read_merged"]
