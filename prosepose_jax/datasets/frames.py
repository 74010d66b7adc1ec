"""Rigid changes of frame of SMPL-X parameters, done once, when a dataset is read."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from prosepose_jax.body.kinematics import rest_joints
from prosepose_jax.body.model import BodyModel

# "unit" frame of BUDDI's processed Hi4D: the world turned half a turn about x. Its own inverse.
HI4D_UNIT = np.diag([1.0, -1.0, -1.0])


def axis_angle(matrices: np.ndarray) -> np.ndarray:
    """(..., 3) rotation vectors of matrices (..., 3, 3); double precision: people are near half a turn."""
    flat = np.asarray(matrices, np.float64).reshape(-1, 3, 3)
    return Rotation.from_matrix(flat).as_rotvec().reshape(*np.shape(matrices)[:-2], 3).astype(np.float32)


def matrices(vectors: np.ndarray) -> np.ndarray:
    """(..., 3, 3) matrices of rotation vectors (..., 3)."""
    flat = np.asarray(vectors, np.float64).reshape(-1, 3)
    return Rotation.from_rotvec(flat).as_matrix().reshape(*np.shape(vectors), 3)


def rest_pelvis(body: BodyModel, betas: np.ndarray, kid_scale: np.ndarray | None = None) -> np.ndarray:
    """(P, 3) where the pelvis of each shaped body is at rest."""
    kid = jnp.zeros(len(betas)) if kid_scale is None else jnp.asarray(kid_scale, jnp.float32)
    rest = jax.vmap(lambda b, k: rest_joints(body, b, kid_scale=k)[0])(jnp.asarray(betas, jnp.float32), kid)
    return np.asarray(rest, np.float64)


def moved(
    rotation: np.ndarray, translation: np.ndarray, global_orient: np.ndarray, transl: np.ndarray, pelvis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Global orientation and translation of people after x ↦ rotation · x + translation.

    A body turns about its pelvis, which `transl` doesn't include: turning `transl` alone would put it elsewhere.

    Args:
      rotation: (3, 3).
      translation: (3,) m.
      global_orient: (P, 3).
      transl: (P, 3).
      pelvis: (P, 3) rest pelvis of each person.
    """
    turned = axis_angle(np.asarray(rotation) @ matrices(global_orient))
    place = (pelvis + transl) @ np.asarray(rotation, np.float64).T + translation - pelvis
    return turned, place.astype(np.float32)
