"""A body's own axes, joints and limbs, from rest joints and skinning weights (inside of the regions; numpy only).

Everything is relative to the body: heights along its own up axis, lengths in units of its bones. So an
adult, a child, SMPL, SMPL-H and SMPL-X bodies are all read the same way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from prosepose_jax.body._mesh_labels import unit
from prosepose_jax.errors import InputError

PELVIS, NECK, HEAD, JAW = 0, 12, 15, 22
LEFT, RIGHT = 0, 1
HIP, KNEE, ANKLE, FOOT = (1, 2), (4, 5), (7, 8), (10, 11)
SHOULDER, ELBOW, WRIST = (16, 17), (18, 19), (20, 21)
# First finger joint of each hand by number of joints; fingers come as index, middle, pinky, ring, thumb.
_FIRST_FINGER = {55: (25, 40), 52: (22, 37)}
FINGERS = ("index", "middle", "pinky", "ring", "thumb")


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """Rest joints, the tree and the body's axes. Lengths in metres."""

    joints: np.ndarray  # (J, 3)
    parents: tuple[int, ...]
    left: np.ndarray  # (3,) unit axis from the right hip to the left
    up: np.ndarray  # (3,) unit axis from the hips to the neck
    forward: np.ndarray  # (3,) left × up: where the body faces

    @property
    def has_fingers(self) -> bool:
        return len(self.parents) in _FIRST_FINGER

    def finger(self, side: int, name: str) -> np.ndarray:
        """The three joint ids of a finger, knuckle first."""
        return _FIRST_FINGER[len(self.parents)][side] + 3 * FINGERS.index(name) + np.arange(3)

    def subtree(self, joint: int) -> list[int]:
        """The joint and all below it."""
        below = [joint]
        for child in range(joint + 1, len(self.parents)):
            if self.parents[child] in below:
                below.append(child)
        return below

    def across(self, points: np.ndarray) -> np.ndarray:
        """Signed distance from the body's middle plane, left positive."""
        middle = self.joints[[*HIP, *SHOULDER]].mean(axis=0)
        return (points - middle) @ self.left

    def outward(self, side: int) -> np.ndarray:
        """Unit axis from the middle plane towards a side."""
        return self.left if side == LEFT else -self.left

    def height(self, points: np.ndarray) -> np.ndarray:
        """Height on the trunk: 0 at the hip joints, 1 at the shoulder joints."""
        hips, shoulders = (self.joints[list(pair)].mean(axis=0) @ self.up for pair in (HIP, SHOULDER))
        return (points @ self.up - hips) / (shoulders - hips)


def _nearest_axis(vector: np.ndarray) -> np.ndarray:
    """The coordinate axis, with sign, closest to a vector."""
    axis = np.zeros(3)
    k = int(np.argmax(np.abs(vector)))
    axis[k] = 1.0 if vector[k] >= 0 else -1.0
    return axis


def read_skeleton(joints: np.ndarray, parents: Sequence[int] | np.ndarray) -> Skeleton:
    """The skeleton of a rest body.

    Args:
      joints: (J, 3) rest joints, m, J = 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X).
      parents: (J,) parent of each joint, the root's negative (or huge, as in the files).

    Raises:
      InputError: another number of joints, or joints that make no upright body.
    """
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 2 or joints.shape[1] != 3 or joints.shape[0] not in (24, 52, 55):
        raise InputError(
            f"joints: expected shape (24, 3), (52, 3) or (55, 3) (SMPL, SMPL-H, SMPL-X), found {joints.shape}"
        )
    tree = np.asarray(parents).astype(np.int64).reshape(-1)
    if len(tree) != len(joints):
        raise InputError(f"parents: expected {len(joints)} entries, one for each joint, found {len(tree)}")
    tree = np.where((tree < 0) | (tree >= len(joints)), -1, tree)
    # The family's axes are coordinate axes (x left, y up, z forward): a slight lean must not tilt them.
    up = _nearest_axis(joints[NECK] - joints[list(HIP)].mean(axis=0))
    left = _nearest_axis(joints[HIP[LEFT]] - joints[HIP[RIGHT]])
    if abs(up @ left) > 0.5 or not np.isfinite(joints).all():
        raise InputError("joints: the hips and the neck do not make an upright body (joint order of SMPL-X expected)")
    return Skeleton(joints, tuple(int(p) for p in tree), left, up, np.cross(left, up))


@dataclasses.dataclass(frozen=True)
class Hand:
    """One hand's directions and where its fingers begin."""

    along: np.ndarray  # (3,) unit, wrist to the middle knuckle
    to_thumb: np.ndarray  # (3,) unit, little finger side to thumb side
    palm: np.ndarray  # (3,) unit, out of the palm


def read_hand(skeleton: Skeleton, side: int, hand_vertices: np.ndarray) -> Hand:
    """The hand's directions: from its joints, or without finger joints from its shape.

    The palm's direction follows from the order of the fingers (a left and a right hand are mirror images),
    so it holds whatever way the palm faces in the rest pose.
    """
    joints = skeleton.joints
    wrist = joints[WRIST[side]]
    if skeleton.has_fingers:
        index, middle, pinky = (joints[skeleton.finger(side, f)[0]] for f in ("index", "middle", "pinky"))
        along = unit(middle - wrist)
        to_thumb = index - pinky
    else:
        along = unit(joints[22 + side] - wrist)
        flat = hand_vertices - wrist
        reach = flat @ along
        flat = flat - reach[:, None] * along
        # Across the knuckles the hand is wide, through the palm thin; the thumb sticks out on one side only.
        centred = flat - flat.mean(axis=0)
        width = np.linalg.svd(centred.T @ centred)[0][:, 0] if len(flat) >= 3 else skeleton.forward
        extent = centred @ width
        to_thumb = width * (1.0 if np.sum(extent**3) >= 0 else -1.0)
    to_thumb = unit(to_thumb - (to_thumb @ along) * along)
    palm = np.cross(along, to_thumb) * (1.0 if side == LEFT else -1.0)
    return Hand(along, to_thumb, palm)
