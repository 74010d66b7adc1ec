"""Procrustes finds known similarities, and never a reflection."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.metrics import align, fit_similarity


def _rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q[:, ::-1]


@pytest.mark.parametrize("count", [4, 14, 28])
def test_recovers_a_known_similarity(count):
    rng = np.random.default_rng(count)
    points = rng.normal(size=(5, count, 3))
    rotations = np.stack([_rotation(rng) for _ in range(5)])
    scales = rng.uniform(0.3, 3.0, size=5)
    shifts = rng.normal(size=(5, 3))
    moved = scales[:, None, None] * points @ np.swapaxes(rotations, 1, 2) + shifts[:, None]
    found = fit_similarity(points, moved)
    np.testing.assert_allclose(found.scale, scales, rtol=1e-10)
    np.testing.assert_allclose(found.rotation, rotations, atol=1e-10)
    np.testing.assert_allclose(found.translation, shifts, atol=1e-9)
    np.testing.assert_allclose(align(points, moved), moved, atol=1e-9)


def test_a_mirrored_body_is_not_reflected():
    points = np.random.default_rng(1).normal(size=(14, 3))
    mirrored = points * [-1.0, 1.0, 1.0]
    found = fit_similarity(points, mirrored)
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)
    assert np.abs(align(points, mirrored) - mirrored).max() > 0.1


def test_no_other_similarity_is_better():
    rng = np.random.default_rng(2)
    source, target = rng.normal(size=(14, 3)), rng.normal(size=(14, 3)) * [-1.0, 1.0, 1.0]
    best = np.sum((align(source, target) - target) ** 2)
    found = fit_similarity(source, target)
    for _ in range(200):
        angle = rng.normal(size=3) * 0.05
        cross = np.array([[0, -angle[2], angle[1]], [angle[2], 0, -angle[0]], [-angle[1], angle[0], 0]])
        u, _, vt = np.linalg.svd(found.rotation @ (np.eye(3) + cross))
        other = found._replace(
            rotation=u @ vt, scale=found.scale * rng.uniform(0.9, 1.1), translation=found.translation + angle
        )
        assert np.sum((other(source) - target) ** 2) >= best


def test_coinciding_points_only_move():
    found = fit_similarity(np.ones((5, 3)), np.full((5, 3), 4.0))
    np.testing.assert_allclose(found(np.ones((5, 3))), 4.0)
    assert found.scale == 1.0
