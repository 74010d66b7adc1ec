"""What a regressor says about the people of one image, before it becomes a scene of the body in use."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from prosepose_jax.errors import InputError

NUM_TREE_JOINTS = 22  # pelvis and the 21 joints of body_pose, the same in SMPL, SMPL-H and SMPL-X


@dataclasses.dataclass(frozen=True)
class Estimate:
    """One person as another tool sees it. Camera frame, metres, radians; None where the tool says nothing."""

    pose: np.ndarray  # (22, 3) axis-angle: global orientation, then joints 1–21
    root: np.ndarray  # (3,) pelvis
    joints: np.ndarray | None = None  # (22, 3) joints of the kinematic tree; NaN where unknown
    landmarks: np.ndarray | None = None  # (11, 3) face and feet, order of KEYPOINT_VERTEX_NAMES; NaN where unknown
    joints_px: np.ndarray | None = None  # (22, 2) the joints in the image, as the tool projects them; NaN where unknown
    keypoints_px: np.ndarray | None = None  # (25, 3) BODY_25 of the estimate, for matching with detections
    betas: np.ndarray | None = None  # (B,) of the tool's own body model
    transl: np.ndarray | None = None  # (3,) of the tool's own body model
    kid_scale: float | None = None  # hint
    left_hand_pose: np.ndarray | None = None  # (15, 3)
    right_hand_pose: np.ndarray | None = None  # (15, 3)
    jaw_pose: np.ndarray | None = None  # (3,)
    expression: np.ndarray | None = None  # (E,)


@dataclasses.dataclass(frozen=True)
class ImageEstimates:
    """The people of one image and its camera."""

    people: tuple[Estimate, ...]
    focal_length: np.ndarray  # (2,) px
    principal_point: np.ndarray  # (2,) px
    image_size: np.ndarray  # (2,) width, height
    image: Path | None = None
    detections: np.ndarray | None = None  # (m, 25, 3) BODY_25 keypoints that came with the estimates


def image_dimensions(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of an image file.

    Raises:
      InputError: the file is missing or no image.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image") from error
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise InputError(f"{path}: expected an image that Pillow can open ({error})") from error
