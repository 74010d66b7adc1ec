"""How far each joint may turn: ranges about anatomical axes, and by how much a pose exceeds them.

A joint's rotation is split into a twist about its bone and a swing of the bone; the swing's rotation vector has
two components, about the axes across the bone. The bone axes are those of the T-pose: y for the trunk and the
legs, x for the arms, z for the feet, so a range about x of a knee is its flexion.

The ranges are the normal ranges of motion that goniometry handbooks give (hip flexion 120°, knee flexion 135°,
shoulder flexion and abduction 180° shared with the collar, elbow flexion 150°, forearm pronation and supination
80° each, wrist flexion 80° and extension 70°, neck rotation 80°, trunk rotation 45°, ankle plantar flexion 50°),
widened because SMPL-X shares motion between joints differently from the anatomy, and for yoga: what the trunk
has in all is spread over three joints, a forearm's twist over elbow and wrist, a deep fold over hip and back.
A twist is measured against the shortest way of the bone to where it points: in a cross-legged seat the thigh's is
90° from a shin that hangs down, and up to 155° with the soles together, which abduction and rotation share.
SMPL-X bones don't lie on the axes exactly and a deeply bent knee takes part of the hip's rotation: kneeling on the
heels (the packaged child's pose) shows up to 70° about the axes across the knee's own, which is allowed.
"""

from __future__ import annotations

import numpy as np

# Degrees: about x, y and z, low and high, for the left or middle joint; right joints mirror y and z.
# The bone axis of each is given first; the range about it is that of the twist.
_RANGES: dict[str, tuple[str, tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "hip": ("y", (-160, 45), (-70, 155), (-60, 105)),  # x: flexion negative; y: outward; z: abduction
    "knee": ("y", (-8, 165), (-60, 60), (-72, 72)),
    "ankle": ("z", (-50, 65), (-45, 45), (-50, 50)),
    "foot": ("z", (-40, 40), (-20, 20), (-20, 20)),
    "spine": ("y", (-20, 45), (-30, 30), (-30, 30)),
    "neck": ("y", (-40, 45), (-60, 60), (-40, 40)),
    "collar": ("x", (-35, 35), (-40, 40), (-40, 40)),
    "shoulder": ("x", (-135, 135), (-150, 75), (-110, 120)),  # y: forward negative; z: down negative
    "elbow": ("x", (-100, 100), (-165, 10), (-40, 40)),  # y: flexion negative
    "wrist": ("x", (-100, 100), (-60, 60), (-95, 95)),
}
# SMPL-X body joints 1-21.
_JOINTS = (
    ("hip", 1), ("hip", -1), ("spine", 1), ("knee", 1), ("knee", -1), ("spine", 1), ("ankle", 1), ("ankle", -1),
    ("spine", 1), ("foot", 1), ("foot", -1), ("neck", 1), ("collar", 1), ("collar", -1), ("neck", 1),
    ("shoulder", 1), ("shoulder", -1), ("elbow", 1), ("elbow", -1), ("wrist", 1), ("wrist", -1),
)  # fmt: skip
_AXIS = np.array(["xyz".index(_RANGES[name][0]) for name, _ in _JOINTS])


def _ranges() -> np.ndarray:
    """(21, 3, 2) radians."""
    rows = []
    for name, side in _JOINTS:
        x, y, z = _RANGES[name][1:]
        mirrored = (y, z) if side > 0 else ((-y[1], -y[0]), (-z[1], -z[0]))
        rows.append([x, *mirrored])
    return np.radians(np.array(rows, np.float64))


JOINT_RANGES = _ranges()
"""(21, 3, 2) lowest and highest rotation of body joints 1-21 about x, y and z, radians."""


def swing_twist(pose: np.ndarray) -> np.ndarray:
    """Axis-angle pose (..., 21, 3) as angles about x, y, z (..., 21, 3): a swing's rotation vector and a twist.

    The rotation is swing after twist; the component about the joint's bone axis is the twist angle.
    """
    pose = np.asarray(pose, np.float64)
    angle = np.linalg.norm(pose, axis=-1, keepdims=True)
    vector = pose * np.sinc(angle / (2 * np.pi)) / 2  # sin(angle / 2) times the axis
    scalar = np.cos(angle / 2)[..., 0]
    axis = np.broadcast_to(np.eye(3)[_AXIS], pose.shape)
    along = np.sum(vector * axis, axis=-1)
    twist = 2 * np.arctan2(along, scalar)
    twist = (twist + np.pi) % (2 * np.pi) - np.pi
    # swing = rotation * inverse twist, as quaternions
    c, s = np.cos(twist / 2), -np.sin(twist / 2)
    swing_scalar = scalar * c - along * s
    swing_vector = c[..., None] * vector + (scalar * s)[..., None] * axis + s[..., None] * np.cross(vector, axis)
    sign = np.where(swing_scalar < 0, -1.0, 1.0)
    size = np.linalg.norm(swing_vector, axis=-1)
    turn = 2 * np.arctan2(size, np.abs(swing_scalar))
    factor = sign * np.where(size > 1e-12, turn / np.maximum(size, 1e-12), 2.0)
    return swing_vector * factor[..., None] + twist[..., None] * axis


def limit_excesses(pose: np.ndarray) -> np.ndarray:
    """By how much each joint of a body pose (..., 21, 3) is outside its range, radians; 0 within."""
    turned = swing_twist(pose)
    low, high = JOINT_RANGES[..., 0], JOINT_RANGES[..., 1]
    return np.maximum(np.maximum(low - turned, turned - high), 0.0).max(axis=-1)
