"""Joint errors: MPJPE, PA-MPJPE and joint PA-MPJPE (docs/method.md, "Metrics")."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.metrics.alignment import align
from prosepose_jax.untrusted import read_members, read_npy

LSP_JOINTS: tuple[int, ...] = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
"""The SMPL-X joints that stand for the 14 LSP joints: ankle, knee, hip (right, left), wrist, elbow, shoulder
(right, left), neck, head."""

PELVIS = 0

# Rows of the 17-joint Human3.6M regressor in LSP order.
_H36M_TO_LSP = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)
_MM = 1000.0


def evaluation_joints(joints: np.ndarray, vertices: np.ndarray | None = None, regressor: np.ndarray | None = None):
    """The 14 joints on which poses are compared, (P, 14, 3).

    Args:
      joints: (P, J, 3) SMPL-X joints.
      vertices: (P, V, 3), read only with a regressor.
      regressor: (14, V) rows in LSP order; None: the SMPL-X joints `LSP_JOINTS`.
    """
    if regressor is None:
        return np.asarray(joints, dtype=np.float64)[:, list(LSP_JOINTS)]
    return np.einsum("jv,pvc->pjc", regressor, np.asarray(vertices, dtype=np.float64))


def load_joint_regressor(path: str | os.PathLike[str], num_vertices: int) -> np.ndarray:
    """A J14 or H36M joint regressor as (14, V) rows in LSP order.

    Args:
      path: `.npy`, or `.npz` with one array (or one named J_regressor), of shape (14, V) or (17, V).
      num_vertices: V of the body in use.

    Raises:
      InputError: the file can't be read or does not fit the body.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".npz":
            arrays = read_members(path)
            loaded = arrays.get("J_regressor", next(iter(arrays.values()), np.zeros(0)))
        else:
            loaded = read_npy(path)
    except InputError as error:
        raise InputError(f"{path}: expected a joint regressor as .npy or .npz; {error}") from error
    if loaded.dtype.kind not in "fiu" or not np.isfinite(loaded).all():
        raise InputError(f"{path}: expected a joint regressor of finite numbers")
    if loaded.shape not in ((14, num_vertices), (17, num_vertices)):
        raise InputError(
            f"{path}: expected a joint regressor of shape (14, {num_vertices}) or (17, {num_vertices}), "
            f"found {loaded.shape}"
        )
    return np.asarray(loaded[list(_H36M_TO_LSP)] if len(loaded) == 17 else loaded, dtype=np.float64)


def mpjpe_mm(joints: np.ndarray, truth: np.ndarray, pelvis: np.ndarray, true_pelvis: np.ndarray) -> float:
    """Mean joint error after moving every person's pelvis onto the true one, mm.

    Args:
      joints: (P, n, 3) m.
      truth: (P, n, 3) m.
      pelvis: (P, 3) m.
      true_pelvis: (P, 3) m.
    """
    offset = (np.asarray(true_pelvis, np.float64) - np.asarray(pelvis, np.float64))[:, None]
    return _mean_distance_mm(np.asarray(joints, np.float64) + offset, truth)


def pa_mpjpe_mm(joints: np.ndarray, truth: np.ndarray) -> float:
    """Mean joint error after aligning every person by a similarity of their own, mm; (P, n, 3) both."""
    return _mean_distance_mm(align(joints, truth), truth)


def joint_pa_mpjpe_mm(joints: np.ndarray, truth: np.ndarray) -> float:
    """Mean joint error after aligning all people together by one similarity, mm; (P, n, 3) both.

    Sees how the people stand to each other, which `pa_mpjpe_mm` does not.
    """
    return _mean_distance_mm(align(np.reshape(joints, (-1, 3)), np.reshape(truth, (-1, 3))), np.reshape(truth, (-1, 3)))


def _mean_distance_mm(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean(np.linalg.norm(np.asarray(a, np.float64) - np.asarray(b, np.float64), axis=-1)) * _MM)
