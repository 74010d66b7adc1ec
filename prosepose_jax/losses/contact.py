"""How the distance of a touching pair counts (docs/method.md, "Robust terms")."""

from __future__ import annotations

import jax


def robust_distance(distance: jax.Array, scale_m: float = 0.0) -> jax.Array:
    """d / (1 + d / c): the distance itself when small, never more than c.

    An imagined contact between parts far apart then pulls little, while parts that nearly touch are drawn together.

    Args:
      distance: (...) m.
      scale_m: c in metres; 0: the plain distance, as published.
    """
    return distance / (1.0 + distance / scale_m) if scale_m > 0 else distance
