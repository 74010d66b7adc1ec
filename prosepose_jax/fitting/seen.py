"""What the fit sees of a scene's detections (docs/method.md, "Robust terms" and "Keypoints at the edge")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from prosepose_jax.body.keypoints import Body25
from prosepose_jax.fitting.settings import FitSettings
from prosepose_jax.fitting.swaps import exchange_swapped_sides
from prosepose_jax.scene import Scene

# Below this confidence an ankle counts as lost, and no keypoint tells how large its person is.
_LOST_CONFIDENCE = 0.2
# Confidence of the initial estimate's projection that stands in for a lost ankle (parity only).
_STAND_IN_CONFIDENCE = 0.5
_ANKLES_AND_FEET = (
    (Body25.LEFT_ANKLE, Body25.LEFT_BIG_TOE, Body25.LEFT_SMALL_TOE, Body25.LEFT_HEEL),
    (Body25.RIGHT_ANKLE, Body25.RIGHT_BIG_TOE, Body25.RIGHT_SMALL_TOE, Body25.RIGHT_HEEL),
)


class Seen(NamedTuple):
    """Detections of P people as the fit takes them."""

    keypoints: np.ndarray  # (P, 25, 3) x, y px and confidence; 0 is left out
    box_px: np.ndarray  # (P,) larger side of the person's box; 0 where there is none
    beyond: np.ndarray  # (P, 25, 2) 1, -1: the point may lie further right or down, left or up; 0: it is where it is


def see(scene: Scene, initial_px: np.ndarray, settings: FitSettings) -> Seen:
    """Handles swapped sides, lost ankles, people cut by the image's edge.

    Args:
      scene: P people.
      initial_px: (P, 25, 2) projection of the initial estimate.
      settings: of the fit.
    """
    keypoints = np.array(scene.keypoints, np.float32)
    box = (
        visible_box(keypoints)
        if settings.keypoint_box == "visible"
        else whole_box(keypoints, initial_px, scene.image_size)
    )
    beyond = beyond_edge(keypoints, scene.image_size, settings.edge_share * box)
    if settings.exchange_swapped:
        # A point goes with its mark, so that a limb at the edge stays there.
        marked = exchange_swapped_sides(np.concatenate([keypoints, beyond], axis=-1), initial_px)
        keypoints, beyond = marked[..., :3], marked[..., 3:]
    return Seen(_without_lost_feet(keypoints, initial_px, settings.lost_ankle), box, beyond)


def visible_box(keypoints: np.ndarray) -> np.ndarray:
    """Larger side of the box about each person's detections (P, 25, 3), px, as published; (P,), 0: no two points."""
    return np.array([_side(person[person[:, 2] > 0, :2]) for person in keypoints], np.float32)


def whole_box(keypoints: np.ndarray, initial_px: np.ndarray, image_size: np.ndarray) -> np.ndarray:
    """The same of the whole person: with what the image's edge cuts off, as the initial estimate has it.

    How far a detector is off goes with the person's size; the visible part alone makes it too small, and whoever is
    cut then leans to meet the last pixel.

    Args:
      keypoints: (P, 25, 3).
      initial_px: (P, 25, 2).
      image_size: (2,) width, height.
    """
    cut = np.any((initial_px < 0) | (initial_px >= np.asarray(image_size)), axis=-1)
    found = (keypoints[..., 2] >= _LOST_CONFIDENCE) | ((keypoints[..., 2] > 0) & ~cut)
    points = np.where(found[..., None], keypoints[..., :2], initial_px)
    return np.array([_side(person[kept]) for person, kept in zip(points, found | cut, strict=True)], np.float32)


def _side(points: np.ndarray) -> float:
    return float(np.max(np.ptp(points, axis=0))) if len(points) else 0.0


def beyond_edge(keypoints: np.ndarray, image_size: np.ndarray, margin_px: np.ndarray) -> np.ndarray:
    """Which detections only say that a point is at the image's edge or beyond it.

    A detector looks for points inside the picture; of a joint outside, it finds the nearest place at the edge.

    Args:
      keypoints: (P, 25, 3) px.
      image_size: (2,) width, height.
      margin_px: (P,) how near to the edge; 0: none.

    Returns:
      (P, 25, 2) 1 at the right and lower edge, -1 at the left and upper one, 0 elsewhere.
    """
    margin = np.asarray(margin_px, np.float32)[:, None, None]
    last = np.asarray(image_size, np.float32) - 1.0
    points = keypoints[..., :2]
    outer = (points >= last - margin).astype(np.float32) - (points <= margin)
    return np.where((margin > 0) & (keypoints[..., 2:] > 0), outer, 0.0).astype(np.float32)


def _without_lost_feet(keypoints: np.ndarray, initial_px: np.ndarray, lost_ankle: str) -> np.ndarray:
    """(P, 25, 3) in which feet whose ankle is lost are left out, or stand where the initial estimate has them."""
    kept = np.array(keypoints)
    for person in range(len(kept)):
        for foot in _ANKLES_AND_FEET:
            if kept[person, foot[0], 2] >= _LOST_CONFIDENCE:
                continue
            ids = [int(k) for k in foot]
            if lost_ankle == "initial":
                kept[person, ids, :2] = initial_px[person, ids]
                kept[person, ids, 2] = _STAND_IN_CONFIDENCE
            else:
                kept[person, ids, 2] = 0.0
    return kept
