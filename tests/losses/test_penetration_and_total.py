"""The penetration term and the weighted sum, by hand (docs/method.md, "Other terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.losses import TERMS, Weights, penetration_loss, weighted_total


def test_penetration_scale_is_quartic() -> None:
    surface = jnp.zeros((1, 3))
    for depth, cost in ((0.1, 1.0), (0.01, 1e-4), (0.2, 16.0)):
        loss = penetration_loss(jnp.array([[depth, 0.0, 0.0]]), surface, jnp.ones(1))
        assert float(loss) == pytest.approx(cost, rel=1e-5)


def test_penetration_sums_over_weighted_vertices() -> None:
    inside = jnp.array([[0.1, 0.0, 0.0], [0.0, 0.06, 0.08], [5.0, 5.0, 5.0]])
    # The third is padding; the second stands for four.
    assert float(penetration_loss(inside, jnp.zeros((3, 3)), jnp.array([1.0, 4.0, 0.0]))) == pytest.approx(5.0)


def test_penetration_gradient_pushes_both_surfaces_and_is_finite_at_zero() -> None:
    gradient = jax.grad(penetration_loss, argnums=(0, 1))
    inside, surface = jnp.array([[0.1, 0.0, 0.0], [0.3, 0.3, 0.3]]), jnp.array([[0.0, 0.0, 0.0], [0.3, 0.3, 0.3]])
    by_inside, by_surface = gradient(inside, surface, jnp.ones(2))
    # d/dx (100 x²)² = 4e4 x³ = 40 at 10 cm.
    np.testing.assert_allclose(by_inside, [[40.0, 0.0, 0.0], [0.0, 0.0, 0.0]], rtol=1e-5)
    np.testing.assert_allclose(by_surface, -np.asarray(by_inside))


def _one_depth(depth: float, robust_m: float) -> jax.Array:
    inside = jnp.zeros((1, 3)).at[0, 1].set(depth)
    return penetration_loss(inside, jnp.zeros((1, 3)), jnp.array([3.0]), robust_m)


def test_robust_penetration_is_quartic_when_shallow_and_quadratic_when_deep() -> None:
    c = 0.05
    with jax.enable_x64(True):
        for depth in (0.0, 0.002, 0.01):
            assert float(_one_depth(depth, c)) == pytest.approx(3.0 * (100 * depth**2) ** 2, rel=1e-3)
        limit = 100 * c**2
        assert float(_one_depth(c, c)) == pytest.approx(3.0 * 2 * limit**2 * (2**0.5 - 1), rel=1e-6)
        # Far beyond c: 2 · limit · 100 d², so twice the depth costs four times as much.
        assert float(_one_depth(2.0, c) / _one_depth(1.0, c)) == pytest.approx(4.0, rel=1e-2)
        assert float(_one_depth(2.0, c)) == pytest.approx(3.0 * 2 * limit * 400, rel=1e-2)
        for depth in (0.01, 0.5):
            assert float(_one_depth(depth, 0.0)) == pytest.approx(3.0 * (100 * depth**2) ** 2, rel=1e-6)


def test_robust_penetration_gradient_equals_finite_differences() -> None:
    with jax.enable_x64(True):
        rng = np.random.default_rng(2)
        surface, weight = jnp.asarray(rng.normal(0, 0.05, (6, 3))), jnp.asarray(rng.uniform(0, 4, 6))
        inside, direction = rng.normal(0, 0.05, (6, 3)), rng.normal(size=(6, 3))
        inside[0] = surface[0]  # no depth

        def loss(t: jax.Array) -> jax.Array:
            return penetration_loss(inside + t * direction, surface, weight, 0.05)

        numeric = (loss(1e-6) - loss(-1e-6)) / 2e-6
        assert float(jax.grad(loss)(0.0)) == pytest.approx(float(numeric), rel=1e-6)


def test_total_is_the_weighted_sum_in_the_order_of_terms() -> None:
    assert TERMS == ("keypoints", "contact", "initial_pose", "pose_prior", "shape_prior", "penetration", "heuristic")
    weights = Weights(**{term: float(10**i) for i, term in enumerate(TERMS)})
    terms = {term: jnp.float32(i + 1) for i, term in enumerate(TERMS)}
    total, each = weighted_total(weights, terms)
    np.testing.assert_allclose(each, [(i + 1) * 10.0**i for i in range(7)], rtol=1e-6)
    assert float(total) == pytest.approx(7654321.0)


def test_absent_terms_are_zero_and_unweighted_terms_do_not_count() -> None:
    total, each = weighted_total(Weights(contact=2.0), {"contact": jnp.float32(3.0), "keypoints": jnp.float32(100.0)})
    np.testing.assert_array_equal(each, [0.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert float(total) == 6.0


def test_total_under_vmap_takes_each_scene_its_weights() -> None:
    weights = Weights(contact=jnp.array([1.0, 0.0]), heuristic=jnp.array([0.0, 5.0]))
    terms = {"contact": jnp.array([2.0, 2.0]), "heuristic": jnp.array([3.0, 3.0])}
    axes = Weights(keypoints=None, contact=0, initial_pose=None, pose_prior=None, shape_prior=None, penetration=None,
                   heuristic=0)  # fmt: skip
    total, _ = jax.vmap(weighted_total, in_axes=(axes, 0))(weights, terms)
    np.testing.assert_array_equal(total, [2.0, 15.0])


def test_gradient_of_the_total_is_the_weights() -> None:
    weights = Weights(**{term: float(i + 1) for i, term in enumerate(TERMS)})
    gradient = jax.grad(lambda terms: weighted_total(weights, terms)[0])({term: jnp.float32(0.5) for term in TERMS})
    assert {term: float(value) for term, value in gradient.items()} == {t: i + 1.0 for i, t in enumerate(TERMS)}
