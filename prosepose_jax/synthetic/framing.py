"""What of the people is not in the picture: limbs that things cover, legs below its edge."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from prosepose_jax.body.keypoints import Body25


class Limb(NamedTuple):
    """Body joints (1-21) whose rotation nobody sees when the keypoints are out of sight."""

    joints: tuple[int, ...]
    keypoints: tuple[int, ...]


LIMBS = {
    "left arm": Limb((16, 18, 20), (Body25.LEFT_ELBOW, Body25.LEFT_WRIST)),
    "right arm": Limb((17, 19, 21), (Body25.RIGHT_ELBOW, Body25.RIGHT_WRIST)),
    "left leg": Limb(
        (1, 4, 7), (Body25.LEFT_KNEE, Body25.LEFT_ANKLE, Body25.LEFT_BIG_TOE, Body25.LEFT_SMALL_TOE, Body25.LEFT_HEEL)
    ),
    "right leg": Limb(
        (2, 5, 8),
        (Body25.RIGHT_KNEE, Body25.RIGHT_ANKLE, Body25.RIGHT_BIG_TOE, Body25.RIGHT_SMALL_TOE, Body25.RIGHT_HEEL),
    ),
}
_LEGS = np.array([*LIMBS["left leg"].keypoints, *LIMBS["right leg"].keypoints], int)
_UPPER = np.setdiff1d(np.arange(25), _LEGS)


@dataclasses.dataclass(frozen=True)
class Framing:
    """What is out of sight; by default nothing."""

    covered_limb: float = 0.0  # share of the people one of whose limbs a thing covers
    legs_cut: bool = False  # the picture ends between hips and knees
    found_at_edge: float = 0.0  # points outside by up to this share of the person's size are found at the edge
    least_kept: float = 0.7  # of the other keypoints; where no edge leaves as many, the picture stays whole


ALL_IN_SIGHT = Framing()


class Window(NamedTuple):
    """A part of the picture."""

    origin: tuple[int, int]  # x, y of its corner, px
    size: tuple[int, int]  # width, height


def covered_limbs(people: int, framing: Framing, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Names of each person's covered limbs."""
    draws = [(rng.random(), str(rng.choice(tuple(LIMBS)))) for _ in range(people)]
    return [(name,) if draw < framing.covered_limb else () for draw, name in draws]


def window_without_legs(points: np.ndarray, size: tuple[int, int], least_kept: float) -> Window | None:
    """The part of the picture that shows the most of the people but neither knees nor feet.

    Args:
      points: (P, 25, 2) px, true keypoints.
      size: width, height.
      least_kept: share of the other keypoints that must stay.

    Returns:
      None where every edge that cuts the legs takes too many of the other keypoints.
    """
    legs, upper = points[:, _LEGS].reshape(-1, 2), points[:, _UPPER].reshape(-1, 2)
    width, height = size
    found: list[tuple[float, Window]] = []
    for axis, end in ((1, height), (0, width)):
        for edge, kept in (
            (float(legs[:, axis].min()) - 1.0, upper[:, axis] < legs[:, axis].min() - 1.0),
            (float(legs[:, axis].max()) + 1.0, upper[:, axis] > legs[:, axis].max() + 1.0),
        ):
            before = edge < legs[:, axis].mean()  # what lies before the edge is kept
            low, high = (0, int(np.clip(edge, 0, end))) if before else (int(np.clip(np.ceil(edge), 0, end)), end)
            origin, extent = [0, 0], [width, height]
            origin[axis], extent[axis] = low, high - low
            found.append((float(kept.mean()), Window((origin[0], origin[1]), (extent[0], extent[1]))))
    share, window = max(found, key=lambda entry: entry[0])
    return window if share >= least_kept and min(window.size) > 0 else None


def outside(points: np.ndarray, window: Window) -> np.ndarray:
    """(P, 25) bool: which of (P, 25, 2) px of the whole picture the window leaves out."""
    moved = points - np.array(window.origin)
    return (moved < 0).any(-1) | (moved >= np.array(window.size)).any(-1)


def at_the_edge(points: np.ndarray, window: Window, reach: float, rng: np.random.Generator) -> np.ndarray:
    """Detections (P, 25, 3) of points that the window leaves out by a little, px of the window; confidence 0: none.

    A detector looks for every point of a person inside the picture; for a knee just below it, the best place is the
    last row of thigh that it sees.

    Args:
      points: (P, 25, 2) px of the whole picture.
      window: what is shown.
      reach: how far outside, as a share of the person's size in the whole picture.
      rng: draws the same numbers whatever is outside.
    """
    sizes = np.ptp(points, axis=1).max(-1)
    last = np.array(window.size) - 1.0
    shown = points - np.array(window.origin)
    within = rng.uniform(0.0, 0.01, size=points.shape) * sizes[:, None, None]
    confidence = rng.uniform(0.3, 0.8, size=points.shape[:2])
    edge = np.clip(np.clip(shown, 0.0, last), within, np.maximum(last - within, within))
    beyond = np.maximum(shown - last, -shown).max(-1)
    found = outside(points, window) & (beyond <= reach * sizes[:, None])
    return np.where(found[..., None], np.concatenate([edge, confidence[..., None]], axis=-1), 0.0)


def unseen_limbs(hidden: np.ndarray) -> list[tuple[str, ...]]:
    """Each person's limbs of which no keypoint is seen; hidden (P, 25) bool."""
    return [tuple(name for name, limb in LIMBS.items() if row[list(limb.keypoints)].all()) for row in hidden]
