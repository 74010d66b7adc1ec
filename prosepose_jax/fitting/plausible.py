"""Whether a fit shows people in front of a camera: a last look before it is written."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from prosepose_jax.scene import Fit

# Far beyond every photograph of people, and far below what a broken estimate comes to.
SMALLEST_M, LARGEST_M = 0.1, 5.0
FARTHEST_M = 10_000.0

_ARRAYS = (
    "global_orient", "body_pose", "betas", "transl", "vertices", "joints", "initial_vertices", "initial_joints",
    "losses", "steps", "kid_scale",
)  # fmt: skip


def checked(fit: Fit) -> Fit:
    """The fit, or a failed one without arrays when it shows no person in front of a camera."""
    reason = _absurd(fit)
    if not reason:
        return fit
    nothing: dict[str, Any] = dict.fromkeys(_ARRAYS)
    return dataclasses.replace(
        fit, status=f"failed: no person in front of a camera: {reason}", loss_terms=(), **nothing
    )


def _absurd(fit: Fit) -> str:
    if not fit.ok or fit.vertices is None:
        return ""
    for person, vertices in enumerate(np.asarray(fit.vertices, np.float64)):
        if not np.isfinite(vertices).all():
            return f"person {person} has vertices that are no numbers"
        size = float((vertices.max(axis=0) - vertices.min(axis=0)).max())
        if not SMALLEST_M <= size <= LARGEST_M:
            return f"person {person} measures {size:.3g} m, expected {SMALLEST_M:g} to {LARGEST_M:g} m"
        middle = vertices.mean(axis=0)
        if middle[2] <= 0:
            return f"person {person} stands {-middle[2]:.3g} m behind the camera"
        distance = float(np.linalg.norm(middle))
        if distance > FARTHEST_M:
            return f"person {person} is {distance:.3g} m away, expected at most {FARTHEST_M:,.0f} m"
    return ""
