"""SMPL-X format body models: files, posing, keypoints and regions."""

from __future__ import annotations

from prosepose_jax.body._cache import cache_dir
from prosepose_jax.body._unpickle import safe_load
from prosepose_jax.body.assets import load_body
from prosepose_jax.body.hands import hands_from_pca
from prosepose_jax.body.keypoints import (
    BODY25_SOURCE,
    KEYPOINT_VERTEX_NAMES,
    Body25,
    keypoints,
    keypoints_from_parts,
)
from prosepose_jax.body.kinematics import full_pose, joint_frames, pose_joints, rest_joints
from prosepose_jax.body.lowres import derive_lowres
from prosepose_jax.body.model import NUM_REGIONS, BodyModel, BodyParams, LowResolution, PosedBody, Regions
from prosepose_jax.body.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from prosepose_jax.body.skinning import pose_body, pose_person, rest_vertices, skin

__all__ = [
    "BODY25_SOURCE",
    "KEYPOINT_VERTEX_NAMES",
    "NUM_REGIONS",
    "Body25",
    "BodyModel",
    "BodyParams",
    "LowResolution",
    "PosedBody",
    "Regions",
    "axis_angle_to_matrix",
    "cache_dir",
    "derive_lowres",
    "full_pose",
    "hands_from_pca",
    "joint_frames",
    "keypoints",
    "keypoints_from_parts",
    "load_body",
    "matrix_to_axis_angle",
    "pose_body",
    "pose_joints",
    "pose_person",
    "rest_joints",
    "rest_vertices",
    "safe_load",
    "skin",
]
