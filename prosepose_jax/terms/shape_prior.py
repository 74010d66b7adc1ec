"""Bodies near the mean shape (docs/method.md, "Other terms")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from prosepose_jax.body.model import BodyParams
from prosepose_jax.terms.base import Context, OnBody, Term


def _betas(params: BodyParams, data: None) -> jax.Array:
    return params.betas


def _quadratic(params: BodyParams, data: None) -> dict[str, tuple[jax.Array, jax.Array]]:
    return {"betas": (2.0 * params.betas, jnp.full_like(params.betas, 2.0))}


@dataclasses.dataclass(frozen=True)
class ShapePrior(Term):
    """Squared norm of the shape coefficients."""

    name: str = "shape_prior"

    def elements(self, context: Context) -> Sequence[OnBody]:
        return [OnBody(residual=_betas, quadratic=_quadratic)]
