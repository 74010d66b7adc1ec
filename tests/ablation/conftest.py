"""A small sweep: scenes of the small body on file, answers beside them, few steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from small_scenes import seen, use_fewer_terms

from prosepose_jax.ablation.building import sweep
from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.io import save_scene, write_json
from prosepose_jax.scene import Scene

FOCAL, SIZE = 600.0, 640
KEYS = ("first", "second", "third")
# Calls of two scenes each: as many as a sweep has, they share one compilation.
FEW_STEPS = {"stage1": {"steps": 4}, "stage2": {"steps": 2}, "lm": {"steps": 4}, "batch_size": 2, "scenes_per_call": 2}


def _scene(body: BodyModel, key: str, seed: int) -> Scene:
    rng = np.random.default_rng(seed)
    pose = rng.normal(0.0, 0.1, (2, 21, 3)).astype(np.float32)
    orient = np.tile(np.array([[np.pi, 0.0, 0.0]], np.float32), (2, 1))
    transl = np.array([[-0.2, 0.2, 3.5], [0.2, 0.2, 3.5]], np.float32)
    truth = BodyParams.zeros(2, 10).replace(
        global_orient=jnp.asarray(orient), body_pose=jnp.asarray(pose), transl=jnp.asarray(transl)
    )
    centre = np.full(2, SIZE / 2.0, np.float32)
    pixels = np.asarray(seen(body, truth, np.full(2, FOCAL, np.float32), centre))
    return Scene(
        key=key,
        global_orient=orient,
        body_pose=pose + rng.normal(0.0, 0.15, pose.shape).astype(np.float32),
        betas=np.zeros((2, 10), np.float32),
        transl=transl + rng.normal(0.0, 0.05, transl.shape).astype(np.float32),
        keypoints=np.concatenate([pixels, np.ones((2, 25, 1))], axis=-1).astype(np.float32),
        focal_length=np.full(2, FOCAL, np.float32),
        principal_point=np.full(2, SIZE / 2.0, np.float32),
        image_size=np.array([SIZE, SIZE], np.int32),
        gt_global_orient=orient,
        gt_body_pose=pose,
        gt_betas=np.zeros((2, 10), np.float32),
        gt_transl=transl,
        gt_contacts=(("left hand", "right hand"), ("right hand", "left hand")),
    )


@pytest.fixture(scope="package", autouse=True)
def few_terms() -> Iterator[None]:
    """What sweeps do with fits is tested here, not the fits."""
    with pytest.MonkeyPatch.context() as patch:
        use_fewer_terms(patch)
        yield


@pytest.fixture(scope="session")
def inputs(small_body: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scenes/ and answers.json: four answers a scene, one of them without a row."""
    folder = tmp_path_factory.mktemp("sweep_inputs")
    for seed, key in enumerate(KEYS):
        save_scene(folder / "scenes", _scene(small_body, key, seed))
    texts = ["| hand | hand |", "| hand | back |\n| hand | hand |", "They stand apart.", "| head | head |"]
    write_json(folder / "answers.json", {key: [{"table_response": text} for text in texts] for key in KEYS})
    return folder


@pytest.fixture
def make_sweep(inputs: Path, small_body_file: Path) -> Callable[..., ConfigDict]:
    """The config of a sweep over the small scenes."""

    def make(points: list[dict[str, Any]], reference: str, count: int = 3, **fields: Any) -> ConfigDict:
        scenes = {
            "folder": str(inputs / "scenes"),
            "answers": str(inputs / "answers.json"),
            "body": str(small_body_file),
            "count": count,
        }
        return sweep("Small", points, reference, scenes=scenes, config=FEW_STEPS, **fields)

    return make
