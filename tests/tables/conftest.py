"""Scenes in the rest pose."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prosepose_jax.scene import Scene


@pytest.fixture
def make_scene() -> Callable[..., Scene]:
    """Makes scenes of two people 1 m apart, 3 m away, with any field replaced."""

    def make(**fields: Any) -> Scene:
        scene = Scene(
            key="scene", global_orient=np.zeros((2, 3), np.float32), body_pose=np.zeros((2, 21, 3), np.float32),
            betas=np.zeros((2, 10), np.float32), transl=np.array([[0.0, 0, 3], [1.0, 0, 3]], np.float32),
            keypoints=np.ones((2, 25, 3), np.float32), focal_length=np.array([500.0, 500.0], np.float32),
            principal_point=np.array([320.0, 240.0], np.float32), image_size=np.array([640, 480]),
        )  # fmt: skip
        return dataclasses.replace(scene, **fields)

    return make
