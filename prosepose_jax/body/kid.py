"""A child template for bodies that come without one (docs/method.md, "Body model").

SMPL-XA blends towards an infant template by `kid_scale`. The official template is the
user's file; for any other body one is made here by shrinking each segment about its
joint with the proportions of a small child: the head keeps most of its size, the
legs shrink most.
"""

from __future__ import annotations

import numpy as np

# Size relative to the adult of the segment that ends in or hangs on each joint, by joint of the SMPL tree.
_TORSO, _HEAD, _NECK, _ARM, _HAND, _LEG, _FOOT = 0.47, 0.74, 0.42, 0.40, 0.46, 0.36, 0.44
_FIRST_22 = (
    _TORSO, _LEG, _LEG, _TORSO, _LEG, _LEG, _TORSO, _FOOT, _FOOT, _TORSO, _FOOT, _FOOT,
    _NECK, _TORSO, _TORSO, _HEAD, _ARM, _ARM, _ARM, _ARM, _HAND, _HAND,
)  # fmt: skip
# Length of the bone that leads to a joint, where it differs from the joint's own segment.
_BONE = {1: _TORSO, 2: _TORSO, 7: _LEG, 8: _LEG, 12: _TORSO, 15: _NECK, 16: _TORSO, 17: _TORSO, 20: _ARM, 21: _ARM}


def derive_kid_template(
    v_template: np.ndarray, weights: np.ndarray, joints: np.ndarray, parents: np.ndarray
) -> np.ndarray:
    """A child-proportioned template on the same mesh.

    Args:
      v_template: (V, 3) adult rest vertices, metres.
      weights: (V, J) skinning weights.
      joints: (J, 3) rest joints.
      parents: (J,) parent of each joint, -1 for the root.

    Returns:
      (V, 3) rest vertices of the child, metres, its mean vertex at the origin.
    """
    num_joints = len(parents)
    size = np.full(num_joints, _HAND)
    size[:22] = _FIRST_22
    if num_joints == 55:
        size[22:25] = _HEAD  # jaw and eyes
    placed = np.zeros_like(joints)
    placed[0] = joints[0] * size[0]
    for joint in range(1, num_joints):
        parent = parents[joint]
        placed[joint] = placed[parent] + _BONE.get(joint, size[joint]) * (joints[joint] - joints[parent])
    # Linear blend of "shrink about the joint", as skinning does, keeps the surface smooth across segments.
    offset = placed - size[:, None] * joints
    child = (weights @ size)[:, None] * v_template + weights @ offset
    return child - child.mean(axis=0)
