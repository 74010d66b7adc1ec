"""The joints on which poses are compared: 14 LSP joints, from a regressor of the user's or from the body's skeleton.

The two differ by centimetres, so every table says which it used and figures on different ones are never put into one
table or difference.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np

from prosepose_jax.body._unpickle import safe_load
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import read_members, read_npy

LSP_JOINTS: tuple[int, ...] = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
"""The SMPL-X joints that stand for the 14 LSP joints: ankle, knee, hip (right, left), wrist, elbow, shoulder
(right, left), neck, head."""

# Rows of the 17-joint Human3.6M regressor in LSP order.
_H36M_TO_LSP = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)
_SMPL_VERTICES = 6890


@dataclasses.dataclass(frozen=True)
class JointSet:
    """Where the 14 joints come from.

    Attributes:
      name: as tables and metrics.json give it; two regressors never share one.
      regressor: (14, V) rows in LSP order; None: the SMPL-X joints `LSP_JOINTS`.
    """

    name: str
    regressor: np.ndarray | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def of(cls, regressor: np.ndarray | JointSet | None, kind: str = "J14 regressor") -> JointSet:
        """The set of a regressor (14, V); None stands for the body's own joints."""
        if regressor is None:
            return SMPLX_JOINTS
        if isinstance(regressor, JointSet):
            return regressor
        array = np.ascontiguousarray(regressor, dtype=np.float64)
        return cls(f"{kind} {hashlib.sha256(array.tobytes()).hexdigest()[:8]}", array)

    def joints(self, joints: np.ndarray, vertices: np.ndarray | None = None) -> np.ndarray:
        """The 14 joints (..., 14, 3) of bodies with joints (..., J, 3) and vertices (..., V, 3), float64."""
        if self.regressor is None:
            return np.asarray(joints, dtype=np.float64)[..., list(LSP_JOINTS), :]
        if vertices is None:
            raise ValueError(f"{self.name}: the joints of a regressor need vertices")
        return np.einsum("jv,...vc->...jc", self.regressor, np.asarray(vertices, dtype=np.float64))


SMPLX_JOINTS = JointSet("SMPL-X joints")


def load_joint_set(path: str | os.PathLike[str], num_vertices: int) -> JointSet:
    """A J14 or H36M joint regressor from the user's file.

    Args:
      path: `.npy`, `.npz` with one array (or one named J_regressor), or `.pkl` of one array (nothing in it is
        executed), of shape (14, V) or (17, V).
      num_vertices: V of the body in use.

    Raises:
      InputError: the file can't be read or does not fit the body.
    """
    path = Path(path)
    loaded = _array(path)
    if loaded.shape not in ((14, num_vertices), (17, num_vertices)):
        hint = ""
        if loaded.shape[-1:] == (_SMPL_VERTICES,):
            hint = f"; this one is for SMPL's {_SMPL_VERTICES} vertices and means nothing on another mesh"
        raise InputError(
            f"{path}: expected a joint regressor of shape (14, {num_vertices}) or (17, {num_vertices}), "
            f"found {loaded.shape}{hint}"
        )
    if loaded.dtype.kind not in "fiu" or not np.isfinite(loaded).all():
        raise InputError(f"{path}: expected a joint regressor of finite numbers, found others")
    if len(loaded) == 17:
        return JointSet.of(loaded[list(_H36M_TO_LSP)], "H36M regressor")
    return JointSet.of(loaded)


def load_joint_regressor(path: str | os.PathLike[str], num_vertices: int) -> np.ndarray:
    """The regressor of `load_joint_set` as (14, V) rows in LSP order."""
    regressor = load_joint_set(path, num_vertices).regressor
    assert regressor is not None
    return regressor


def evaluation_joints(joints: np.ndarray, vertices: np.ndarray | None = None, regressor: np.ndarray | None = None):
    """The 14 joints on which poses are compared, (P, 14, 3), float64.

    Args:
      joints: (P, J, 3) SMPL-X joints.
      vertices: (P, V, 3), read only with a regressor.
      regressor: (14, V) rows in LSP order; None: the SMPL-X joints `LSP_JOINTS`.
    """
    return JointSet.of(regressor).joints(joints, vertices)


def _array(path: Path) -> np.ndarray:
    if path.suffix.lower() in (".pkl", ".pickle"):
        found = safe_load(path)
        if not isinstance(found, np.ndarray):
            raise InputError(f"{path}: expected a pickle of one array, found {type(found).__name__}")
        return found
    try:
        if path.suffix.lower() == ".npz":
            arrays = read_members(path)
            return arrays.get("J_regressor", next(iter(arrays.values()), np.zeros(0)))
        return read_npy(path)
    except InputError as error:
        raise InputError(f"{path}: expected a joint regressor as .npy, .npz or .pkl; {error}") from error
