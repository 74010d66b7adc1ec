"""Stay near the pose with which the stage began (docs/method.md, "Other terms")."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from prosepose_jax.body.model import BodyParams
from prosepose_jax.terms.base import Context, OnBody, Term

# How much stiffer the global orientation is held than a joint: regressors see better how a person stands as a whole,
# and where legs lie outside the image nothing else keeps the person upright.
ORIENT_STIFFNESS = 5.0


def _moved(params: BodyParams, start: BodyParams) -> jax.Array:
    pose = (params.body_pose - start.body_pose).reshape(-1)
    return jnp.concatenate([pose, math.sqrt(ORIENT_STIFFNESS) * (params.global_orient - start.global_orient)])


def _quadratic(params: BodyParams, start: BodyParams) -> dict[str, tuple[jax.Array, jax.Array]]:
    pose = (params.body_pose - start.body_pose).reshape(-1)
    orient = params.global_orient - start.global_orient
    return {
        "body_pose": (2.0 * pose, jnp.full_like(pose, 2.0)),
        "global_orient": (2.0 * ORIENT_STIFFNESS * orient, jnp.full_like(orient, 2.0 * ORIENT_STIFFNESS)),
    }


@dataclasses.dataclass(frozen=True)
class InitialPose(Term):
    """Squared distance of body pose and, stiffer, global orientation from the stage's start, rad²."""

    name: str = "initial_pose"

    def elements(self, context: Context) -> Sequence[OnBody]:
        return [OnBody(context.start, residual=_moved, quadratic=_quadratic)]
