"""Reprojection error by hand."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.metrics import reprojection_px

FOCAL, PRINCIPAL = np.array([500.0, 400.0]), np.array([300.0, 200.0])


def test_mean_over_confident_keypoints():
    points = np.zeros((2, 25, 3))
    points[..., 2] = 2.0
    points[0, 0] = [0.4, 0.5, 2.0]  # at (400, 300)
    detected = np.zeros((2, 25, 3))
    detected[0, 0] = [403.0, 304.0, 0.9]  # 5 px off
    detected[1, 7] = [300.0, 215.0, 0.2]  # 15 px off, just confident
    detected[1, 8] = [0.0, 0.0, 0.19]  # not counted
    assert reprojection_px(points, detected, FOCAL, PRINCIPAL) == pytest.approx(10.0)


def test_without_confident_keypoints_there_is_no_figure():
    assert reprojection_px(np.ones((1, 25, 3)), np.zeros((1, 25, 3)), FOCAL, PRINCIPAL) is None


def test_behind_the_camera_is_bad_but_finite():
    detected = np.ones((1, 25, 3))
    value = reprojection_px(np.full((1, 25, 3), -1.0), detected, FOCAL, PRINCIPAL)
    assert 1e3 < value < 1e6
