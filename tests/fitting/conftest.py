"""Small scenes and settings for the tests of the fit."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyModel, BodyParams, keypoints, pose_body
from prosepose_jax.camera import project
from prosepose_jax.config import load_config
from prosepose_jax.scene import Answer, Scene

FOCAL, SIZE = 600.0, 640


@pytest.fixture(scope="session")
def make_scene(small_body: BodyModel) -> Callable[..., Scene]:
    """Scenes of people side by side with known truth and a disturbed initial estimate."""

    def make(seed: int, people: int = 2, apart: float = 0.35) -> Scene:
        rng = np.random.default_rng(seed)
        pose = rng.normal(0.0, 0.1, (people, 21, 3)).astype(np.float32)
        orient = np.tile(np.array([[np.pi, 0.0, 0.0]], np.float32), (people, 1))
        transl = np.stack([[apart * (p - (people - 1) / 2), 0.2, 3.5] for p in range(people)]).astype(np.float32)
        truth = BodyParams.zeros(people, 10).replace(
            global_orient=jnp.asarray(orient), body_pose=jnp.asarray(pose), transl=jnp.asarray(transl)
        )
        points = keypoints(small_body, pose_body(small_body, truth))
        centre = jnp.full(2, SIZE / 2.0)
        pixels = np.asarray(project(points, jnp.full(2, FOCAL), centre)) + rng.normal(0.0, 1.0, (people, 25, 2))
        return Scene(
            key=f"scene{seed}",
            global_orient=orient,
            body_pose=pose + rng.normal(0.0, 0.1, pose.shape).astype(np.float32),
            betas=np.zeros((people, 10), np.float32),
            transl=transl + rng.normal(0.0, 0.04, transl.shape).astype(np.float32),
            keypoints=np.concatenate([pixels, np.ones((people, 25, 1))], axis=-1).astype(np.float32),
            focal_length=np.full(2, FOCAL, np.float32),
            principal_point=np.full(2, SIZE / 2.0, np.float32),
            image_size=np.full(2, SIZE, np.float32),
            gt_global_orient=orient,
            gt_body_pose=pose,
            gt_betas=np.zeros((people, 10), np.float32),
            gt_transl=transl,
        )

    return make


@pytest.fixture
def short_config():
    """The two-person config with few steps."""
    config = load_config("two_person")
    config.stage1.steps, config.stage2.steps = 30, 20
    config.contact.refresh_every = config.penetration.refresh_every = 5
    config.batch_size = 4
    config.lm.steps = 25
    return config


def answer(*rows: tuple[str, str]) -> Answer:
    """An answer with the given table rows."""
    table = "\n".join(f"| {a} | {b} |" for a, b in rows)
    return Answer(f"They touch.\n\n| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n{table}\n")
