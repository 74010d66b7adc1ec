"""Where further attempts at a scene begin (docs/method.md, "People inside each other", "Bodies under strain")."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from prosepose_jax.camera.pinhole import MIN_DEPTH_M
from prosepose_jax.fitting.ways_out import ways_out
from prosepose_jax.scene import Fit
from prosepose_jax.terms.points import MOVABLE

if TYPE_CHECKING:
    from prosepose_jax.body import BodyModel
    from prosepose_jax.body.measurements import ShapeMeasures

Moving = dict[str, np.ndarray]
"""What moves of people, by the names of MOVABLE."""


def drawn_apart(body: BodyModel, fit: Fit, gap_m: float) -> list[Moving]:
    """The fit's people, those two drawn apart who are farthest inside each other.

    Args:
      body: the body model.
      fit: how they ended.
      gap_m: metres that are left between the two.

    Returns:
      Of each way out what moves of all people (numpy, (P, …)); nobody is put behind the camera.
    """
    ids, faces = np.asarray(body.lowres.vertex_ids), np.asarray(body.lowres.faces)
    surfaces = np.asarray(fit.vertices, np.float64)[:, ids]
    pairs = itertools.combinations(range(len(surfaces)), 2)
    found = [(a, b, ways_out(surfaces[a], surfaces[b], faces)) for a, b in pairs]
    a, b, ways = max(found, key=lambda pair: pair[2][0].distance_m if pair[2] else 0.0)
    starts = []
    for way in ways:
        start = _people_of(fit)
        half = 0.5 * (way.distance_m + gap_m) * way.direction
        start["transl"][a] += half
        start["transl"][b] -= half
        starts.append(start)
    return _before_the_camera(starts)


def other_depths(
    body: BodyModel, measures: ShapeMeasures, fit: Fit, estimated_betas: np.ndarray, shift_m: float
) -> list[Moving]:
    """The fit's people with one farther from the camera than it ended, the others nearer, and the other way round.

    People move along their rays and grow with their depth, so that the picture stays what it is. The one is whose
    surface is farthest from the estimated shape.

    Args:
      body: the body model.
      measures: of its B betas.
      fit: how they ended.
      estimated_betas: (P, B).
      shift_m: metres by which the difference of their depths changes.

    Returns:
      Of each start what moves of all people (numpy, (P, …)); nobody is put behind the camera.
    """
    assert fit.betas is not None and fit.joints is not None and fit.kid_scale is not None
    betas = np.asarray(fit.betas, np.float64)
    off = (betas - estimated_betas) @ np.asarray(measures.surface, np.float64).T
    signs = np.full(len(betas), -1.0)
    signs[np.argmax(np.linalg.norm(off, axis=1))] = 1.0
    statures = np.array([float(measures.of(*person)[0]) for person in zip(fit.betas, fit.kid_scale, strict=True)])
    pelvises = np.asarray(fit.joints, np.float64)[:, 0]
    grown = np.asarray(measures.taller(), np.float64)
    rest_dirs = np.asarray(body.joint_shape_dirs, np.float64)[0, :, : betas.shape[1]]
    starts = []
    for way in (1.0, -1.0):
        growth = 0.5 * shift_m * way * signs / pelvises[:, 2]
        taller = (growth * statures)[:, None] * grown
        start = _people_of(fit)
        start["betas"] += taller.astype(np.float32)
        # The pelvis of the rest pose moves with the shape too.
        start["transl"] += (growth[:, None] * pelvises - taller @ rest_dirs.T).astype(np.float32)
        starts.append(start)
    return _before_the_camera(starts)


def _people_of(fit: Fit) -> Moving:
    """A copy of what moves of a fit's people."""
    return {name: np.array(getattr(fit, name), np.float32) for name in MOVABLE}


def _before_the_camera(starts: list[Moving]) -> list[Moving]:
    return [start for start in starts if start["transl"][:, 2].min() > MIN_DEPTH_M]
