"""How far a regressor's rotations are off, of joints and of the whole person (docs/method.md, "Stated errors")."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyParams
from prosepose_jax.body.rotation import axis_angle_to_matrix
from prosepose_jax.terms.base import Context, OnBody, SceneReading, Term

# Error of each body joint 1 to 21 as a share of the typical one: the trunk is seen well, the ends of limbs badly.
JOINT_SHARES = np.array(
    [0.8, 0.8, 0.5, 1.0, 1.0, 0.5, 0.9, 0.9, 0.5, 0.5, 0.5, 0.7, 0.5, 0.5, 0.8, 1.2, 1.2, 1.3, 1.3, 1.0, 1.0]
)


@struct.dataclass
class PoseEstimate:
    """Estimated rotations of P people and how sure they are."""

    rotations: jax.Array  # (P, 22, 3, 3) the whole person, then the body joints
    sharpness: jax.Array  # (P, 22) 1 / sd, 1 / rad


def _rotations(params: BodyParams) -> jax.Array:
    return axis_angle_to_matrix(jnp.concatenate([params.global_orient[None], params.body_pose]))


def _turned(params: BodyParams, estimate: PoseEstimate) -> jax.Array:
    """(22 * 9,) whose square sum is Σ (2 sin(angle / 2) / sd)²: that of the angle in sd, without its seam at π."""
    apart = (_rotations(params) - estimate.rotations) * math.sqrt(0.5)
    return (apart * estimate.sharpness[:, None, None]).reshape(-1)


@dataclasses.dataclass(frozen=True)
class EstimatePose(Term):
    """Σ over joints and the whole person of (angle from the estimate / its standard deviation)²."""

    name: str = "estimate_pose"

    def prepare_scene(self, reading: SceneReading) -> PoseEstimate:
        initial, errors = reading.initial, reading.errors
        sds = np.radians(np.concatenate([[errors["orientation_deg"]], errors["pose_deg"] * JOINT_SHARES]))
        people = len(initial.transl)
        vectors = np.concatenate([np.asarray(initial.global_orient)[:, None], np.asarray(initial.body_pose)], axis=1)
        leaves: dict[str, Any] = {
            "rotations": np.asarray(axis_angle_to_matrix(jnp.asarray(vectors)), np.float32),
            "sharpness": np.tile(1.0 / sds, (people, 1)).astype(np.float32),
        }
        return PoseEstimate(**leaves)

    def elements(self, context: Context) -> Sequence[OnBody]:
        return [OnBody(context.data, residual=_turned)]
