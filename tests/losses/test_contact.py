"""How a touching pair's distance counts (docs/method.md, "Robust terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.losses import robust_distance

DISTANCES = np.array([0.0, 1e-4, 0.01, 0.3, 2.0, 1e3])


def test_zero_scale_is_the_distance_itself() -> None:
    np.testing.assert_array_equal(robust_distance(jnp.asarray(DISTANCES, jnp.float32)), DISTANCES.astype(np.float32))


def test_small_distances_count_fully_and_none_more_than_the_scale() -> None:
    value = np.asarray(robust_distance(jnp.asarray(DISTANCES, jnp.float32), 0.3))
    np.testing.assert_allclose(value[:2], DISTANCES[:2], rtol=1e-3)
    assert value[3] == pytest.approx(0.15, rel=1e-6)  # half of the scale at the scale
    assert np.all(np.diff(value) > 0) and np.all(value < 0.3) and value[-1] > 0.2999


def test_gradient_equals_finite_differences() -> None:
    with jax.enable_x64(True):
        for d in (0.0, 0.02, 0.3, 5.0):
            numeric = (robust_distance(d + 1e-7, 0.3) - robust_distance(d - 1e-7, 0.3)) / 2e-7
            slope = jax.grad(lambda x: robust_distance(x, 0.3))(d)
            assert float(slope) == pytest.approx(float(numeric), rel=1e-6)
