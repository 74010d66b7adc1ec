"""Brings a bind-pose shape of the source model into SMPL-X's T-pose with straight fingers."""

from __future__ import annotations

import numpy as np

from builder.skeleton import JOINT, PARENTS
from builder.source import BindShape

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
# How much of the bind pose's spread between the fingers is kept.
_FAN = 0.45


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The least rotation that turns direction a into direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return _from_axis(np.cross(a, b), float(a @ b))


def _from_axis(v: np.ndarray, cosine: float) -> np.ndarray:
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + cosine)


def rotation_about_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _angle_about_x(a: np.ndarray, b: np.ndarray) -> float:
    """Angle about x that turns the (y, z) part of a into that of b."""
    return float(np.arctan2(a[1] * b[2] - a[2] * b[1], a[1] * b[1] + a[2] * b[2]))


def straighten(shape: BindShape) -> np.ndarray:
    """Global rotation (55, 3, 3) of every joint's part that brings the shape into T-pose.

    The arm lies along x with the elbow's hinge upright, so that SMPL's elbow bends forward about y; the
    palm looks down; index to little finger are straight along the hand, the thumb straight along its first bone.
    """
    joints, tips = shape.joints, shape.finger_tips
    rotations = np.tile(np.eye(3), (55, 1, 1))
    forward = np.array([0.0, 0.0, 1.0])
    for s, (side, x) in enumerate((("left", 1.0), ("right", -1.0))):
        out = np.array([x, 0.0, 0.0])
        at = {n: JOINT[f"{side}_{n}"] for n in ("shoulder", "elbow", "wrist", "middle1", "index1", "pinky1")}
        upper = joints[at["elbow"]] - joints[at["shoulder"]]
        lower = joints[at["wrist"]] - joints[at["elbow"]]
        hand = joints[at["middle1"]] - joints[at["wrist"]]
        r_shoulder = rotation_between(upper, out)
        # Roll the upper arm so that the elbow's bend goes forward (under 4 degrees: no twist bones needed).
        r_shoulder = rotation_about_x(_angle_about_x(r_shoulder @ lower, forward)) @ r_shoulder
        r_elbow = rotation_between(r_shoulder @ lower, out) @ r_shoulder
        r_wrist = rotation_between(r_elbow @ hand, out) @ r_elbow
        # Roll the hand so that the line of the knuckles is level.
        roll = _angle_about_x(r_wrist @ (joints[at["index1"]] - joints[at["pinky1"]]), forward)
        r_wrist = rotation_about_x(roll) @ r_wrist
        rotations[at["shoulder"]], rotations[at["elbow"]], rotations[at["wrist"]] = r_shoulder, r_elbow, r_wrist
        for f, finger in enumerate(_FINGERS):
            chain = [JOINT[f"{side}_{finger}{k}"] for k in (1, 2, 3)]
            points = np.concatenate([joints[chain], tips[5 * s + f][None]])
            if finger == "thumb":
                along = r_wrist @ (points[1] - points[0])
            else:
                along = r_wrist @ (points[3] - points[0])
                along = along / np.linalg.norm(along)
                along = np.array([x, 0.0, _FAN * along[2] / max(abs(along[0]), 0.5)])
            for k, joint in enumerate(chain):
                rotations[joint] = rotation_between(r_wrist @ (points[k + 1] - points[k]), along) @ r_wrist
    return rotations


def to_t_pose(shape: BindShape, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V, 3), joints (55, 3) and finger tips (10, 3) in T-pose, pelvis at the origin."""
    rotations = straighten(shape)
    joints = shape.joints
    posed = joints.copy()
    for j in range(1, 55):
        p = PARENTS[j]
        posed[j] = posed[p] + rotations[p] @ (joints[j] - joints[p])
    transforms = np.concatenate([rotations, (posed - np.einsum("jab,jb->ja", rotations, joints))[..., None]], axis=-1)
    last = [JOINT[f"{side}_{finger}3"] for side in ("left", "right") for finger in _FINGERS]
    tips = np.einsum("tab,tb->ta", transforms[last, :, :3], shape.finger_tips) + transforms[last, :, 3]
    vertices = skin(weights, transforms, shape.vertices)
    return vertices - posed[0], posed - posed[0], tips - posed[0]


def skin(weights: np.ndarray, transforms: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Linear blend skinning: (V, J) weights, (J, 3, 4) transforms, (V, 3) vertices."""
    blended = (weights @ transforms.reshape(len(transforms), 12)).reshape(-1, 3, 4)
    return np.einsum("vab,vb->va", blended[..., :3], vertices) + blended[..., 3]


def finger_straightness(joints: np.ndarray, tips: np.ndarray) -> float:
    """Largest angle, degrees, between neighbouring segments of any finger in rest pose."""
    worst = 0.0
    for s, side in enumerate(("left", "right")):
        for f, finger in enumerate(_FINGERS):
            points = np.concatenate([joints[[JOINT[f"{side}_{finger}{k}"] for k in (1, 2, 3)]], tips[5 * s + f][None]])
            d = np.diff(points, axis=0)
            d /= np.linalg.norm(d, axis=-1, keepdims=True)
            worst = max(worst, float(np.degrees(np.arccos(np.clip((d[1:] * d[:-1]).sum(-1), -1, 1))).max()))
    return worst
