"""Detections with left and right exchanged are exchanged back, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.body.keypoints import Body25
from prosepose_jax.fitting.swaps import exchange_swapped_sides


def _sides(*names: str) -> np.ndarray:
    """(n, 2) right and left keypoint of each name."""
    return np.array([[int(Body25[f"RIGHT_{name}"]), int(Body25[f"LEFT_{name}"])] for name in names])


LEGS = _sides("KNEE", "ANKLE", "BIG_TOE", "SMALL_TOE", "HEEL")
ARMS = _sides("SHOULDER", "ELBOW", "WRIST")


@pytest.fixture
def estimate() -> np.ndarray:
    """(2, 25, 2) two people in mid-stride: left and right apart at every joint, by more than the errors below."""
    rng = np.random.default_rng(0)
    points = rng.uniform(100, 500, (2, 25, 2))
    for pairs, ahead in ((LEGS, 40.0), (ARMS, 60.0)):
        points[:, pairs[:, 0]] = points[:, pairs[:, 1]] + np.array([ahead, -15.0])
        points[:, pairs[1:, 0]] += np.array([25.0, 20.0])  # not a plain shift from left to right
    return points


@pytest.fixture
def detected(estimate: np.ndarray) -> np.ndarray:
    """(2, 25, 3) the estimate with a common offset, small errors and confidences that tell the joints apart."""
    rng = np.random.default_rng(1)
    xy = estimate + np.array([300.0, -200.0]) + rng.normal(0, 2.0, estimate.shape)
    return np.concatenate([xy, rng.uniform(0.3, 1.0, (2, 25, 1))], axis=-1).astype(np.float32)


def _swapped(keypoints: np.ndarray, person: int, pairs: np.ndarray) -> np.ndarray:
    result = keypoints.copy()
    result[person, pairs.ravel()] = keypoints[person, pairs[:, ::-1].ravel()]
    return result


@pytest.mark.parametrize("limb", [LEGS, ARMS])
def test_swapped_limbs_are_exchanged_back_with_their_confidence(
    estimate: np.ndarray, detected: np.ndarray, limb: np.ndarray
) -> None:
    wrong = _swapped(detected, 1, limb)
    before = wrong.copy()
    np.testing.assert_array_equal(exchange_swapped_sides(wrong, estimate), detected)
    np.testing.assert_array_equal(wrong, before)  # the input stays as it is


def test_right_detections_are_untouched(estimate: np.ndarray, detected: np.ndarray) -> None:
    np.testing.assert_array_equal(exchange_swapped_sides(detected, estimate), detected)


def test_missing_keypoints_are_no_evidence_and_stay_missing(estimate: np.ndarray, detected: np.ndarray) -> None:
    left_ankle = int(Body25.LEFT_ANKLE)
    wrong = _swapped(detected, 0, LEGS)
    wrong[0, left_ankle] = (9999.0, 9999.0, 0.0)
    wrong[1, :, 2] = 0.0  # a person without any keypoint
    found = exchange_swapped_sides(wrong, estimate)
    visible = np.array([pair for pair in LEGS.tolist() if left_ankle not in pair])
    np.testing.assert_array_equal(found[0, visible.ravel()], detected[0, visible.ravel()])
    rest = np.setdiff1d(np.arange(25), visible.ravel())
    np.testing.assert_array_equal(found[0, rest], wrong[0, rest])
    np.testing.assert_array_equal(found[1], wrong[1])


def test_one_pair_alone_is_not_exchanged(estimate: np.ndarray, detected: np.ndarray) -> None:
    wrong = _swapped(detected, 0, LEGS)
    wrong[0, LEGS[1:].ravel(), 2] = 0.0
    np.testing.assert_array_equal(exchange_swapped_sides(wrong, estimate), wrong)


def test_a_doubtful_case_is_left_alone(estimate: np.ndarray, detected: np.ndarray) -> None:
    halfway = detected.copy()
    middle = detected[0, LEGS].mean(axis=1)
    # Left and right nearly together, slightly nearer to the wrong side: exchanging gains little.
    halfway[0, LEGS] = middle[:, None] + 0.02 * (detected[0, LEGS[:, ::-1]] - middle[:, None])
    np.testing.assert_array_equal(exchange_swapped_sides(halfway, estimate), halfway)
