"""The keypoint term, by hand (docs/method.md, "Other terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.losses import keypoint_loss, keypoint_scale


def _people(*points: list[tuple[float, float, float]]) -> np.ndarray:
    """(P, 25, 3): the given keypoints first, the others missing (confidence 0, far away)."""
    array = np.zeros((len(points), 25, 3), np.float32)
    array[..., :2] = 9999.0
    for person, some in zip(array, points, strict=True):
        if some:
            person[: len(some)] = some
    return array


def test_scale_brings_the_larger_side_to_512() -> None:
    wide = [(100.0, 50.0, 0.9), (356.0, 60.0, 0.3), (200.0, 178.0, 1.0)]  # 256 × 128
    tall = [(10.0, 0.0, 0.01), (20.0, 1024.0, 1.0)]
    np.testing.assert_allclose(keypoint_scale(_people(wide, tall)), [2.0, 0.5])


def test_scale_without_an_extent_is_zero() -> None:
    scale = keypoint_scale(_people([], [(3.0, 4.0, 1.0)], [(3.0, 4.0, 1.0), (3.0, 4.0, 0.5)]))
    assert scale.dtype == np.float32
    np.testing.assert_array_equal(scale, 0.0)


def test_loss_by_hand() -> None:
    detected = jnp.zeros((2, 25, 2))
    projected = detected.at[0, 3].set(jnp.array([3.0, -4.0])).at[1, 7].set(jnp.array([1.0, 2.0]))
    confidence = jnp.zeros((2, 25)).at[0, 3].set(0.5).at[1, 7].set(0.25)
    # 0.5 · (2 · 5)² + 0.25 · (10² · 5): squared in the scaled box, weighted by the confidence itself.
    loss = keypoint_loss(projected, detected, confidence, jnp.array([2.0, 10.0]))
    assert float(loss) == pytest.approx(0.5 * 100.0 + 0.25 * 500.0)


def test_missing_keypoints_and_people_without_extent_cost_nothing() -> None:
    detected = jnp.full((2, 25, 2), 1e6)
    confidence = jnp.zeros((2, 25)).at[1].set(1.0)
    loss, gradient = jax.value_and_grad(keypoint_loss)(jnp.zeros((2, 25, 2)), detected, confidence, jnp.array([3.0, 0]))
    assert float(loss) == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_gradient_equals_finite_differences() -> None:
    rng = np.random.default_rng(0)
    detected, offset = rng.uniform(0, 500, (2, 25, 2)), rng.normal(0, 5, (2, 25, 2))
    confidence, scale = rng.uniform(0, 1, (2, 25)), np.array([0.9, 1.7])

    def reference(projected: np.ndarray) -> float:
        total = 0.0
        for p in range(2):
            for k in range(25):
                total += confidence[p, k] * np.sum((scale[p] * (projected[p, k] - detected[p, k])) ** 2)
        return total

    projected = detected + offset
    arguments = [jnp.asarray(x, jnp.float32) for x in (projected, detected, confidence, scale)]
    value, gradient = jax.value_and_grad(keypoint_loss)(*arguments)
    assert float(value) == pytest.approx(reference(projected), rel=1e-4)
    direction = rng.normal(size=projected.shape)
    numeric = (reference(projected + 1e-4 * direction) - reference(projected - 1e-4 * direction)) / 2e-4
    assert float(np.sum(np.asarray(gradient) * direction)) == pytest.approx(numeric, rel=1e-3)
