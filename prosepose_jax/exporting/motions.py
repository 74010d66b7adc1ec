"""SMPL-X parameters as motions of one frame: for SMPL-X's Blender add-on, and in the layout of AMASS."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from prosepose_jax.body import axis_angle_to_matrix, matrix_to_axis_angle
from prosepose_jax.errors import InputError
from prosepose_jax.exporting.people import TO_Y_UP, PosedPerson

Y_UP_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""A quarter turn about x, from the frame of exports to AMASS's."""


def smplx_arrays(person: PosedPerson) -> dict[str, Any]:
    """What SMPL-X's Blender add-on reads (its "SMPL-X" axes): y up."""
    return _arrays(person, TO_Y_UP)


def amass_arrays(person: PosedPerson) -> dict[str, Any]:
    """The same in AMASS's fields and axes: z up."""
    arrays = _arrays(person, Y_UP_TO_Z_UP @ TO_Y_UP)
    poses = arrays["poses"]
    return arrays | {
        "root_orient": poses[:, :3],
        "pose_body": poses[:, 3:66],
        "pose_jaw": poses[:, 66:69],
        "pose_eye": poses[:, 69:75],
        "pose_hand": poses[:, 75:],
        "num_betas": np.array(len(arrays["betas"])),
    }


def _arrays(person: PosedPerson, turn: np.ndarray) -> dict[str, Any]:
    if len(person.parents) != 55:
        raise InputError(f"SMPL-X motions have 55 joints, the body has {len(person.parents)}")
    pose = person.pose.copy()
    pose[0] = _axis_angle(turn @ np.asarray(axis_angle_to_matrix(pose[0]), np.float64))
    pelvis = person.joints_rest[0]  # SMPL-X turns about it
    transl = turn @ (pelvis + person.transl) - pelvis
    betas = np.zeros(max(10, len(person.betas)))
    betas[: len(person.betas)] = person.betas
    expression = np.zeros(10)
    expression[: len(person.expression)] = person.expression
    return {
        "poses": pose.reshape(1, -1).astype(np.float32),  # root, 21 of the body, jaw, eyes, hands (mean hand added)
        "trans": transl[None].astype(np.float32),
        "betas": betas.astype(np.float32),
        "expression": expression[None].astype(np.float32),
        "kid_scale": np.float32(person.kid_scale),
        "gender": np.array("neutral"),
        "mocap_frame_rate": np.array(30.0),
        "surface_model_type": np.array("smplx"),
    }


def _axis_angle(rotation: np.ndarray) -> np.ndarray:
    return np.asarray(matrix_to_axis_angle(jnp.asarray(rotation, jnp.float32)), np.float64)
