"""What detectors and regressors get wrong: noise models with documented parameters.

Fixed before any method was run on the scenes, from published error figures alone. Three levels; the
middle one was sized so that two-person initial estimates have a joint PA-MPJPE of 100-145 mm on average, as BEV has
on Hi4D and FlickrCI3D, and the packaged single people a PA-MPJPE of 60-90 mm, as HMR2 has on MOYO. On the larger
library of one-person templates, many of them closer to the mean pose, it is less (measured: docs/synthetic.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from prosepose_jax.body.keypoints import BODY25_SOURCE, Body25
from prosepose_jax.synthetic.camera_placement import View
from prosepose_jax.synthetic.figure import rotation, to_axis_angle
from prosepose_jax.synthetic.framing import LIMBS


@dataclasses.dataclass(frozen=True)
class RegressorNoise:
    """The error of a monocular regressor, one standard deviation each."""

    joint_degrees: float  # typical joint rotation error about each axis, scaled by _JOINT_SCALE
    chain_share: float = 0.35  # share of the error's variance that a whole limb has in common
    touching_factor: float = 1.5  # limbs in contact are seen worst
    towards_rest: float = 0.12  # limbs are drawn this far towards the arms-down rest, the regressor's mean
    orient_degrees: float = 6.0  # global orientation, each axis
    depth_share: float = 0.035  # depth error as a share of the distance, each person on its own
    pixel_share: float = 0.012  # image position of the pelvis, share of the person's size
    shape_shrink: float = 0.5  # betas shrink towards the mean
    shape_noise: float = 0.35
    # What the three levels don't have (families.py).
    stature_share: float = 0.0  # error of the stature, share of it: independent of the unit of a body's betas
    depth_follows_size: float = 0.0  # 1: the estimate agrees with the picture, who is taken for larger is further away
    upright_share: float = 0.0  # the trunk is drawn this share of its lean towards the picture's vertical
    unseen_factor: float = 1.0  # limbs out of sight have errors so many times as large
    unseen_towards_rest: float = 0.0  # and are drawn this far towards the rest

    def scaled(self, factor: float) -> RegressorNoise:
        """All errors so many times as large; what is drawn towards a mean at most reaches it."""
        return dataclasses.replace(
            self,
            joint_degrees=self.joint_degrees * factor,
            towards_rest=min(self.towards_rest * factor, 1.0),
            orient_degrees=self.orient_degrees * factor,
            depth_share=self.depth_share * factor,
            pixel_share=self.pixel_share * factor,
            shape_shrink=min(self.shape_shrink * factor, 1.0),
            shape_noise=self.shape_noise * factor,
            stature_share=self.stature_share * factor,
            upright_share=min(self.upright_share * factor, 1.0),
            unseen_towards_rest=min(self.unseen_towards_rest * factor, 1.0),
        )


@dataclasses.dataclass(frozen=True)
class KeypointNoise:
    """The error of a 2D keypoint detector."""

    pixel_share: float = 0.010  # of the person's size in the image
    occluded_factor: float = 2.5  # hidden keypoints are this much worse
    missing: float = 0.02  # visible keypoints not found
    occluded_missing: float = 0.35
    swap: float = 0.03  # a person's left and right arm or leg exchanged
    outlier: float = 0.01  # visible keypoints that land somewhere near the people
    mixed: float = 0.0  # a person's arm or leg found on the other person


# Rotation error of each body joint 1-21 relative to joint_degrees: trunk small, limbs large, ends unseen.
_JOINT_SCALE = np.array(
    [0.8, 0.8, 0.35, 1.0, 1.0, 0.35, 0.9, 0.9, 0.35, 0.3, 0.3, 0.5, 0.4, 0.4, 0.6, 1.2, 1.2, 1.3, 1.3, 0.9, 0.9]
)
_CHAINS = ((1, 4, 7), (2, 5, 8), (3, 6, 9), (12, 15), (13, 16, 18, 20), (14, 17, 19, 21))
_LIMB_OF_PART = {
    "left hand": (13, 16, 18, 20), "left arm": (13, 16, 18, 20), "right hand": (14, 17, 19, 21),
    "right arm": (14, 17, 19, 21), "left foot": (1, 4, 7), "left leg": (1, 4, 7), "right foot": (2, 5, 8),
    "right leg": (2, 5, 8), "head": (12, 15), "neck": (12, 15),
}  # fmt: skip
# Arms-down rest of a regressor's mean pose: upper arms lowered by 60 degrees from the T-pose.
_MEAN_POSE = np.zeros((21, 3))
_MEAN_POSE[15, 2], _MEAN_POSE[16, 2] = -np.radians(60.0), np.radians(60.0)


def noisy_pose(
    pose: np.ndarray,
    touching: Iterable[str],
    noise: RegressorNoise,
    rng: np.random.Generator,
    unseen: Iterable[str] = (),
) -> np.ndarray:
    """One person's body pose (21, 3) as a regressor would estimate it.

    Args:
      pose: the truth.
      touching: that person's part names.
      noise: the errors.
      rng: draws the same numbers whatever touches or is out of sight.
      unseen: names of limbs (framing.LIMBS) out of sight.
    """
    scale = _JOINT_SCALE.copy()
    drawn_by = np.full(21, noise.towards_rest)
    for limb in unseen:
        away = np.array(LIMBS[limb].joints) - 1
        scale[away] *= noise.unseen_factor
        drawn_by[away] = max(noise.towards_rest, noise.unseen_towards_rest)
    for joints in {_LIMB_OF_PART[p] for p in touching if p in _LIMB_OF_PART}:
        scale[np.array(joints) - 1] *= noise.touching_factor
    own = rng.normal(size=(21, 3)) * np.sqrt(1 - noise.chain_share)
    for chain in _CHAINS:
        own[np.array(chain) - 1] += rng.normal(size=3) * np.sqrt(noise.chain_share)
    own[np.array([10, 11]) - 1] += rng.normal(size=3) * np.sqrt(noise.chain_share)
    error = own * np.radians(noise.joint_degrees) * scale[:, None]
    drawn = pose + drawn_by[:, None] * (_MEAN_POSE - pose) * (scale > 0.5)[:, None]
    return np.array([to_axis_angle(_matrix(p) @ _matrix(e)) for p, e in zip(drawn, error, strict=True)])


def noisy_orientation(orient: np.ndarray, noise: RegressorNoise, rng: np.random.Generator) -> np.ndarray:
    """Global orientation (3,) with a small error about every axis of the camera."""
    return to_axis_angle(_matrix(rng.normal(size=3) * np.radians(noise.orient_degrees)) @ _matrix(orient))


def nearer_upright(orient: np.ndarray, share: float) -> np.ndarray:
    """Global orientation (3,) with the trunk turned this share of its lean towards the picture's vertical.

    People who lean by more than 60 degrees in the picture's frame evidently don't stand, and stay as they are.
    """
    matrix = _matrix(orient)
    up, vertical = matrix[:, 1], np.array([0.0, -1.0, 0.0])
    lean = float(np.arccos(np.clip(up @ vertical, -1.0, 1.0)))
    axis = np.cross(up, vertical)
    length = float(np.linalg.norm(axis))
    if lean > np.radians(60.0) or length < 1e-9:
        return orient
    return to_axis_angle(rotation(axis / length, share * lean) @ matrix)


def noisy_betas(betas: np.ndarray, noise: RegressorNoise, rng: np.random.Generator) -> np.ndarray:
    """Shape (B,) drawn towards the mean, with noise."""
    return betas * (1 - noise.shape_shrink) + noise.shape_noise * rng.normal(size=betas.shape)


def noisy_pelvis(
    pelvis: np.ndarray, size_px: float, focal: float, noise: RegressorNoise, rng: np.random.Generator
) -> np.ndarray:
    """Camera-frame pelvis (3,) with its error mostly along the line of sight."""
    depth = pelvis[2]
    moved = pelvis * (1.0 + np.clip(noise.depth_share * rng.normal(), -0.3, 0.3))
    sideways = noise.pixel_share * size_px * rng.normal(size=2) / focal * depth
    return moved + np.array([sideways[0], sideways[1], 0.0])


def depth_buffer(vertices_cam: np.ndarray, view: View, cell: int = 4) -> np.ndarray:
    """Coarse depth map (h / cell, w / cell) of the nearest vertex of (n, 3), infinite where there is none."""
    width, height = view.size[0] // cell, view.size[1] // cell
    buffer = np.full((height, width), np.inf)
    place = np.floor(view.project(vertices_cam) / cell).astype(int)
    inside = (place >= 0).all(1) & (place[:, 0] < width) & (place[:, 1] < height)
    np.minimum.at(buffer, (place[inside, 1], place[inside, 0]), vertices_cam[inside, 2])
    return buffer


def hidden_keypoints(vertices_cam: np.ndarray, keypoints_cam: np.ndarray, view: View, cell: int = 4) -> np.ndarray:
    """(P, 25) bool: something lies well in front of the keypoint, by a coarse depth map.

    Joints lie inside the body, so the person itself may be 14 cm in front (2.5 cm for points on the face and
    feet); another person hides a keypoint from 4 cm on.
    """
    people = len(vertices_cam)
    own_limit = np.where(BODY25_SOURCE >= 0, 0.14, 0.06)
    hidden = np.zeros((people, 25), bool)
    buffers = [depth_buffer(v, view, cell) for v in vertices_cam]
    for i in range(people):
        place = np.floor(view.project(keypoints_cam[i]) / cell).astype(int)
        for j in range(people):
            height, width = buffers[j].shape
            inside = (place >= 0).all(1) & (place[:, 0] < width) & (place[:, 1] < height)
            front = np.full(25, np.inf)
            front[inside] = buffers[j][place[inside, 1], place[inside, 0]]
            limit = own_limit if i == j else 0.04
            hidden[i] |= front < keypoints_cam[i, :, 2] - limit
    return hidden


_ARMS = ((Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER), (Body25.RIGHT_ELBOW, Body25.LEFT_ELBOW),
         (Body25.RIGHT_WRIST, Body25.LEFT_WRIST))  # fmt: skip
_LEGS = ((Body25.RIGHT_KNEE, Body25.LEFT_KNEE), (Body25.RIGHT_ANKLE, Body25.LEFT_ANKLE),
         (Body25.RIGHT_BIG_TOE, Body25.LEFT_BIG_TOE), (Body25.RIGHT_SMALL_TOE, Body25.LEFT_SMALL_TOE),
         (Body25.RIGHT_HEEL, Body25.LEFT_HEEL))  # fmt: skip


def detect_keypoints(
    keypoints_cam: np.ndarray, hidden: np.ndarray, view: View, noise: KeypointNoise, rng: np.random.Generator
) -> np.ndarray:
    """Detections (P, 25, 3), x, y in pixels and confidence, of true keypoints (P, 25, 3) in the camera frame."""
    truth = view.project(keypoints_cam)
    result = np.zeros((*truth.shape[:2], 3))
    everyone = truth.reshape(-1, 2)
    for i, points in enumerate(truth):
        size = float(np.max(np.ptp(points, axis=0)))
        factor = np.where(hidden[i], noise.occluded_factor, 1.0)
        found = points + rng.normal(size=points.shape) * (noise.pixel_share * size * factor)[:, None]
        confidence = np.where(hidden[i], rng.uniform(0.15, 0.55, 25), rng.uniform(0.65, 0.98, 25))
        stray = rng.random(25) < noise.outlier
        found[stray] = rng.uniform(everyone.min(0), everyone.max(0), size=(25, 2))[stray]
        confidence[stray] = rng.uniform(0.2, 0.6, 25)[stray]
        for group in (_ARMS, _LEGS):
            if rng.random() < noise.swap:
                for a, b in group:
                    found[[a, b]] = found[[b, a]]
                    confidence[[a, b]] = confidence[[b, a]]
        outside = (found < 0).any(1) | (found >= np.array(view.size)).any(1)
        missing = rng.random(25) < np.where(hidden[i], noise.occluded_missing, noise.missing)
        result[i, :, :2], result[i, :, 2] = found, confidence
        result[i, missing | outside] = 0.0
    return result


def mix_people(detected: np.ndarray, noise: KeypointNoise, rng: np.random.Generator) -> np.ndarray:
    """Detections (P, 25, 3) in which a limb of one person is found where the other person's is."""
    result = detected.copy()
    draws = rng.random((len(detected), len(LIMBS)))
    for i, row in enumerate(draws):
        other = (i + 1) % len(detected)
        for draw, limb in zip(row, LIMBS.values(), strict=True):
            if other != i and draw < noise.mixed:
                result[i, list(limb.keypoints)] = detected[other, list(limb.keypoints)]
    return result


def _matrix(vector: np.ndarray) -> np.ndarray:
    angle = float(np.linalg.norm(vector))
    return rotation(np.asarray(vector) / max(angle, 1e-12), angle)
