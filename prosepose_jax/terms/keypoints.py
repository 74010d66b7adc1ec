"""Distance between projected and detected keypoints (docs/method.md, "Other terms")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.keypoints import BODY25_SOURCE
from prosepose_jax.camera import project
from prosepose_jax.terms import kernels
from prosepose_jax.terms.base import Context, Elements, End, SceneReading, Term
from prosepose_jax.terms.points import gather_rows, joint_rows

# Side of the normalised person box in which squared distances are measured, px.
NORMALISED_SIZE_PX = 512.0
_JOINTS = BODY25_SOURCE[BODY25_SOURCE >= 0]
# BODY_25 keypoints in the order in which they are posed: the eleven vertices, then the joints.
_ORDER = np.concatenate([np.argsort(-BODY25_SOURCE)[-11:], np.flatnonzero(BODY25_SOURCE >= 0)])


def keypoint_scale(box_px: np.ndarray) -> np.ndarray:
    """Factor per person (P,) that brings its box (larger side (P,), px) to 512 px; 0 without a box."""
    box = np.asarray(box_px, np.float64)
    return np.divide(NORMALISED_SIZE_PX, box, out=np.zeros_like(box), where=box > 0).astype(np.float32)


@struct.dataclass
class KeypointTargets:
    """Detected keypoints of P people."""

    pixels: jax.Array  # (P, 25, 2)
    confidence: jax.Array  # (P, 25), 0 = left out
    scale: jax.Array  # (P,) from `keypoint_scale`
    beyond: jax.Array  # (P, 25, 2), as `SceneReading.beyond`


def keypoint_error(points: jax.Array, data: tuple[jax.Array, ...]) -> jax.Array:
    """Error (2,) of one keypoint (1, 3) in the 512-px person box; none beyond an edge at which it was found."""
    pixels, scale, beyond, focal_px, principal_px = data
    error = project(points, focal_px, principal_px)[0] - pixels
    return jnp.where(error * beyond > 0, 0.0, error) * scale


@dataclasses.dataclass(frozen=True)
class Keypoints(Term):
    """Σ confidence · ρ(|projected − detected|²), pixels of a 512-px person box (docs/method.md, "Other terms")."""

    name: str = "keypoints"
    scale_field: str = "keypoints.robust_px"

    def prepare_scene(self, reading: SceneReading) -> KeypointTargets:
        seen = reading.keypoints
        leaves: dict[str, Any] = {
            "pixels": seen[..., :2],
            "confidence": seen[..., 2],
            "scale": keypoint_scale(reading.box_px),
            "beyond": reading.beyond,
        }
        return KeypointTargets(**leaves)

    def elements(self, context: Context) -> Sequence[Elements]:
        body, targets, people = context.body, context.data, context.num_people

        def rows(params):
            vertices = gather_rows(body, params, body.keypoint_vertices)
            return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), vertices, joint_rows(body, params, _JOINTS))

        def each(value: jax.Array) -> jax.Array:
            return jnp.broadcast_to(value, (people, len(_ORDER), *value.shape[2:]))

        camera = context.camera
        data = (
            targets.pixels[:, _ORDER],
            each(targets.scale[:, None]),
            targets.beyond[:, _ORDER],
            each(camera.focal_px[None, None]),
            each(camera.principal_px[None, None]),
        )
        end = End(jax.vmap(rows)(context.params), whose=tuple(range(people)))
        weight = targets.confidence[:, _ORDER]
        return [Elements((end,), weight, data, residual=keypoint_error, kernel=kernels.geman_mcclure)]
