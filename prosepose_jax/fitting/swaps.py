"""Detections whose left and right were exchanged (docs/method.md, "Robust terms").

Keypoint detectors now and then take a person's left leg for the right one, with full confidence. The initial
estimate seldom makes the same mistake, so it tells: where exchanging the sides of a limb brings the detections
clearly nearer to its projection, they are exchanged back before the fit.
"""

from __future__ import annotations

import numpy as np

from prosepose_jax.body.keypoints import Body25

_LIMBS = (
    (
        (Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER),
        (Body25.RIGHT_ELBOW, Body25.LEFT_ELBOW),
        (Body25.RIGHT_WRIST, Body25.LEFT_WRIST),
    ),
    (
        (Body25.RIGHT_KNEE, Body25.LEFT_KNEE),
        (Body25.RIGHT_ANKLE, Body25.LEFT_ANKLE),
        (Body25.RIGHT_BIG_TOE, Body25.LEFT_BIG_TOE),
        (Body25.RIGHT_SMALL_TOE, Body25.LEFT_SMALL_TOE),
        (Body25.RIGHT_HEEL, Body25.LEFT_HEEL),
    ),
)
# The exchanged detections must cost less than this share of what they cost as they are.
_CLEARLY = 0.5


def exchange_swapped_sides(keypoints: np.ndarray, initial_px: np.ndarray) -> np.ndarray:
    """Detections with swapped arms or legs exchanged back.

    Args:
      keypoints: (P, 25, 3 or more) x, y, confidence, and what else goes with a point.
      initial_px: (P, 25, 2) projection of the initial estimate.

    Returns:
      The same shape, new; equal to `keypoints` where nothing looks swapped.
    """
    result = np.array(keypoints)
    for person, estimate in zip(result, np.asarray(initial_px), strict=True):
        for limb in _LIMBS:
            pairs = np.array([[int(a), int(b)] for a, b in limb if person[a, 2] > 0 and person[b, 2] > 0])
            if len(pairs) < 2:  # one pair alone cannot be told from a limb that moved
                continue
            ids, other = pairs.ravel(), pairs[:, ::-1].ravel()
            if _cost(person[other], estimate[ids]) < _CLEARLY * _cost(person[ids], estimate[ids]):
                person[ids] = person[other]
    return result


def _cost(detected: np.ndarray, estimate: np.ndarray) -> float:
    """Confidence-weighted squared distance after removing the common offset, which exchanging does not change."""
    off = detected[:, :2] - estimate
    off = off - off.mean(0)
    return float(np.sum(detected[:, 2] * np.sum(off * off, axis=1)))
