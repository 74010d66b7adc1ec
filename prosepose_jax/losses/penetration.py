"""The price of vertices inside the other person (docs/method.md, "Other terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Scale of the squared distance in m², as published: 10 cm cost 1, 1 cm costs 1e-4.
_SCALE = 100.0


def penetration_loss(inside: jax.Array, surface: jax.Array, weight: jax.Array) -> jax.Array:
    """Sum of (100 · d²)² over inside vertices, d the distance in metres to the nearest surface vertex.

    Args:
      inside: (n, 3) vertices found inside the other mesh.
      surface: (n, 3) the other mesh's vertex nearest to each.
      weight: (n,) 0 on padding; above 1 where one vertex stands for several.
    """
    squared = jnp.sum((inside - surface) ** 2, axis=-1)
    return jnp.sum(weight * (_SCALE * squared) ** 2)
