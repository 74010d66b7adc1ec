"""Samples as scenes of the body in use."""

from __future__ import annotations

from typing import Any

import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.camera import focal_from_image_size
from prosepose_jax.datasets.frames import axis_angle, matrices, moved, rest_pelvis
from prosepose_jax.datasets.people import guess_keypoints, joints_cam
from prosepose_jax.datasets.samples import Guess, Sample, Truth
from prosepose_jax.errors import InputError
from prosepose_jax.importing.estimates import Estimate
from prosepose_jax.importing.retarget import Retargeted, retarget
from prosepose_jax.scene import Scene

SMPLX_VERTICES = 10475
_TREE = 22
_MOST_BETAS = 10  # the protocol's, of 16 or more where a file has them


def is_smplx(body: BodyModel) -> bool:
    """Whether SMPL-X parameters of the datasets mean on this body what they mean on SMPL-X."""
    return body.num_vertices == SMPLX_VERTICES


def to_scene(body: BodyModel, sample: Sample, keep_betas: bool) -> tuple[Scene, list[str]]:
    """A sample as a scene, with notes on what could not be carried over.

    Args:
      body: the body in use.
      sample: every person with a guess and keypoints.
      keep_betas: the body is the one that the dataset's SMPL-X parameters are for; else pose, shape and place are
        solved for so that the body's joints lie where the dataset's lie.

    Raises:
      InputError: a person lacks what a scene needs.
    """
    size = np.asarray(sample.image_size, np.float32)
    focal = sample.focal or focal_from_image_size(float(size[0]), float(size[1]))
    focals = np.full(2, focal, np.float32)
    fitted, keypoints = [], []
    for index, person in enumerate(sample.people):
        if person.guess is None or person.keypoints is None:
            raise InputError(f"{sample.key}: person {index} has no estimate or no keypoints")
        fitted.append(_initial(body, person.guess, focals, size / 2, keep_betas))
        keypoints.append(person.keypoints)
    truth, notes = _truth(body, sample, focals, size / 2, keep_betas)
    scene = Scene(
        key=sample.key,
        global_orient=np.stack([f.global_orient for f in fitted]),
        body_pose=np.stack([f.body_pose for f in fitted]),
        betas=np.stack([f.betas for f in fitted]),
        transl=np.stack([f.transl for f in fitted]),
        keypoints=np.stack(keypoints),
        focal_length=focals,
        principal_point=size / 2,
        image_size=size,
        kid_scale=np.array([f.kid_scale for f in fitted], np.float32),
        image=sample.image,
        gt_region_pairs=sample.region_pairs,
        **truth,
    )
    return scene, notes


def _initial(body: BodyModel, guess: Guess, focal: np.ndarray, centre: np.ndarray, keep_betas: bool) -> Retargeted:
    points = joints_cam(guess)
    keep = keep_betas and guess.smplx_betas is not None
    estimate = Estimate(
        pose=guess.pose,
        root=guess.cam_trans if points is None else points[0],
        joints=None if points is None else points[:_TREE],
        landmarks=None if points is None else points[24:35],
        joints_px=None if guess.joints_px is None else guess.joints_px[:_TREE],
        keypoints_px=guess_keypoints(guess),
        betas=guess.smplx_betas,
        kid_scale=guess.kid_scale,
    )
    return retarget(body, estimate, focal, centre, keep)


def _truth(
    body: BodyModel, sample: Sample, focal: np.ndarray, centre: np.ndarray, keep_betas: bool
) -> tuple[dict[str, Any], list[str]]:
    truth = sample.truth
    if truth is None:
        return {}, []
    if keep_betas and truth.global_orient is not None:
        return _kept(body, truth), []
    if truth.joints is None or truth.pose is None:
        return {}, ["its ground truth is in SMPL-X parameters alone, which mean nothing on the body in use: left out"]
    return _solved(body, truth, focal, centre), ["its ground truth was fitted to the dataset's joints"]


def _kept(body: BodyModel, truth: Truth) -> dict[str, np.ndarray]:
    assert truth.global_orient is not None and truth.betas is not None and truth.transl is not None
    betas = np.asarray(truth.betas, np.float32)[:, : min(_MOST_BETAS, body.num_betas)]
    pelvis = rest_pelvis(body, betas, truth.kid_scale)
    orient, transl = moved(truth.rotation, truth.translation, truth.global_orient, truth.transl, pelvis)
    return {
        "gt_global_orient": orient, "gt_body_pose": np.asarray(truth.body_pose, np.float32).reshape(-1, 21, 3),
        "gt_betas": betas, "gt_transl": transl,
        "gt_kid_scale": np.zeros(len(betas), np.float32) if truth.kid_scale is None else truth.kid_scale,
    }  # fmt: skip


def _solved(body: BodyModel, truth: Truth, focal: np.ndarray, centre: np.ndarray) -> dict[str, np.ndarray]:
    assert truth.joints is not None and truth.pose is not None
    people = []
    for joints, pose in zip(truth.joints, truth.pose, strict=True):
        points = joints @ np.asarray(truth.rotation).T + truth.translation
        turned = np.concatenate([axis_angle(truth.rotation @ matrices(pose[0]))[None], pose[1:]])
        estimate = Estimate(
            pose=turned.astype(np.float32), root=points[0].astype(np.float32), joints=points.astype(np.float32)
        )
        people.append(retarget(body, estimate, focal, centre))
    return {
        "gt_global_orient": np.stack([p.global_orient for p in people]),
        "gt_body_pose": np.stack([p.body_pose for p in people]),
        "gt_betas": np.stack([p.betas for p in people]),
        "gt_transl": np.stack([p.transl for p in people]),
        "gt_kid_scale": np.array([p.kid_scale for p in people], np.float32),
    }
