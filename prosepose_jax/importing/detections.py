"""What a keypoint detector saw in one image."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Detections:
    """The people of one image, in the detector's order.

    Attributes:
      keypoints: (N, 25, 3) float32, BODY_25: x, y in pixels, confidence in [0, 1]; 0, 0, 0 = missing.
      hands: (N, 2, 21, 3) float32, left and right hand in OpenPose's order (wrist, then thumb, fore, middle, ring and
        little finger, each from the root); None where nobody has any.
      layout: name of the layout the file is in (`layouts.LAYOUTS`); "" where nobody was found.
      notes: what was assumed or changed while reading.
    """

    keypoints: np.ndarray
    hands: np.ndarray | None = None
    layout: str = ""
    notes: tuple[str, ...] = ()
