"""Plain numpy posing of a template, for measurements and pictures that must not depend on the package."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from builder.skeleton import JOINT, PARENTS
from builder.tpose import skin


def pose_of(**degrees: tuple[float, float, float]) -> np.ndarray:
    """(55, 3) axis-angle pose from rotation vectors in degrees by joint name."""
    pose = np.zeros((55, 3))
    for name, vector in degrees.items():
        pose[JOINT[name]] = np.radians(vector)
    return pose


# Everything bent the way everyday poses bend it.
BENT_POSE = pose_of(
    left_shoulder=(0, -40, -50), right_shoulder=(0, 40, 50), left_elbow=(0, -95, 0), right_elbow=(0, 95, 0),
    left_hip=(-80, 0, 8), right_hip=(-80, 0, -8), left_knee=(95, 0, 0), right_knee=(95, 0, 0),
    left_ankle=(-15, 0, 0), right_ankle=(-15, 0, 0), spine1=(15, 0, 0), spine2=(15, 0, 0), head=(10, 0, 0),
)  # fmt: skip


def pose_vertices(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Posed vertices (V, 3) of a template without pose blend shapes; pose is (55, 3) axis-angle."""
    rotations = Rotation.from_rotvec(pose).as_matrix()
    turned, posed = rotations.copy(), joints.copy()
    for j in range(1, len(PARENTS)):
        p = PARENTS[j]
        turned[j] = turned[p] @ rotations[j]
        posed[j] = posed[p] + turned[p] @ (joints[j] - joints[p])
    offsets = posed - np.einsum("jab,jb->ja", turned, joints)
    return skin(np.asarray(weights, np.float64), np.concatenate([turned, offsets[..., None]], axis=-1), vertices)
