"""The penetration term by hand (docs/method.md, "Other terms")."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.fitting.objective import elements_energy
from prosepose_jax.terms.base import Elements
from prosepose_jax.terms.penetration import depth_kernel, squared_depth


def _cost(depths: list[float], weights: list[float], robust_m: float = 0.0) -> float:
    points = jnp.zeros((1, len(depths), 2, 3)).at[0, :, 0, 1].set(jnp.asarray(depths, jnp.float32))
    part = Elements((), jnp.asarray([weights], jnp.float32), residual=squared_depth, kernel=depth_kernel)
    return float(elements_energy(part, points, jnp.float32(robust_m)))


def test_penetration_by_hand() -> None:
    for depth, cost in ((0.1, 1.0), (0.01, 1e-4), (0.2, 16.0)):
        assert _cost([depth], [1.0]) == pytest.approx(cost, rel=1e-5)
    # The third is padding; the second stands for four.
    assert _cost([0.1, 0.1, 8.0], [1.0, 4.0, 0.0]) == pytest.approx(5.0, rel=1e-5)


def test_robust_penetration_is_quartic_when_shallow_and_quadratic_when_deep() -> None:
    c = 0.05
    for depth in (0.0, 0.002, 0.01):
        assert _cost([depth], [3.0], c) == pytest.approx(3.0 * (100 * depth**2) ** 2, rel=2e-3, abs=1e-12)
    limit = 100 * c**2
    assert _cost([c], [3.0], c) == pytest.approx(3.0 * 2 * limit**2 * (2**0.5 - 1), rel=1e-5)
    # Far beyond c: 2 · limit · 100 d², so twice the depth costs four times as much.
    assert _cost([2.0], [1.0], c) / _cost([1.0], [1.0], c) == pytest.approx(4.0, rel=1e-2)
    assert _cost([2.0], [3.0], c) == pytest.approx(3.0 * 2 * limit * 400, rel=1e-2)
    assert np.isfinite(_cost([100.0], [1.0], c))
