"""Anatomical posing: limbs go where they are told, hinges bend about their hinge only."""

from __future__ import annotations

import numpy as np
import pytest
from small_scenes import pose_at_once

from prosepose_jax.body import BodyParams
from prosepose_jax.synthetic.figure import Figure, rotation, swing, to_axis_angle, two_bones, unit
from prosepose_jax.synthetic.shapes import Wardrobe


@pytest.fixture(scope="module")
def shape(small_body):
    return Wardrobe(small_body).shape(np.zeros(10))


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, 2.0, np.pi - 1e-6, np.pi])
def test_axis_angle_inverts_rotation(angle):
    axis = unit(np.array([0.3, -0.8, 0.5]))
    back = to_axis_angle(rotation(axis, angle))
    np.testing.assert_allclose(rotation(unit(back), np.linalg.norm(back)), rotation(axis, angle), atol=1e-5)


def test_a_rotation_near_half_a_turn_is_read_well_in_single_precision():
    """People who face the camera are turned by about half a turn."""
    rng = np.random.default_rng(0)
    for short_of in np.geomspace(1e-9, 0.3, 200):
        axis = unit(rng.normal(size=3))
        matrix = rotation(axis, np.pi - short_of)
        found = to_axis_angle(matrix.astype(np.float32).astype(np.float64))
        angle = float(np.linalg.norm(found))
        assert angle < np.pi + 1e-6
        np.testing.assert_allclose(rotation(found / angle, angle), matrix, atol=2e-4)


def test_swing_takes_one_direction_to_the_other():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = unit(rng.normal(size=3)), unit(rng.normal(size=3))
        np.testing.assert_allclose(swing(a, b) @ a, b, atol=1e-9)
    np.testing.assert_allclose(swing(a, -a) @ a, -a, atol=1e-9)


def test_two_bones_reach_the_target_with_the_joint_on_the_pole_side():
    start, end, pole = np.zeros(3), np.array([0.3, 0.1, 0.2]), np.array([0.0, -1.0, 0.0])
    first, second = two_bones(start, end, 0.3, 0.25, pole)
    np.testing.assert_allclose(0.3 * first + 0.25 * second, end, atol=1e-9)
    assert first @ pole > unit(end) @ pole


@pytest.mark.parametrize("side", ["left", "right"])
def test_arm_points_where_it_is_told(shape, side):
    figure = Figure(shape).place(facing=30.0).spine(bend=20.0, turn=10.0)
    sign = 1.0 if side == "left" else -1.0
    upper = figure.heading(forward=0.4, up=-0.7, left=0.3 * sign)
    fore = figure.heading(forward=0.9, up=0.3, left=-0.2 * sign)
    figure.arm(side, upper, fore, palm=figure.heading(up=-1))
    _, positions = figure.frames()
    s, e, w = (16, 18, 20) if side == "left" else (17, 19, 21)
    assert unit(positions[e] - positions[s]) @ upper > 0.9999
    assert unit(positions[w] - positions[e]) @ fore > 0.9999


@pytest.mark.parametrize("side", ["left", "right"])
def test_elbow_bends_forwards_not_backwards(shape, side):
    """In the T-pose a bent elbow brings the hand to the front: left about -y, right about +y."""
    figure = Figure(shape)
    sign = 1.0 if side == "left" else -1.0
    figure.arm(side, figure.heading(left=sign), figure.heading(forward=1.0))
    _, pose, _ = figure.parameters()
    elbow = pose[17 if side == "left" else 18]
    assert sign * elbow[1] < -1.3
    assert abs(elbow[2]) < 0.3


def test_reach_puts_the_palm_at_the_target(shape):
    figure = Figure(shape)
    target = figure.joint(16) + np.array([0.05, -0.15, 0.33])
    figure.reach("left", target, figure.heading(up=-1), palm=figure.heading(left=-1), fingers=figure.heading(forward=1))
    assert np.linalg.norm(figure.spot("left palm") - target) < 0.06


def test_standing_feet_are_flat_on_the_floor(small_body, shape):
    figure = Figure(shape).place(x=0.3, z=-0.2, facing=70.0).stand(width=0.03, stride=0.2)
    orient, pose, transl = figure.parameters()
    params = BodyParams.zeros(1).replace(
        global_orient=np.float32(orient[None]), body_pose=np.float32(pose[None]), transl=np.float32(transl[None])
    )
    posed = pose_at_once(small_body, params)
    np.testing.assert_allclose(np.asarray(posed.joints)[0, :22], figure.frames()[1], atol=2e-3)
    vertices = np.asarray(posed.vertices)[0]
    for region in (67, 65):
        ids = np.asarray(small_body.regions.vertex_ids)[region][np.asarray(small_body.regions.mask)[region]]
        assert abs(vertices[ids, 1].min()) < 0.03


def test_knees_bend_backwards(shape):
    figure = Figure(shape)
    figure.place(height=0.7)
    figure.stand()
    _, pose, _ = figure.parameters()
    assert pose[3, 0] > 0.3 and pose[4, 0] > 0.3
    assert np.abs(pose[3:5, 1:]).max() < 0.25
