"""Similarity alignment of point sets (orthogonal Procrustes; docs/method.md, "Metrics")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Similarity(NamedTuple):
    """x ↦ scale · R x + translation, on any leading batch shape."""

    scale: np.ndarray  # (...,)
    rotation: np.ndarray  # (..., 3, 3), determinant +1
    translation: np.ndarray  # (..., 3)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Moved points (..., n, 3)."""
        turned = points @ np.swapaxes(self.rotation, -1, -2)
        return self.scale[..., None, None] * turned + self.translation[..., None, :]


def fit_similarity(source: np.ndarray, target: np.ndarray) -> Similarity:
    """The similarity that moves `source` onto `target` with the least sum of squared distances.

    Never a reflection: where a mirrored body would fit better, the best proper rotation is returned.
    Points that all coincide keep scale 1.

    Args:
      source: (..., n, 3).
      target: (..., n, 3), the same leading shape.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    source_mean, target_mean = source.mean(axis=-2, keepdims=True), target.mean(axis=-2, keepdims=True)
    centred, wanted = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(np.swapaxes(wanted, -1, -2) @ centred)
    signs = np.ones_like(singular)
    signs[..., 2] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0.0, -1.0, 1.0)
    rotation = (u * signs[..., None, :]) @ vt
    spread = np.sum(centred * centred, axis=(-1, -2))
    flat = spread <= 0.0
    scale = np.where(flat, 1.0, np.sum(singular * signs, axis=-1) / np.where(flat, 1.0, spread))
    moved_mean = scale[..., None, None] * source_mean @ np.swapaxes(rotation, -1, -2)
    return Similarity(scale, rotation, (target_mean - moved_mean)[..., 0, :])


def align(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`source` (..., n, 3) moved onto `target` by the best similarity."""
    return fit_similarity(source, target)(np.asarray(source, dtype=np.float64))
