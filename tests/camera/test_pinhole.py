"""The pinhole camera, by hand (docs/method.md, "Frames and camera")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.camera import focal_from_image_size, project
from prosepose_jax.camera.pinhole import MIN_DEPTH_M

FOCAL, CENTRE = jnp.array([500.0, 400.0]), jnp.array([320.0, 240.0])


def test_projection_by_hand() -> None:
    points = jnp.array([[0.0, 0.0, 2.0], [1.0, 0.0, 2.0], [0.0, 1.0, 2.0], [-0.5, 0.25, 5.0]])
    # x to the right, y down, z forward; the origin at the image's top-left corner.
    expected = [[320.0, 240.0], [570.0, 240.0], [320.0, 440.0], [270.0, 260.0]]
    np.testing.assert_allclose(project(points, FOCAL, CENTRE), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(3,), (7, 3), (2, 25, 3), (4, 2, 25, 3)])
def test_any_leading_axes(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0.0, 1.0, shape) + np.array([0.0, 0.0, 6.0])
    found = project(jnp.asarray(points, jnp.float32), FOCAL, CENTRE)
    expected = np.asarray(FOCAL) * points[..., :2] / points[..., 2:] + np.asarray(CENTRE)
    assert found.shape == (*shape[:-1], 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("depth", [0.0, -3.0, 1e-6, MIN_DEPTH_M])
def test_finite_at_and_behind_the_camera(depth: float) -> None:
    point = jnp.array([0.1, -0.2, depth])
    pixels, jacobian = project(point, FOCAL, CENTRE), jax.jacobian(project)(point, FOCAL, CENTRE)
    assert np.isfinite(pixels).all() and np.isfinite(jacobian).all()
    # As if at the smallest depth: which side of the axis a point is on stays right.
    at_limit = np.asarray(FOCAL) * [0.1, -0.2] / MIN_DEPTH_M + np.asarray(CENTRE)
    np.testing.assert_allclose(pixels, at_limit, rtol=1e-5)
    if depth < MIN_DEPTH_M:
        np.testing.assert_array_equal(jacobian[:, 2], 0.0)


def test_gradient_equals_finite_differences() -> None:
    point, step = np.array([0.3, -0.4, 2.5]), 1e-3

    def exact(p: np.ndarray) -> np.ndarray:
        return np.asarray(FOCAL, np.float64) * p[:2] / p[2]

    numeric = np.stack([(exact(point + step * e) - exact(point - step * e)) / (2 * step) for e in np.eye(3)], axis=1)
    jacobian = jax.jacobian(project)(jnp.asarray(point, jnp.float32), FOCAL, CENTRE)
    np.testing.assert_allclose(jacobian, numeric, rtol=1e-4, atol=1e-3)


def test_focal_from_image_size() -> None:
    # 60° across the longer side: half the side over tan 30°.
    assert focal_from_image_size(1000, 600) == pytest.approx(500.0 * np.sqrt(3.0))
    assert focal_from_image_size(600, 1000) == focal_from_image_size(1000, 600)
    assert focal_from_image_size(200, 100, 90.0) == pytest.approx(100.0)
    # A point on the edge of that view lands on the image's edge.
    focal = jnp.full(2, focal_from_image_size(800, 600))
    edge = project(jnp.array([np.tan(np.pi / 6), 0.0, 1.0]), focal, jnp.array([400.0, 300.0]))
    np.testing.assert_allclose(edge, [800.0, 300.0], atol=1e-3)
