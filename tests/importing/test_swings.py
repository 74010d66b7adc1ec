"""A first pose from joints alone."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.importing.sources.rotations import axis_angle, matrix
from prosepose_jax.importing.swings import pose_from_joints

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
LIMBS = (1, 2, 4, 5, 16, 17, 18, 19)


def rest_joints() -> np.ndarray:
    """(22, 3) of a stick figure with its arms out, y up."""
    return np.array([
        (0, 0, 0), (0.1, -0.1, 0), (-0.1, -0.1, 0), (0, 0.1, 0), (0.1, -0.5, 0), (-0.1, -0.5, 0), (0, 0.25, 0),
        (0.1, -0.9, 0), (-0.1, -0.9, 0), (0, 0.35, 0), (0.1, -0.95, 0.1), (-0.1, -0.95, 0.1), (0, 0.5, 0),
        (0.1, 0.45, 0), (-0.1, 0.45, 0), (0, 0.6, 0.03), (0.2, 0.45, 0), (-0.2, 0.45, 0), (0.45, 0.45, 0),
        (-0.45, 0.45, 0), (0.7, 0.45, 0), (-0.7, 0.45, 0),
    ])  # fmt: skip


def posed(pose: np.ndarray) -> np.ndarray:
    """(22, 3) joints of rotations (22, 3)."""
    rest, local = rest_joints(), matrix(pose)
    joints, turned = np.zeros((22, 3)), np.zeros((22, 3, 3))
    joints[0], turned[0] = [0.3, 0.2, 4.0], local[0]
    for j in range(1, 22):
        parent = PARENTS[j]
        joints[j] = joints[parent] + turned[parent] @ (rest[j] - rest[parent])
        turned[j] = turned[parent] @ local[j]
    return joints


def standing() -> np.ndarray:
    """(22, 3) rotations of somebody who stands as people do, the spine a little bent."""
    pose = np.zeros((22, 3))
    pose[[3, 6, 9], 0] = np.deg2rad(2.0)
    return pose


@pytest.mark.parametrize("seed", range(5))
def test_bones_point_where_the_joints_lie(seed):
    rng = np.random.default_rng(seed)
    pose = standing()
    pose[0] = rng.normal(0, 1.5, 3)
    pose[list(LIMBS)] = rng.normal(0, 0.7, (8, 3))
    joints = posed(pose)
    known = joints.copy()
    known[[3, 6, 9, 10, 11, 13, 14, 15]] = np.nan
    seen = np.isfinite(known).all(axis=1)  # a foot turns with the shin's twist, which joints do not tell
    found = posed(pose_from_joints(rest_joints(), PARENTS, known))
    np.testing.assert_allclose(found[seen], joints[seen], atol=1e-4)


def test_unknown_limbs_keep_their_rest_rotation():
    joints = posed(standing())
    joints[[18, 20]] = np.nan
    np.testing.assert_allclose(pose_from_joints(rest_joints(), PARENTS, joints), standing(), atol=1e-6)


def test_an_upright_spine_turns_the_pelvis_little():
    # What the shoulders alone leave open is shared: the pelvis takes less than the whole bend that is not there.
    turn = pose_from_joints(rest_joints(), PARENTS, posed(np.zeros((22, 3))))[0]
    assert np.degrees(np.linalg.norm(turn)) < 6.0


def test_a_limb_straight_back():
    pose = standing()
    pose[18] = [0, 0, np.pi]  # the forearm folded back upon the upper arm
    joints = posed(pose)
    np.testing.assert_allclose(posed(pose_from_joints(rest_joints(), PARENTS, joints)), joints, atol=1e-6)


def test_too_few_joints_of_the_trunk():
    joints = np.full((22, 3), np.nan)
    joints[[1, 2, 4]] = rest_joints()[[1, 2, 4]]
    with pytest.raises(ValueError, match="trunk"):
        pose_from_joints(rest_joints(), PARENTS, joints)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 1.0, np.pi - 1e-6, np.pi])
def test_rotations_there_and_back(angle):
    axes = np.random.default_rng(0).normal(size=(20, 3))
    vectors = axes / np.linalg.norm(axes, axis=1, keepdims=True) * angle
    np.testing.assert_allclose(matrix(axis_angle(matrix(vectors))), matrix(vectors), atol=1e-6)
