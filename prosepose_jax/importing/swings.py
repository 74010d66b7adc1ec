"""A first pose from joints alone: the trunk turned as a whole, each limb bone swung to where its joints lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prosepose_jax.importing.estimates import NUM_TREE_JOINTS
from prosepose_jax.importing.sources.rotations import axis_angle

# Pelvis, hips, neck, shoulders: what turns with the trunk.
_TRUNK = (0, 1, 2, 12, 16, 17)
# The joint whose place says where each joint's bone points; the others keep their rest rotation.
_POINTS_TO = {1: 4, 2: 5, 4: 7, 5: 8, 16: 18, 17: 19, 18: 20, 19: 21}
# No joint tells how a lean is shared by pelvis and spine. People stand a little bent against the rest pose: over the
# three spine joints by 5° to 14° in BEV's estimates of standing people in photographs, none backwards.
_SPINE = (3, 6, 9)
_BEND_RAD = np.deg2rad(6.0) / len(_SPINE)


def pose_from_joints(rest: np.ndarray, parents: Sequence[int], joints: np.ndarray) -> np.ndarray:
    """Rotations that point a body's bones as the joints lie; twists about the bones are those of the rest pose.

    The spine is bent as people stand.

    Args:
      rest: (J, 3) joints of the body at rest.
      parents: of each joint, -1 for the root.
      joints: (22, 3) camera frame; NaN where unknown.

    Returns:
      (22, 3) axis-angle: global orientation, then joints 1-21.

    Raises:
      ValueError: fewer than three joints of the trunk are known.
    """
    known = np.isfinite(joints).all(axis=1)
    trunk = [j for j in _TRUNK if known[j]]
    if len(trunk) < 3:
        raise ValueError(f"too few joints of the trunk to tell how the person is turned ({len(trunk)})")
    local = np.tile(np.eye(3), (NUM_TREE_JOINTS, 1, 1))
    local[list(_SPINE)] = _about_x(_BEND_RAD)
    turned = np.tile(np.eye(3), (NUM_TREE_JOINTS, 1, 1))  # from rest to the camera frame
    local[0] = _best_turn(_placed(rest, parents, local)[trunk], joints[trunk])
    for joint in range(NUM_TREE_JOINTS):
        above = np.eye(3) if joint == 0 else turned[parents[joint]]
        end = _POINTS_TO.get(joint)
        if end is not None and known[joint] and known[end]:
            local[joint] = _swing(rest[end] - rest[joint], above.T @ (joints[end] - joints[joint]))
        turned[joint] = above @ local[joint]
    return axis_angle(local)


def _about_x(angle: float) -> np.ndarray:
    """The rotation (3, 3) by an angle (rad) about x, the body's axis from right to left: positive bends forward."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _placed(rest: np.ndarray, parents: Sequence[int], local: np.ndarray) -> np.ndarray:
    """Places (22, 3) of the joints whose rotations are (22, 3, 3), the root where it rests."""
    turned, placed = local.copy(), np.array(rest[:NUM_TREE_JOINTS], np.float64)
    for joint in range(1, NUM_TREE_JOINTS):
        above = parents[joint]
        placed[joint] = placed[above] + turned[above] @ (rest[joint] - rest[above])
        turned[joint] = turned[above] @ local[joint]
    return placed


def _best_turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) that takes points (n, 3) nearest to others, about their middles (Kabsch)."""
    u, _, v = np.linalg.svd((b - b.mean(axis=0)).T.astype(np.float64) @ (a - a.mean(axis=0)))
    return u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v)) or 1.0]) @ v


def _swing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest rotation (3, 3) from direction a to direction b."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if lengths < 1e-9:
        return np.eye(3)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    cosine = float(a @ b)
    if cosine < -0.9999:  # straight back: half a turn about any axis across
        across = np.cross(a, np.eye(3)[int(np.argmin(np.abs(a)))])
        across /= np.linalg.norm(across)
        return 2 * np.outer(across, across) - np.eye(3)
    x, y, z = np.cross(a, b)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)
