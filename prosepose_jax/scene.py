"""The records that travel between the rooms: a Scene in, Answers in, a Fit out.

Plain numpy on the host; formats.md of docs/ describes the files. Lengths in metres, angles in
radians, image positions in pixels, camera frame x right, y down, z forward. P people.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Scene:
    """One image's people: initial estimate, keypoints, camera, and ground truth when known."""

    key: str
    global_orient: np.ndarray  # (P, 3)
    body_pose: np.ndarray  # (P, 21, 3)
    betas: np.ndarray  # (P, B), B <= 10
    transl: np.ndarray  # (P, 3)
    keypoints: np.ndarray  # (P, 25, 3) x, y, confidence; BODY_25
    focal_length: np.ndarray  # (2,) px
    principal_point: np.ndarray  # (2,) px
    image_size: np.ndarray  # (2,) width, height
    keypoints_hands: np.ndarray | None = None  # (P, 2, 21, 3) left, right; x, y, confidence; OpenPose's hand
    left_hand_pose: np.ndarray | None = None  # (P, 15, 3)
    right_hand_pose: np.ndarray | None = None  # (P, 15, 3)
    jaw_pose: np.ndarray | None = None  # (P, 3)
    expression: np.ndarray | None = None  # (P, E)
    kid_scale: np.ndarray | None = None  # (P,)
    agreement: np.ndarray | None = None  # (P,) limb distance of estimate and keypoints, share of the size; NaN unknown
    image: Path | None = None  # resolved path of the photograph
    gt_global_orient: np.ndarray | None = None
    gt_body_pose: np.ndarray | None = None
    gt_betas: np.ndarray | None = None
    gt_transl: np.ndarray | None = None
    gt_kid_scale: np.ndarray | None = None  # (P,); None: the truth has the scene's kid_scale
    gt_contacts: tuple[tuple[str, str], ...] | None = None  # part names, person 0 | person 1
    gt_region_pairs: np.ndarray | None = None  # (C, 2) fine region ids

    @property
    def num_people(self) -> int:
        return int(self.global_orient.shape[0])

    @property
    def has_truth(self) -> bool:
        return self.gt_body_pose is not None


@dataclasses.dataclass(frozen=True)
class Answer:
    """One text of the model about one pair of people of a scene."""

    text: str
    pair: tuple[int, int] = (0, 1)
    order: str = "free"  # "free": the model chose who is Person 1; "given": Person 1 is pair[0]
    sample: int = 0
    model: str = ""
    prompt: str = ""
    extra: dict[str, Any] = dataclasses.field(default_factory=dict, compare=False)


@dataclasses.dataclass(frozen=True)
class FitPath:
    """What a fit went through: its parameters at the accepted steps, the initial estimate and the fit left out."""

    stage: np.ndarray  # (F,) int, from 0
    step: np.ndarray  # (F,) int steps of the stage so far
    global_orient: np.ndarray  # (F, P, 3)
    body_pose: np.ndarray  # (F, P, 21, 3)
    betas: np.ndarray  # (F, P, B)
    transl: np.ndarray  # (F, P, 3)


@dataclasses.dataclass(frozen=True)
class Fit:
    """What the optimisation made of a scene. A failed scene has status "failed: …" and no arrays."""

    key: str
    status: str  # "ok", "fallback", "failed: <reason>"
    global_orient: np.ndarray | None = None  # (P, 3)
    body_pose: np.ndarray | None = None  # (P, 21, 3)
    betas: np.ndarray | None = None  # (P, B)
    transl: np.ndarray | None = None  # (P, 3)
    vertices: np.ndarray | None = None  # (P, V, 3) m, camera frame
    joints: np.ndarray | None = None  # (P, J, 3) m
    initial_vertices: np.ndarray | None = None  # (P, V, 3) of the initial estimate
    initial_joints: np.ndarray | None = None  # (P, J, 3)
    loss_terms: tuple[str, ...] = ()  # names of the last axis of losses
    losses: np.ndarray | None = None  # (stages, steps, terms) weighted; NaN after the stage ended
    steps: np.ndarray | None = None  # (stages,) int
    seconds: float = 0.0  # share of the batch's wall time, without compile
    answers: int = 0  # answers given
    answers_usable: int = 0  # with at least one usable row
    answers_none: int = 0  # that say that nothing touches; not usable
    rows_rejected: int = 0
    rejected: tuple[tuple[str, str], ...] = ()  # (row, reason)
    constraints: tuple[tuple[str, str, int], ...] = ()  # part, part, in how many answers (for the report)
    variant: str = ""  # "" the main fit, "no_answers" the fit beside it
    kid_scale: np.ndarray | None = None  # (P,) as used
    path: FitPath | None = None  # where it was recorded

    @property
    def ok(self) -> bool:
        return not self.status.startswith("failed")
