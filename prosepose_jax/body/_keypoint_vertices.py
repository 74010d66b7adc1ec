"""The eleven face and foot keypoint vertices of any body (inside of `body.regions`; numpy only)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prosepose_jax.body import _landmarks as lm
from prosepose_jax.body import _mesh_labels as mesh
from prosepose_jax.body._landmarks import LEFT, RIGHT, Skeleton, read_skeleton
from prosepose_jax.errors import InputError

# Lengths on the head in units of the head joint's distance from the crown.
_EYE_ABOVE_NOSE, _EYE_ASIDE, _EYE_RADIUS = 0.22, 0.20, 0.10
_EAR_BAND = 0.25  # half-height of the band around nose and eyes in which the ear is looked for


def compute_keypoint_vertices(
    v_template: np.ndarray,
    faces: np.ndarray,
    weights: np.ndarray,
    joints: np.ndarray,
    parents: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """Nose, eyes, ears, toes and heels of a body, found by shape (docs/method.md, "Body model").

    Args:
      v_template: (V, 3) rest vertices, m.
      faces: (F, 3) vertex ids.
      weights: (V, J) skinning weights; J = 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X).
      joints: (J, 3) rest joints, m.
      parents: (J,) parent of each joint, the root's negative or out of range.

    Returns:
      (11,) int64 vertex ids in the order of `body.keypoints.KEYPOINT_VERTEX_NAMES`.

    Raises:
      InputError: a body without vertices that follow its head or one of its feet.
    """
    vertices = np.asarray(v_template, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    skeleton = read_skeleton(joints, parents)
    used = np.zeros(len(vertices), dtype=bool)
    used[np.asarray(faces)] = True
    # Eyeballs lie in front of the lids' rim on some meshes and behind it on others: only the skin is searched.
    edges = mesh.mesh_edges(np.asarray(faces).astype(np.int64))
    _, piece, size = np.unique(mesh.components(len(vertices), edges), return_inverse=True, return_counts=True)
    skin = used & (size == size.max())[piece]

    def belongs(joint: int, what: str) -> np.ndarray:
        ids = np.flatnonzero(skin & (weights[:, skeleton.subtree(joint)].sum(axis=1) >= 0.5))
        if not len(ids):
            raise InputError(f"weights: expected vertices that follow joint {joint} ({what}), found none")
        return ids

    face = _face(vertices, belongs(lm.HEAD, "head"), skeleton)
    feet = [_foot(vertices, belongs(lm.ANKLE[side], "ankle"), skeleton, side) for side in (LEFT, RIGHT)]
    return np.array([*face, *feet[LEFT], *feet[RIGHT]], dtype=np.int64)


def _face(vertices: np.ndarray, ids: np.ndarray, skeleton: Skeleton) -> list[int]:
    """Nose, right eye, left eye, right ear, left ear."""
    points = vertices[ids]
    height, depth, across = points @ skeleton.up, points @ skeleton.forward, skeleton.across(points)
    base = skeleton.joints[lm.HEAD] @ skeleton.up
    size = height.max() - base
    # The tip of the nose: foremost near the middle plane, above the lips and chin, below the forehead.
    middle = np.abs(across) < 0.12 * size
    nose_band = middle & (height > base - 0.2 * size) & (height < base + 0.65 * size)
    nose = _best(depth, nose_band)
    eyes, ears = [], []
    for side in (RIGHT, LEFT):
        sign = 1.0 if side == LEFT else -1.0
        if len(skeleton.parents) == 55:
            eye = skeleton.joints[23 + side]
            eye_height, eye_across = eye @ skeleton.up, float(skeleton.across(eye[None])[0])
        else:
            eye_height, eye_across = height[nose] + _EYE_ABOVE_NOSE * size, sign * _EYE_ASIDE * size
        offset = np.hypot(height - eye_height, across - eye_across)
        # Foremost with a pull to the eye's centre, or the bridge of the nose and the brow would win.
        # A coarse mesh may have no vertex that close: then the pull alone decides among the front ones.
        front = depth >= np.median(depth)
        close = front & (offset < _EYE_RADIUS * size)
        eyes.append(_best(depth - 2.0 * offset, close if close.any() else front))
        band = np.abs(height - 0.5 * (height[nose] + eye_height)) < _EAR_BAND * size
        ears.append(_best(sign * across, band))
    return [int(ids[k]) for k in (nose, *eyes, *ears)]


def _foot(vertices: np.ndarray, ids: np.ndarray, skeleton: Skeleton, side: int) -> list[int]:
    """Big toe tip, small toe tip, back of the heel."""
    ankle, ball = skeleton.joints[lm.ANKLE[side]], skeleton.joints[lm.FOOT[side]]
    along = ball - ankle
    along = mesh.unit(along - (along @ skeleton.up) * skeleton.up)
    outward = skeleton.outward(side)
    outward = mesh.unit(outward - (outward @ along) * along)
    points = vertices[ids] - ankle
    reach, aside, height = points @ along, points @ outward, points @ skeleton.up
    length = np.ptp(reach)
    forefoot = reach > reach.max() - 0.3 * length
    inner, outer = aside[forefoot].min(), aside[forefoot].max()
    # The second toe may be the longer one: only the inner third counts.
    big = _best(reach, forefoot & (aside <= inner + (outer - inner) / 3))
    # The toes' tips lie on a slant, the small one furthest along forward-and-outward.
    small = _best(reach + 1.5 * aside, forefoot)
    heel = _best(-reach, height < 0.5 * height.min())
    return [int(ids[k]) for k in (big, small, heel)]


def _best(score: np.ndarray, allowed: np.ndarray) -> int:
    """Index of the highest score among the allowed (all, when none is)."""
    return int(np.argmax(np.where(allowed, score, -np.inf))) if allowed.any() else int(np.argmax(score))
