"""Robust kernels: how a squared residual s = |r|² counts, ρ(s), each stated once (docs/method.md, "Robust terms").

All of them grow with s and none has a larger slope than at 0, so that replacing the energy by its tangent in s is a
majoriser and the curvature 2 ρ'(s) JᵀJ stays positive semi-definite. The scale c comes as an array; 0 switches the
robustness off without another compilation. docs/method.md, "Robust terms"; Black and Rangarajan (1996).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Below this squared distance a distance is taken as it: its slope by s has no limit at 0.
SMALLEST = 1e-12


def plain(s: jax.Array, scale: jax.Array) -> jax.Array:
    """s itself: least squares."""
    return s


def geman_mcclure(s: jax.Array, scale: jax.Array) -> jax.Array:
    """c² s / (c² + s): like s for small residuals, never more than c² (Geman and McClure 1987)."""
    return s / (1.0 + s * _inverse(scale) ** 2)


def saturating_distance(s: jax.Array, scale: jax.Array) -> jax.Array:
    """d / (1 + d / c) with d = √s: the distance itself when small, never more than c."""
    distance = jnp.sqrt(jnp.maximum(s, SMALLEST))
    return distance / (1.0 + distance * _inverse(scale))


def pseudo_huber(s: jax.Array, scale: jax.Array) -> jax.Array:
    """2 c² (√(1 + s / c²) − 1): like s up to about c², with √s beyond (Charbonnier et al. 1994)."""
    # The same without the difference of nearly equal numbers, and with c = ∞ as a plain value.
    return 2.0 * s / (1.0 + jnp.sqrt(1.0 + s * _inverse(scale) ** 2))


def _inverse(scale: jax.Array) -> jax.Array:
    """1 / c, and 0 where the scale is 0: not robust."""
    used = scale > 0
    return jnp.where(used, 1.0 / jnp.where(used, scale, 1.0), 0.0)
