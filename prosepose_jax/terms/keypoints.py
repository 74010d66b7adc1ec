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


def keypoint_scale(keypoints: np.ndarray) -> np.ndarray:
    """Factor per person that brings the keypoints' bounding box (larger side) to 512 px.

    Args:
      keypoints: (P, 25, 3) x, y, confidence; confidence 0 is missing.

    Returns:
      (P,) scales; 0 for a person without two distinct visible keypoints.
    """
    scales = []
    for person in np.asarray(keypoints, np.float64):
        seen = person[person[:, 2] > 0, :2]
        size = float(np.max(np.ptp(seen, axis=0))) if len(seen) else 0.0
        scales.append(NORMALISED_SIZE_PX / size if size > 0 else 0.0)
    return np.array(scales, np.float32)


@struct.dataclass
class KeypointTargets:
    """Detected keypoints of P people."""

    pixels: jax.Array  # (P, 25, 2)
    confidence: jax.Array  # (P, 25), 0 = left out
    scale: jax.Array  # (P,) from `keypoint_scale`


def keypoint_error(points: jax.Array, data: tuple[jax.Array, ...]) -> jax.Array:
    """Error (2,) of one keypoint (1, 3) in the 512-px person box."""
    pixels, scale, focal_px, principal_px = data
    return (project(points, focal_px, principal_px)[0] - pixels) * scale


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
            "scale": keypoint_scale(reading.scene.keypoints),
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
            each(camera.focal_px[None, None]),
            each(camera.principal_px[None, None]),
        )
        end = End(jax.vmap(rows)(context.params), whose=tuple(range(people)))
        weight = targets.confidence[:, _ORDER]
        return [Elements((end,), weight, data, residual=keypoint_error, kernel=kernels.geman_mcclure)]
