"""Where a regressor puts people: depth, size over depth, across the view (docs/method.md, "Stated errors")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.terms.base import Context, OnBody, SceneReading, Term
from prosepose_jax.terms.estimate_shape import SizeMap, each, size_map


@struct.dataclass
class PelvisMap:
    """The pelvis of the rest pose, about which the whole person turns."""

    template: jax.Array  # (3,) m
    shape_dirs: jax.Array  # (3, B)
    kid_dir: jax.Array  # (3,)
    sizes: SizeMap

    def pelvis(self, params: BodyParams) -> jax.Array:
        """(3,) of one person in the camera frame, m."""
        return params.transl + self.template + self.shape_dirs @ params.betas + self.kid_dir * params.kid_scale


def pelvis_map(body: BodyModel) -> PelvisMap:
    """The map of a body whose first ten betas are used."""
    count = min(10, body.num_betas)
    return PelvisMap(
        body.joint_template[0], body.joint_shape_dirs[0][..., :count], body.joint_kid_dir[0], size_map(body)
    )


@struct.dataclass
class PlaceEstimate:
    """P estimated people and how sure their places are."""

    params: BodyParams
    depth_share: jax.Array  # (P,)
    size_over_depth_share: jax.Array  # (P,)
    across_m: jax.Array  # (P,)


# Nearer than this nobody is: keeps logarithms finite while a step is tried.
_NEAREST_M = 0.05


def _placed(params: BodyParams, data: tuple[PelvisMap, PlaceEstimate]) -> jax.Array:
    """(4,) in standard deviations."""
    maps, estimate = data
    now, then = maps.pelvis(params), maps.pelvis(estimate.params)
    depth, first = jnp.maximum(now[2], _NEAREST_M), jnp.maximum(then[2], _NEAREST_M)
    further = jnp.log(depth / first)
    taller = jnp.log(maps.sizes.stature_of(params) / maps.sizes.stature_of(estimate.params))
    across = first * (now[:2] / depth - then[:2] / first)
    return jnp.concatenate(
        [
            (further / estimate.depth_share)[None],
            ((taller - further) / estimate.size_over_depth_share)[None],
            across / estimate.across_m,
        ]
    )


@dataclasses.dataclass(frozen=True)
class EstimatePlace(Term):
    """Squares of log depth, log stature over depth and place across the view, in standard deviations.

    A picture shows size over depth; who is taken for too tall is therefore put too far away, and the two errors go
    together.
    """

    name: str = "estimate_place"

    def prepare_body(self, body: BodyModel, prior: Any) -> PelvisMap:
        return pelvis_map(body)

    def prepare_scene(self, reading: SceneReading) -> PlaceEstimate:
        errors, people = reading.errors, len(reading.initial.transl)
        sds: dict[str, Any] = {
            name: np.full(people, errors[name], np.float32)
            for name in ("depth_share", "size_over_depth_share", "across_m")
        }
        return PlaceEstimate(params=reading.initial, **sds)

    def elements(self, context: Context) -> Sequence[OnBody]:
        return [OnBody((each(context.mine, context.num_people), context.data), residual=_placed)]
