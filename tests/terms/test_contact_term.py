"""How a touching pair's distance counts (docs/method.md, "Robust terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.fitting.objective import elements_energy
from prosepose_jax.terms import kernels
from prosepose_jax.terms.base import Elements
from prosepose_jax.terms.contact import distance

DISTANCES = np.array([1e-4, 0.01, 0.3, 2.0, 1e3])


def _cost(distances: np.ndarray, scale_m: float, weight: float = 1.0) -> np.ndarray:
    """The term of one pair at each distance."""

    def one(d: jax.Array) -> jax.Array:
        points = jnp.zeros((1, 1, 2, 3)).at[0, 0, 1].set(d * jnp.array([0.6, 0.0, 0.8]))
        part = Elements((), jnp.full((1, 1), weight), residual=distance, kernel=kernels.saturating_distance)
        return elements_energy(part, points, jnp.float32(scale_m))

    return np.asarray(jax.vmap(one)(jnp.asarray(distances, jnp.float32)))


def test_contact_by_hand() -> None:
    np.testing.assert_allclose(_cost(DISTANCES, 0.0), DISTANCES, rtol=1e-5)  # 0: the distance itself
    np.testing.assert_allclose(_cost(DISTANCES, 0.3, 2.5), 2.5 * DISTANCES / (1 + DISTANCES / 0.3), rtol=1e-5)


def test_heuristic_by_hand() -> None:
    """Its residual is the same distance, counted as a square."""
    points = jnp.zeros((1, 1, 2, 3)).at[0, 0, 1, 2].set(0.3)
    part = Elements((), jnp.ones((1, 1)), residual=distance)
    assert float(elements_energy(part, points, jnp.float32(0.0))) == pytest.approx(0.09, rel=1e-5)


def test_none_counts_more_than_the_scale() -> None:
    value = _cost(DISTANCES, 0.3)
    assert value[2] == pytest.approx(0.15, rel=1e-6)  # half of the scale at the scale
    assert np.all(np.diff(value) > 0) and np.all(value < 0.3) and value[-1] > 0.2999
