"""How large people are: about the estimate, and about what people are like (docs/method.md, "Stated errors").

Stated in metres of stature and of the surface besides it, not in betas: the same for every body's shape space.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.measurements import shape_measures
from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.terms.base import Context, OnBody, SceneReading, Term


@struct.dataclass
class SizeMap:
    """Stature and the rest of the shape as linear maps. B betas."""

    mean: jax.Array  # () m, stature of the mean shape
    kid: jax.Array  # () m of stature per unit of child scale
    stature: jax.Array  # (B,) m per unit of beta
    build: jax.Array  # (B, B) of which |build @ betas| is the rms displacement besides the stature, m

    def stature_of(self, params: BodyParams) -> jax.Array:
        """() m of one person."""
        return self.mean + self.stature @ params.betas + self.kid * params.kid_scale


def size_map(body: BodyModel) -> SizeMap:
    """The maps of a body whose first ten betas are used."""
    measures = shape_measures(body, min(10, body.num_betas))
    count = measures.directions.shape[1]
    besides = jnp.eye(count) - jnp.outer(measures.taller(), measures.directions[0])
    return SizeMap(measures.mean[0], measures.kid[0], measures.directions[0], measures.surface @ besides)


@struct.dataclass
class ShapeEstimate:
    """The shape that P people are compared with."""

    betas: jax.Array  # (P, B)
    stature_share: jax.Array  # (P,) sd of the stature, share of it
    build_m: jax.Array  # (P,) sd, m


def _sized(params: BodyParams, data: tuple[SizeMap, ShapeEstimate]) -> jax.Array:
    """(1 + B,) in standard deviations."""
    sizes, estimate = data
    off = params.betas - estimate.betas
    stature = sizes.mean + sizes.stature @ estimate.betas + sizes.kid * params.kid_scale
    taller = (sizes.stature @ off) / (stature * estimate.stature_share)
    return jnp.concatenate([taller[None], sizes.build @ off / estimate.build_m])


@dataclasses.dataclass(frozen=True)
class ShapeAbout(Term):
    """(error of the stature / sd)² + (rms of the rest of the surface / sd)² about one shape.

    A child's scale does not move in a fit, and how large it makes the child is an estimate with an error of its own
    (`child_stature_share`): that widens what either shape says of the child's stature.

    Attributes:
      stature_error: name of the stated standard deviation of the stature, a share of it.
      build_error: of the rest, m.
      about_estimate: whether the shape is the estimated one; False: the mean.
    """

    stature_error: str = ""
    build_error: str = ""
    about_estimate: bool = True

    def prepare_body(self, body: BodyModel, prior: Any) -> SizeMap:
        return size_map(body)

    def prepare_scene(self, reading: SceneReading) -> ShapeEstimate:
        betas: Any = np.asarray(reading.initial.betas, np.float32)
        of_child = np.where(np.asarray(reading.initial.kid_scale) > 0, reading.errors["child_stature_share"], 0.0)
        stature: Any = np.hypot(reading.errors[self.stature_error], of_child).astype(np.float32)
        build: Any = np.full(len(betas), reading.errors[self.build_error], np.float32)
        return ShapeEstimate(betas if self.about_estimate else np.zeros_like(betas), stature, build)

    def elements(self, context: Context) -> Sequence[OnBody]:
        return [OnBody((each(context.mine, context.num_people), context.data), residual=_sized)]


@dataclasses.dataclass(frozen=True)
class EstimateShape(ShapeAbout):
    """About the estimated shape."""

    name: str = "estimate_shape"
    stature_error: str = "stature_share"
    build_error: str = "build_m"


@dataclasses.dataclass(frozen=True)
class PopulationShape(ShapeAbout):
    """About the mean shape: how people differ."""

    name: str = "population_shape"
    stature_error: str = "population_stature_share"
    build_error: str = "population_build_m"
    about_estimate: bool = False


def each(tree: Any, people: int) -> Any:
    """What all people share, with a leading axis (P, …)."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (people, *x.shape)), tree)
