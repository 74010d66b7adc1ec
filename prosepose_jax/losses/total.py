"""The one place where the terms are weighted and added up."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

TERMS = ("keypoints", "contact", "initial_pose", "pose_prior", "shape_prior", "penetration", "heuristic")


@struct.dataclass
class Weights:
    """Weight of each term; arrays, so that scenes of one batch may differ (the fallback's do)."""

    keypoints: jax.Array | float = 0.0
    contact: jax.Array | float = 0.0
    initial_pose: jax.Array | float = 0.0
    pose_prior: jax.Array | float = 0.0
    shape_prior: jax.Array | float = 0.0
    penetration: jax.Array | float = 0.0
    heuristic: jax.Array | float = 0.0

    @classmethod
    def of(cls, row: jax.Array) -> Weights:
        """The weights of a row (7,) in the order of TERMS."""
        return cls(**dict(zip(TERMS, row, strict=True)))


def weighted_total(weights: Weights, terms: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """The energy and its weighted terms in the order of TERMS (absent terms are 0).

    Args:
      weights: scalars per term.
      terms: unweighted scalars by name.

    Returns:
      () total and (7,) weighted terms.
    """
    values = jnp.stack([jnp.asarray(getattr(weights, t) * terms.get(t, 0.0), jnp.float32) for t in TERMS])
    return jnp.sum(values), values
