"""Estimates against keypoints: right imports pass, systematic damage is named."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.importing.agreement import limb_share, named_cause

SIZE = np.array([640.0, 480.0])
MIDDLE = SIZE / 2


def people() -> np.ndarray:
    """(2, 25, 3) keypoints of two upright people of stick and straw."""
    stick = np.array([
        (0, -90), (0, -70), (-18, -70), (-30, -40), (-34, -10), (18, -70), (28, -42), (36, -15), (0, 0), (-9, 0),
        (-11, 40), (-13, 80), (9, 0), (12, 38), (16, 79), (-4, -94), (4, -94), (-9, -92), (9, -92), (20, 88), (23, 86),
        (13, 83), (-17, 88), (-20, 86), (-10, 83),
    ], float)  # fmt: skip
    points = np.stack([stick * 1.1 + [230, 260], stick * [1.3, 1.2] + [400, 250]])
    return np.concatenate([points, np.full((2, 25, 1), 0.9)], axis=2)


def test_agreement_of_right_estimates() -> None:
    keypoints = people()
    assert limb_share(keypoints[0], keypoints[0]) == 0
    assert named_cause(keypoints, keypoints, MIDDLE, SIZE) is None


def test_too_few_limbs_say_nothing() -> None:
    keypoints = people()
    keypoints[0, :, 2] = 0
    assert np.isnan(limb_share(keypoints[0], keypoints[0]))
    assert named_cause(keypoints, keypoints, MIDDLE, SIZE) is None


def test_noise_and_one_hidden_person_are_no_contradiction() -> None:
    keypoints = people()
    shown = keypoints + np.random.default_rng(0).normal(0, 9, keypoints.shape) * [1, 1, 0]
    assert named_cause(shown, keypoints, MIDDLE, SIZE) is None
    shown[1, [3, 4, 6, 7, 10, 11, 13, 14], :2] += np.random.default_rng(1).normal(0, 90, (8, 2))
    assert limb_share(shown[1], keypoints[1]) > 0.2
    assert named_cause(shown, keypoints, MIDDLE, SIZE) is None


ORDER = np.random.default_rng(5).permutation(25)
DAMAGE = {
    "focal length too long": (lambda p: p * 2, "focal length (0.50"),
    "focal length too short": (lambda p: p / 3, "focal length (3.0"),
    "y up": (lambda p: p * [1, -1], "y axis"),
    "mirrored": (lambda p: p * [-1, 1], "mirrored"),
    "height first": (lambda p: p + MIDDLE[::-1] - MIDDLE, "height, width"),
    "crop cameras": (lambda p: (p - p.mean(axis=1, keepdims=True)) * 1.4 + [6, -4], "crop"),
    "padded square": (lambda p: p * 0.7 + [40, 120], "another size"),
    "people exchanged": (lambda p: p[::-1], "exchanged"),
    "another order": (lambda p: p[:, ORDER], "order"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name: str) -> None:
    keypoints = people()
    damage, words = DAMAGE[name]
    shown = np.asarray(damage(keypoints[..., :2] - MIDDLE)) + MIDDLE
    assert max(limb_share(a, b) for a, b in zip(shown, keypoints, strict=True)) > 0.08
    camera = (MIDDLE[::-1], SIZE[::-1]) if name == "height first" else (MIDDLE, SIZE)
    assert words in str(named_cause(shown, keypoints, *camera))
