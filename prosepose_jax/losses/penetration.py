"""The price of vertices inside the other person (docs/method.md, "Other terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Scale of the squared distance in m², as published: 10 cm cost 1, 1 cm costs 1e-4.
DEPTH_SCALE = 100.0


def penetration_loss(inside: jax.Array, surface: jax.Array, weight: jax.Array, robust_m: float = 0.0) -> jax.Array:
    """Sum of (100 · d²)² over inside vertices, d the distance in metres to the nearest surface vertex.

    With `robust_m` = c > 0 the price grows with d⁴ up to about c and with d² beyond (pseudo-Huber in 100 d²): a body
    that starts deep inside another one is pushed out and not thrown.

    Args:
      inside: (n, 3) vertices found inside the other mesh.
      surface: (n, 3) the other mesh's vertex nearest to each.
      weight: (n,) 0 on padding; above 1 where one vertex stands for several.
      robust_m: c in metres; 0: as published.
    """
    depth = DEPTH_SCALE * jnp.sum((inside - surface) ** 2, axis=-1)
    if robust_m > 0:
        limit = DEPTH_SCALE * robust_m**2
        return jnp.sum(weight * 2.0 * limit**2 * (jnp.sqrt(1.0 + (depth / limit) ** 2) - 1.0))
    return jnp.sum(weight * depth**2)
