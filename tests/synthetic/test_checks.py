"""Joint ranges and balance: exact on cases whose answer is known, and a scene fails by the check that it breaks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prosepose_jax.synthetic.balance import convex_hull, distance_outside, imbalance, mass_centre
from prosepose_jax.synthetic.figure import rotation, to_axis_angle, unit
from prosepose_jax.synthetic.joint_limits import JOINT_RANGES, limit_excesses, swing_twist
from prosepose_jax.synthetic.measure import Checks

_CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
_CUBE_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 5, 7], [1, 7, 3]]
)  # fmt: skip


def test_swing_and_twist_put_together_are_the_rotation():
    rng = np.random.default_rng(0)
    axes = np.array([1, 1, 1, 1, 1, 1, 2, 2, 1, 2, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    pose = rng.normal(size=(50, 21, 3))
    turned = swing_twist(pose)
    for n in range(50):
        for j, k in enumerate(axes):
            axis = np.eye(3)[k]
            swing = turned[n, j] * (1 - axis)
            angle = np.linalg.norm(swing)
            matrix = rotation(unit(swing), angle) @ rotation(axis, turned[n, j, k])
            whole = rotation(unit(pose[n, j]), np.linalg.norm(pose[n, j]))
            np.testing.assert_allclose(matrix, whole, atol=1e-9)


@pytest.mark.parametrize(
    ("joint", "vector", "degrees"),
    [
        (4, (100.0, 0, 0), 0.0),  # a knee bends
        (4, (-30.0, 0, 0), 22.0),  # and is straight at most, with 8 degrees of play
        (18, (0, -120.0, 0), 0.0),  # a left elbow bends
        (18, (0, 40.0, 0), 30.0),
        (19, (0, -40.0, 0), 30.0),  # and the right one the other way round
        (15, (0, 90.0, 0), 30.0),  # a head that looks backwards
        (16, (0, 0, -80.0), 0.0),  # an arm that hangs
        (0, (0, 0, 0), 0.0),
    ],
)
def test_ranges_of_joints(joint, vector, degrees):
    pose = np.zeros((21, 3))
    if joint:
        pose[joint - 1] = np.radians(vector)
    np.testing.assert_allclose(limit_excesses(pose).max(), np.radians(degrees), atol=1e-6)


def test_right_joints_mirror_left_ones():
    for left, right in ((1, 2), (4, 5), (7, 8), (10, 11), (13, 14), (16, 17), (18, 19), (20, 21)):
        a, b = JOINT_RANGES[left - 1], JOINT_RANGES[right - 1]
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1:], -b[1:, ::-1])
    assert (JOINT_RANGES[..., 0] < 0).all() and (JOINT_RANGES[..., 1] > 0).all()
    small = to_axis_angle(rotation(unit(np.array([1.0, 2.0, -1.0])), 0.05))
    assert limit_excesses(np.tile(small, (21, 1))).max() == 0


def test_mass_centre_of_a_box_is_its_middle():
    centre, volume = mass_centre(_CUBE * [2, 3, 4] + 5, _CUBE_FACES)
    np.testing.assert_allclose(centre, [6, 6.5, 7])
    assert abs(volume - 24) < 1e-9


def test_hull_and_distance_to_it():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    inner = np.random.default_rng(0).uniform(0.1, 0.9, size=(40, 2))
    hull = convex_hull(np.concatenate([inner, square]))
    assert {tuple(p) for p in hull} == {tuple(p) for p in square}
    assert distance_outside(np.array([0.5, 0.5]), hull) == 0
    assert abs(distance_outside(np.array([1.3, 0.5]), hull) - 0.3) < 1e-12
    assert abs(distance_outside(np.array([2.0, 2.0]), hull) - np.sqrt(2)) < 1e-12
    line = convex_hull(np.array([[0, 0], [1, 0]], float))
    assert abs(distance_outside(np.array([0.5, 0.2]), line) - 0.2) < 1e-12


def test_a_leaning_tower_falls_unless_another_holds_it():
    upright = _CUBE * [0.2, 1, 0.2]
    leaning = upright + upright[:, 1:2] * [0.5, 0, 0]  # centre 0.25 to the side of the base's middle
    assert imbalance(upright[None], _CUBE_FACES) == 0
    assert abs(imbalance(leaning[None], _CUBE_FACES) - 0.15) < 1e-9
    mirrored = (leaning * [-1, 1, 1] + [1.2, 0, 0])[np.argsort([4, 5, 6, 7, 0, 1, 2, 3])]
    assert imbalance(np.stack([leaning, mirrored]), _CUBE_FACES) == 0
    # Somebody who is carried has no support of their own.
    carried = upright + np.array([0.0, 1.0, 0.0])
    assert imbalance(np.stack([upright, carried]), _CUBE_FACES) == 0
    assert abs(imbalance(np.stack([upright, carried + np.array([0.6, 0, 0])]), _CUBE_FACES) - 0.2) < 1e-9
    assert imbalance(carried[None], _CUBE_FACES) == np.inf


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gaps": (0.0, 0.004)}, "gap"),
        ({"penetration": 0.011}, "penetration"),
        ({"self_penetration": 0.03}, "self-penetration"),
        ({"floor": 0.03}, "floor"),
        ({"bend": 0.2}, "bend"),
        ({"limits": 0.1}, "limits"),
        ({"balance": 0.05}, "balance"),
    ],
)
def test_each_check_can_fail(change, reason):
    good = Checks((0.001,), 0.005, 0.0, 0.001, -0.1, 0.0, 0.0)
    assert good.passed and good.reasons == ()
    bad = dataclasses.replace(good, **change)
    assert not bad.passed and bad.reasons == (reason,)
    assert not dataclasses.replace(good, self_penetration=float("nan")).passed
