"""Files that are recognised and cannot become people of a photograph: the message says what they are and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np

from prosepose_jax.importing.sources.common import Source, SourceInput, first, has

_RATES = ("mocap_frame_rate", "mocap_framerate", "fps")


def _is_skel(source: SourceInput) -> bool:
    fields = first(source)
    return has(fields, "patch_cam_t") or ("poses" in fields and np.shape(fields["poses"])[-1:] == (46,))


def _is_motion(source: SourceInput) -> bool:
    fields = first(source)
    return any(rate in fields for rate in _RATES) and any(n in fields for n in ("poses", "pose_body", "body_pose"))


def _is_world(source: SourceInput) -> bool:
    return has(first(source), "root_orient", "pose_body", "cam_R", "cam_t")


def _is_checkpoint(source: SourceInput) -> bool:
    tree = source.trees[0]
    return has(tree, "state_dict") or has(tree, "model_state_dict") or has(tree, "optimizer")


def _refuse(problem: str) -> Callable[[SourceInput], NoReturn]:
    def read(source: SourceInput) -> NoReturn:
        raise source.fail(problem)

    return read


HSMR = Source(
    "HSMR (SKEL)",
    _is_skel,
    _refuse(
        "an HSMR result: SKEL's joint angles cannot be converted without the SKEL model; run a tool that gives SMPL "
        "or SMPL-X parameters"
    ),
)
SLAHMR = Source(
    "SLAHMR (world)",
    _is_world,
    _refuse(
        "a SLAHMR result: `trans` and `root_orient` are in the world's frame; bring them into the camera's with cam_R "
        "and cam_t, and save one frame as global_orient, body_pose, transl, focal_length"
    ),
)
CHECKPOINT = Source(
    "a checkpoint",
    _is_checkpoint,
    _refuse("a model's weights (a checkpoint), not what the model says about a photograph"),
)
MOTION = Source(
    "a motion (AMASS, SMPL-X add-on)",
    _is_motion,
    _refuse(
        "a motion (AMASS or the SMPL-X Blender animation add-on): its rows are frames, not people, and it has no "
        "camera; estimates made on the photograph are needed"
    ),
)
