"""Poses that people take: SMPLify's Gaussian mixture as a term (docs/method.md, "Other terms")."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.terms.base import Context, OnBody, Term
from prosepose_jax.terms.mixture import PosePrior, component_costs


@struct.dataclass
class Component:
    """The likeliest component of one person's pose."""

    mean: jax.Array  # (63,)
    whitening: jax.Array  # (63, 63)
    precision: jax.Array  # (63, 63)
    offset: jax.Array  # ()


def _likeliest(prior: PosePrior, body_pose: jax.Array) -> Component:
    """Components (P, …) at poses (P, 21, 3), without gradient: a minimum's gradient is that of its argument."""
    best = jnp.argmin(jax.lax.stop_gradient(component_costs(prior, body_pose)), axis=-1)
    return Component(prior.means[best], prior.whitening[best], prior.precision[best], prior.offsets[best])


def _white(params: BodyParams, component: Component) -> jax.Array:
    return math.sqrt(0.5) * (component.whitening @ (params.body_pose.reshape(-1) - component.mean))


def _quadratic(params: BodyParams, component: Component) -> dict[str, tuple[jax.Array, jax.Array]]:
    off = params.body_pose.reshape(-1) - component.mean
    return {"body_pose": (component.precision @ off, component.precision)}


def _offset(params: BodyParams, component: Component) -> jax.Array:
    return component.offset


@dataclasses.dataclass(frozen=True)
class PosePriorTerm(Term):
    """Negative log-likelihood of the likeliest component, summed over people."""

    name: str = "pose_prior"

    def prepare_body(self, body: BodyModel, prior: Any) -> PosePrior:
        return prior

    def elements(self, context: Context) -> Sequence[OnBody]:
        component = _likeliest(context.mine, context.params.body_pose)
        return [OnBody(component, residual=_white, constant=_offset, quadratic=_quadratic)]
