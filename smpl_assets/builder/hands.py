"""Hand pose components in SMPL-X's layout, from a synthetic model of finger flexion."""

from __future__ import annotations

import numpy as np

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
# Flexion of the three joints of a finger, degrees, in a relaxed hand.
_RELAXED = {
    "index": (22, 28, 14), "middle": (28, 34, 17), "ring": (32, 38, 18), "pinky": (34, 36, 18), "thumb": (8, 10, 12),
}  # fmt: skip


def _pose(flexion: np.ndarray, spread: np.ndarray, thumb_axis: np.ndarray) -> np.ndarray:
    """Left-hand axis-angle (..., 15, 3) from flexion (..., 5, 3) and spread (..., 5) in radians.

    The left hand points along +x with its palm down: curling turns about -z, spreading about y.
    """
    pose = np.zeros((*flexion.shape[:-2], 5, 3, 3))
    pose[..., :4, :, 2] = -flexion[..., :4, :]
    pose[..., :4, 0, 1] = spread[..., :4]
    pose[..., 4, :, :] = flexion[..., 4, :, None] * thumb_axis
    return pose.reshape(*flexion.shape[:-2], 15, 3)


def thumb_flexion_axis(thumb_direction: np.ndarray) -> np.ndarray:
    """Axis about which the left thumb bends towards the palm, from its rest direction."""
    towards = np.array([0.55, -0.75, -0.35])  # over the palm, towards the ring finger's base
    axis = np.cross(thumb_direction, towards)
    return axis / np.linalg.norm(axis)


def relaxed_hand(thumb_axis: np.ndarray) -> np.ndarray:
    """(15, 3) left-hand pose of a hand at rest."""
    flexion = np.radians(np.array([_RELAXED[f] for f in _FINGERS], float))
    return _pose(flexion, np.zeros(5), thumb_axis)


def mirror_hand(pose: np.ndarray) -> np.ndarray:
    """The other hand's pose: axis-angle (..., 3) mirrored at x = 0."""
    return pose * np.array([1.0, -1.0, -1.0])


def hand_components(thumb_axis: np.ndarray, rng: np.random.Generator, samples: int = 4000) -> np.ndarray:
    """(45, 45) orthonormal rows: principal components of random left-hand poses, strongest first.

    The synthetic hands share a grip amount, bend neighbouring fingers together and their outer joints with
    the inner ones; a small isotropic noise makes the covariance regular. The first row closes the hand.
    """
    grip = rng.uniform(0.0, 1.0, (samples, 1, 1))
    finger = rng.normal(0.0, 0.22, (samples, 5, 1))
    finger[:, 1:4] += rng.normal(0.0, 0.12, (samples, 1, 1))
    joint = rng.normal(0.0, 0.08, (samples, 5, 3))
    full = np.radians(np.array([[70, 90, 55]] * 4 + [[35, 40, 50]], float))
    flexion = np.clip(grip + finger + joint, -0.1, 1.1) * full
    spread = rng.normal(0.0, 0.1, (samples, 1)) * np.array([-1.0, -0.2, 1.0, 0.5, 0.0])
    spread = spread + rng.normal(0.0, 0.04, (samples, 5))
    poses = _pose(flexion, spread, thumb_axis).reshape(samples, 45) + rng.normal(0.0, 0.01, (samples, 45))
    covariance = np.cov(poses.T)
    values, vectors = np.linalg.eigh(covariance)
    rows = vectors[:, np.argsort(-values)].T
    relaxed = relaxed_hand(thumb_axis).reshape(45)
    signs = np.sign(rows @ relaxed)
    return rows * np.where(signs == 0, 1.0, signs)[:, None]
