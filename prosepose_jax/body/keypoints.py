"""OpenPose BODY_25 keypoints of a posed body (docs/method.md, "Body model").

Fourteen are joints of the kinematic tree, eleven are vertices of the face and feet.
"""

from __future__ import annotations

import enum

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import BodyModel, PosedBody

KEYPOINT_VERTEX_NAMES = (
    "nose", "right_eye", "left_eye", "right_ear", "left_ear",
    "left_big_toe", "left_small_toe", "left_heel",
    "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip

# SMPL-X's published vertices for the keypoints above (10,475-vertex mesh), order of KEYPOINT_VERTEX_NAMES.
SMPLX_KEYPOINT_VERTICES = (9120, 9929, 9448, 616, 6, 5770, 5780, 8846, 8463, 8474, 8635)
# The same on the mesh that SMPL and SMPL-H share (6,890 vertices).
SMPL_KEYPOINT_VERTICES = (332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787)


class Body25(enum.IntEnum):
    """Keypoints of OpenPose's BODY_25."""

    NOSE = 0
    NECK = 1
    RIGHT_SHOULDER = 2
    RIGHT_ELBOW = 3
    RIGHT_WRIST = 4
    LEFT_SHOULDER = 5
    LEFT_ELBOW = 6
    LEFT_WRIST = 7
    MID_HIP = 8
    RIGHT_HIP = 9
    RIGHT_KNEE = 10
    RIGHT_ANKLE = 11
    LEFT_HIP = 12
    LEFT_KNEE = 13
    LEFT_ANKLE = 14
    RIGHT_EYE = 15
    LEFT_EYE = 16
    RIGHT_EAR = 17
    LEFT_EAR = 18
    LEFT_BIG_TOE = 19
    LEFT_SMALL_TOE = 20
    LEFT_HEEL = 21
    RIGHT_BIG_TOE = 22
    RIGHT_SMALL_TOE = 23
    RIGHT_HEEL = 24


# For each BODY_25 keypoint: a joint of the tree (>= 0) or -1 - index into KEYPOINT_VERTEX_NAMES.
BODY25_SOURCE = np.array(
    [-1, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11], dtype=np.int32
)


def keypoints_from_parts(joints: jax.Array, keypoint_vertices: jax.Array) -> jax.Array:
    """BODY_25 keypoints (..., 25, 3) from joints (..., J, 3) and the eleven vertices (..., 11, 3)."""
    from_joint = BODY25_SOURCE >= 0
    ids = np.where(from_joint, BODY25_SOURCE, 22 - 1 - BODY25_SOURCE)
    return jnp.concatenate([joints[..., :22, :], keypoint_vertices], axis=-2)[..., ids, :]


def keypoints(body: BodyModel, posed: PosedBody) -> jax.Array:
    """BODY_25 keypoints (P, 25, 3) in the camera frame, from a fully posed body."""
    return keypoints_from_parts(posed.joints, posed.vertices[..., body.keypoint_vertices, :])
