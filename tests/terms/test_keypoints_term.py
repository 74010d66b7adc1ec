"""The keypoint term, by hand (docs/method.md, "Other terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.fitting.objective import elements_energy
from prosepose_jax.terms import kernels
from prosepose_jax.terms.base import Elements
from prosepose_jax.terms.keypoints import keypoint_error, keypoint_scale


@jax.jit
def keypoint_loss(
    projected: jax.Array,
    detected: jax.Array,
    confidence: jax.Array,
    scale: jax.Array,
    robust_px: float = 0.0,
    beyond: jax.Array | None = None,
) -> jax.Array:
    """The term of keypoints that project to (P, 25, 2): a camera of focal length 1 sees points at depth 1 so."""
    points = jnp.concatenate([projected, jnp.ones_like(projected[..., :1])], axis=-1)[..., None, :]

    def each(value: jax.Array) -> jax.Array:
        return jnp.broadcast_to(value, (*projected.shape[:2], *value.shape[2:]))

    beyond = jnp.zeros((1, 1, 2)) if beyond is None else beyond
    data = (detected, each(scale[:, None]), each(beyond), each(jnp.ones((1, 1, 2))), each(jnp.zeros((1, 1, 2))))
    part = Elements((), confidence, data, residual=keypoint_error, kernel=kernels.geman_mcclure)
    return elements_energy(part, points, jnp.asarray(robust_px, projected.dtype))


def test_scale_brings_the_box_to_512_and_is_zero_without_one() -> None:
    scale = keypoint_scale(np.array([256.0, 1024.0, 0.0]))
    assert scale.dtype == np.float32
    np.testing.assert_allclose(scale, [2.0, 0.5, 0.0])


def test_a_point_found_at_the_edge_may_lie_beyond_it_and_nowhere_else() -> None:
    detected = jnp.full((1, 25, 2), 100.0)
    confidence = jnp.zeros((1, 25)).at[0, 6].set(1.0)
    right, up = jnp.array([1.0, 0.0]), jnp.array([0.0, -1.0])

    def cost(off: tuple[float, float], beyond: jax.Array) -> float:
        projected = detected.at[0, 6].add(jnp.array(off))
        return float(keypoint_loss(projected, detected, confidence, jnp.ones(1), beyond=beyond[None, None]))

    assert cost((30.0, 0.0), right) == 0.0 and cost((0.0, -30.0), up) == 0.0
    assert cost((-30.0, 0.0), right) == cost((0.0, 30.0), up) == pytest.approx(900.0)
    assert cost((30.0, 4.0), right) == pytest.approx(16.0)  # along the edge it is where it is
    assert cost((30.0, 4.0), jnp.zeros(2)) == pytest.approx(916.0)


def test_keypoints_by_hand() -> None:
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


@jax.jit
def _one_error(r: float, robust_px: float) -> jax.Array:
    """The loss of one fully trusted keypoint that is r px off in the 512-px box."""
    projected = jnp.zeros((1, 25, 2)).at[0, 4].set(jnp.array([0.6, 0.8]) * r / 2.0)
    confidence = jnp.zeros((1, 25)).at[0, 4].set(1.0)
    return keypoint_loss(projected, jnp.zeros((1, 25, 2)), confidence, jnp.array([2.0]), robust_px)


def test_robust_errors_are_squares_when_small_halved_at_the_scale_and_bounded() -> None:
    c = 50.0
    assert float(_one_error(1.0, c)) == pytest.approx(1.0, rel=1e-3)
    assert float(_one_error(c, c)) == pytest.approx(c * c / 2.0, rel=1e-5)  # by the scaled error, not the raw pixels
    assert 0.999 * c * c < float(_one_error(1e4, c)) <= c * c
    for r in (1.0, 50.0, 1e4):
        assert float(_one_error(r, 0.0)) == pytest.approx(r * r, rel=1e-5)  # 0: as published


def test_robust_confidence_weights_the_bounded_error() -> None:
    far = jnp.full((1, 25, 2), 1e5)
    loss = keypoint_loss(far, jnp.zeros((1, 25, 2)), jnp.full((1, 25), 0.5), jnp.ones(1), 10.0)
    assert float(loss) == pytest.approx(25 * 0.5 * 100.0, rel=1e-4)


def test_robust_gradient_equals_finite_differences() -> None:
    with jax.enable_x64(True):
        rng = np.random.default_rng(1)
        projected, direction = rng.normal(0, 40, (2, 25, 2)), rng.normal(size=(2, 25, 2))
        projected[0, 0] = 0.0  # no error at all
        confidence, scale = jnp.asarray(rng.uniform(0, 1, (2, 25))), jnp.array([0.9, 1.7])

        def loss(t: jax.Array) -> jax.Array:
            return keypoint_loss(projected + t * direction, jnp.zeros((2, 25, 2)), confidence, scale, 50.0)

        numeric = (loss(1e-5) - loss(-1e-5)) / 2e-5
        assert float(jax.grad(loss)(0.0)) == pytest.approx(float(numeric), rel=1e-7)
