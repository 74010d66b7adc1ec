"""The volume that two meshes share, where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from closed_box import box

from prosepose_jax.metrics import penetration_and_volume, shared_volume


def test_boxes_share_a_box() -> None:
    vertices, faces = box(cuts=4)
    moved = vertices + np.array([0.5, 0.25, 0.1])
    assert shared_volume(vertices, moved, faces) == pytest.approx(0.5 * 0.75 * 0.9, rel=1e-6)
    assert shared_volume(vertices, moved, faces) == pytest.approx(shared_volume(moved, vertices, faces), rel=1e-9)
    assert shared_volume(vertices, vertices + np.array([1.5, 0, 0]), faces) == 0.0
    assert shared_volume(vertices, 0.5 * vertices + 0.25, faces) == pytest.approx(0.125, rel=1e-6)  # wholly inside


def test_a_bar_through_a_box_is_found_without_a_vertex_inside() -> None:
    vertices, faces = box(cuts=1)
    bar = (vertices - 0.5) * [0.2, 3.0, 0.4] + 0.5
    depth, litres = penetration_and_volume(np.stack([vertices, bar]), faces)
    assert depth.inside == 0 and litres == pytest.approx(1000 * 0.2 * 1.0 * 0.4, rel=1e-6)


def test_balls_share_two_caps() -> None:
    cube, faces = box(size=2.0, cuts=24)
    ball = (cube - 1.0) / np.linalg.norm(cube - 1.0, axis=1, keepdims=True) * 0.5
    apart = 0.6
    cap = 0.5 - apart / 2
    exact = 2 * np.pi * cap**2 / 3 * (3 * 0.5 - cap)
    turned = ball @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    if np.linalg.det(np.linalg.lstsq(ball, turned, rcond=None)[0]) < 0:
        turned = ball
    found = shared_volume(ball, turned + np.array([0.0, apart * 0.6, apart * 0.8]), faces)
    assert found == pytest.approx(exact, rel=0.03)  # the facets lie inside the sphere


def test_people_of_fine_meshes_are_looked_at_where_they_meet() -> None:
    vertices, faces = box(size=0.4, cuts=12)
    people = np.stack([vertices, vertices + np.array([0.39, 0.1, 0.0]), vertices + np.array([5.0, 0, 0])])
    depth, litres = penetration_and_volume(people, faces)
    assert depth.max_mm == pytest.approx(10.0, abs=1e-6)
    assert litres == pytest.approx(1000 * 0.01 * 0.3 * 0.4, rel=1e-3)
    assert penetration_and_volume(people[[0, 2]], faces) == ((0.0, 0.0, 0), 0.0)


def test_thin_limbs_that_cross_in_a_wide_box() -> None:
    bar, faces = box(cuts=24)
    width, turn = 0.012, np.sqrt(0.5)
    bar = (bar - 0.5) * [1.0, width, width]
    people = np.stack([bar @ np.array([[turn, s * turn, 0], [-s * turn, turn, 0], [0, 0, 1]]) for s in (1, -1)])
    _, litres = penetration_and_volume(people, faces)
    assert litres == pytest.approx(1000 * width**3, rel=0.05)
