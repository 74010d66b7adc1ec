"""What a reader takes out of a dataset for one scene, before it becomes a scene of the body in use."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class Guess:
    """A regressor's estimate of one person (BEV, or HMR2 in BEV's layout). Camera frame, m, rad."""

    pose: np.ndarray  # (22, 3) axis-angle: global orientation, then SMPL joints 1–21
    cam_trans: np.ndarray  # (3,)
    joints: np.ndarray | None = None  # (71, 3) about the body's centre; 0–23 are SMPL's
    joints_px: np.ndarray | None = None  # (71, 2)
    smplx_betas: np.ndarray | None = None  # (10,) converted to SMPL-X
    kid_scale: float = 0.0


@dataclasses.dataclass(frozen=True)
class Person:
    """What was seen of one person; None where a detector saw nothing."""

    guess: Guess | None
    keypoints: np.ndarray | None  # (25, 3) BODY_25 of all detectors together


@dataclasses.dataclass(frozen=True)
class Truth:
    """Ground truth of all people of a scene.

    SMPL-X parameters in some world, the rigid change from that world to the camera, and, where the dataset has them,
    joints: they carry the truth over to a body that the parameters aren't for.
    """

    rotation: np.ndarray  # (3, 3) world to camera: x_cam = rotation · x + translation
    translation: np.ndarray  # (3,)
    global_orient: np.ndarray | None = None  # (P, 3) neutral SMPL-X, world
    body_pose: np.ndarray | None = None  # (P, 21, 3)
    betas: np.ndarray | None = None  # (P, B)
    transl: np.ndarray | None = None  # (P, 3)
    kid_scale: np.ndarray | None = None  # (P,)
    joints: np.ndarray | None = None  # (P, 22, 3) joints of the tree, world; NaN where unknown
    pose: np.ndarray | None = None  # (P, 22, 3) rotations that go with them, world


@dataclasses.dataclass(frozen=True)
class Sample:
    """One scene of a dataset."""

    key: str  # the key of results and answers in the method's release
    people: tuple[Person, ...]
    image_size: np.ndarray  # (2,) width, height
    image: Path | None = None
    focal: float | None = None  # px; None: 60° across the longer side, the camera of the published protocol
    truth: Truth | None = None
    region_pairs: np.ndarray | None = None  # (C, 2), column 0 on person 0
