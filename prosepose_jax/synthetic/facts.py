"""What is true of a scene beyond touch, in the words of the second table (language/vocabulary.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prosepose_jax.body.keypoints import Body25

Facts = dict[str, tuple[str, ...]]
"""{question: the value of each person, "" where there is none}."""

_MUCH_TALLER, _TALLER = 1.15, 1.03  # ratio of statures
_NEARER_M = 0.15  # difference in depth of the pelvises
_CHILD = 0.2  # kid_scale from which on a person is told to be a child
# How high over the floor a keypoint is whose part rests on it, m: joints lie inside the body.
_RESTS_M = {"feet": 0.1, "knees": 0.13, "seat": 0.22, "back": 0.22, "hands": 0.13}
_FEET = (Body25.LEFT_BIG_TOE, Body25.RIGHT_BIG_TOE, Body25.LEFT_HEEL, Body25.RIGHT_HEEL)
_RESTING = {
    "feet": _FEET, "knees": (Body25.LEFT_KNEE, Body25.RIGHT_KNEE), "seat": (Body25.MID_HIP,), "back": (Body25.NECK,),
    "hands": (Body25.LEFT_WRIST, Body25.RIGHT_WRIST),
}  # fmt: skip
_CROUCHING = 0.42  # height of the hips, share of the stature, below which nobody stands
_TOWARDS = 0.5  # cosine between where the chest looks and where the other is


def facts_about(
    keypoints: np.ndarray,
    floor: tuple[np.ndarray, np.ndarray],
    statures: np.ndarray,
    kid_scale: np.ndarray,
    pelvis: np.ndarray,
) -> Facts:
    """The facts of a scene of one or two people.

    Args:
      keypoints: (P, 25, 3) m, BODY_25 in the camera frame.
      floor: a point of it and its upward normal.
      statures: (P,) m.
      kid_scale: (P,).
      pelvis: (P, 3) m.
    """
    above = (keypoints - floor[0]) @ floor[1]  # (P, 25) m
    resting = [{part for part, ids in _RESTING.items() if row[list(ids)].min() < _RESTS_M[part]} for row in above]
    facts: Facts = {
        f"rests on {part}": tuple("yes" if part in parts else "no" for parts in resting) for part in _RESTING
    }
    facts["age"] = tuple("child" if scale > _CHILD else "adult" for scale in kid_scale)
    facts["carried by"] = tuple("floor" if parts else "other person" for parts in resting)
    facts["posture"] = tuple(
        _posture(parts, float(row[Body25.MID_HIP]) / stature)
        for parts, row, stature in zip(resting, above, statures, strict=True)
    )
    if len(keypoints) == 2:
        facts["height"] = _height(float(statures[0] / statures[1]))
        behind = float(pelvis[0, 2] - pelvis[1, 2])
        facts["distance to the camera"] = _relation(behind, _NEARER_M, ("nearer", "same", "farther"))
        facts["faces"] = tuple(_faces(keypoints[k], keypoints[1 - k]) for k in range(2))
    return facts


def _posture(resting: set[str], hips: float) -> str:
    if not resting:
        return ""
    if "back" in resting:
        return "lying"
    if "seat" in resting:
        return "sitting"
    if "knees" in resting:
        return "kneeling"
    return "crouching" if hips < _CROUCHING else "standing"


def _height(ratio: float) -> tuple[str, str]:
    much = _relation(np.log(ratio), np.log(_MUCH_TALLER), ("much shorter", "", "much taller"))
    return much if all(much) else _relation(np.log(ratio), np.log(_TALLER), ("shorter", "same", "taller"))


def _relation(difference: float, limit: float, words: Sequence[str]) -> tuple[str, str]:
    """The words for the first and the second person: below, about the same, above."""
    place = int(difference > limit) - int(difference < -limit)
    return words[1 + place], words[1 - place]


def _faces(own: np.ndarray, other: np.ndarray) -> str:
    left = own[Body25.LEFT_SHOULDER] - own[Body25.RIGHT_SHOULDER]
    forward = np.cross(left, own[Body25.NECK] - own[Body25.MID_HIP])
    way = other[Body25.MID_HIP] - own[Body25.MID_HIP]
    cosine = float(forward @ way) / max(float(np.linalg.norm(forward) * np.linalg.norm(way)), 1e-9)
    if abs(cosine) < _TOWARDS:
        return "sideways"
    return "towards the other" if cosine > 0 else "away from the other"
