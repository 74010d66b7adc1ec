"""The same body in other units of shape, for tests that nothing depends on them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import BodyModel


def turn(count: int, seed: int = 0) -> np.ndarray:
    """A random rotation (count, count)."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(count, count)))[0]


def in_other_units(dirs: np.ndarray, scale: float, rotation: np.ndarray) -> np.ndarray:
    """Shape directions (..., B) of which betas `scale * rotation @ b` move as much as b did."""
    return np.asarray(dirs, np.float64) @ rotation.T / scale


def body_in_other_units(body: BodyModel, scale: float, rotation: np.ndarray) -> BodyModel:
    """The body whose betas `scale * rotation @ b` make the shape that b made; rotation (B, B)."""
    changed = {n: jnp.asarray(in_other_units(getattr(body, n), scale, rotation), jnp.float32)
               for n in ("shape_dirs", "joint_shape_dirs")}  # fmt: skip
    return body.replace(**changed)
