"""Estimates against keypoints: right imports pass, systematic damage is named."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.importing.agreement import limb_share, named_cause

SIZE = np.array([640.0, 480.0])


def people() -> np.ndarray:
    rng = np.random.default_rng(3)
    points = rng.uniform([0, 0], [90, 260], (2, 25, 2)) + np.array([[[150, 60]], [[380, 150]]])
    return np.concatenate([points, np.full((2, 25, 1), 0.9)], axis=2)


def test_agreement_of_right_estimates() -> None:
    keypoints = people()
    assert limb_share(keypoints[0], keypoints[0]) == 0
    assert named_cause(keypoints, keypoints, SIZE / 2, SIZE) is None


@pytest.mark.parametrize("damage, words", [("focal", "focal"), ("flip", "y axis"), ("crop", "crop")])
def test_damage_is_named(damage: str, words: str) -> None:
    keypoints = people()
    shown = keypoints[..., :2] - SIZE / 2
    shown = {"focal": shown * 2, "flip": shown * [1, -1], "crop": shown * 0.3 - shown.mean(1, keepdims=True) * 0.9}[
        damage
    ]
    assert words in str(named_cause(shown + SIZE / 2, keypoints, SIZE / 2, SIZE))
