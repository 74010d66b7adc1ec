"""A body made of blocks: every region is a small tetrahedron of its own, so figures can be worked out by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body.model import NUM_REGIONS, BodyModel, LowResolution, Regions
from prosepose_jax.scene import Scene

NUM_JOINTS = 55
TETRAHEDRON = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]) * 0.01
TETRAHEDRON_FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


@pytest.fixture
def make_scene() -> Callable[..., Scene]:
    """Makes scenes in the rest pose, people 1 m apart, 3 m away, with any field replaced."""
    return _make_scene


@pytest.fixture(scope="session")
def block_body() -> BodyModel:
    """75 tetrahedra of 1 cm, region r at (0.1 (r % 10), 0.1 (r // 10), 0), all moved by the pelvis alone."""
    rng = np.random.default_rng(0)
    corner = np.stack([np.arange(NUM_REGIONS) % 10, np.arange(NUM_REGIONS) // 10, np.zeros(NUM_REGIONS)], axis=1) * 0.1
    vertices = (corner[:, None] + TETRAHEDRON).reshape(-1, 3)
    faces = (np.arange(NUM_REGIONS)[:, None, None] * 4 + TETRAHEDRON_FACES).reshape(-1, 3)
    joints = rng.normal(size=(NUM_JOINTS, 3)) * 0.3
    skin = np.zeros((len(vertices), NUM_JOINTS))
    skin[:, 0] = 1.0
    vertex_ids = np.arange(NUM_REGIONS * 4).reshape(NUM_REGIONS, 4)

    def array(values: np.ndarray, dtype: type = np.float32) -> jnp.ndarray:
        return jnp.asarray(np.asarray(values, dtype))

    zeros = np.zeros((len(vertices), 3, 10))
    joint_zeros = np.zeros((NUM_JOINTS, 3, 10))
    return BodyModel(
        v_template=array(vertices), shape_dirs=array(zeros), expression_dirs=array(zeros),
        kid_dir=array(np.zeros_like(vertices)), pose_dirs=None, joint_template=array(joints),
        joint_shape_dirs=array(joint_zeros), joint_expression_dirs=array(joint_zeros),
        joint_kid_dir=array(np.zeros_like(joints)), joint_regressor=array(np.zeros((NUM_JOINTS, len(vertices)))),
        skin_weights=array(skin), left_hand_mean=array(np.zeros((15, 3))), right_hand_mean=array(np.zeros((15, 3))),
        left_hand_components=array(np.eye(45)), right_hand_components=array(np.eye(45)),
        faces=array(faces, np.int32), keypoint_vertices=array(np.arange(11), np.int32),
        regions=Regions(array(vertex_ids, np.int32), array(np.ones_like(vertex_ids), bool)),
        lowres=LowResolution(array(np.arange(len(vertices)), np.int32), array(faces, np.int32)),
        parents=(-1, *[0] * (NUM_JOINTS - 1)), name="blocks",
    )  # fmt: skip


def _make_scene(people: int = 2, **fields: Any) -> Scene:
    transl = np.array([[float(p), 0.0, 3.0] for p in range(people)], np.float32)
    scene = Scene(
        key="scene",
        global_orient=np.zeros((people, 3), np.float32),
        body_pose=np.zeros((people, 21, 3), np.float32),
        betas=np.zeros((people, 10), np.float32),
        transl=transl,
        keypoints=np.zeros((people, 25, 3), np.float32),
        focal_length=np.array([500.0, 500.0], np.float32),
        principal_point=np.array([320.0, 240.0], np.float32),
        image_size=np.array([640, 480]),
    )
    return dataclasses.replace(scene, **fields)
