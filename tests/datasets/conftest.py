"""Miniatures made once a session, and how a scene's truth is compared with the people it was made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from miniatures import People, make_chi3d, make_flickrci3d, make_hi4d, make_moyo

from prosepose_jax.body import BodyModel
from prosepose_jax.datasets import read_dataset
from prosepose_jax.metrics import joint_pa_mpjpe_mm, mpjpe_mm
from prosepose_jax.metrics._people import true_people
from prosepose_jax.scene import Scene

_MAKERS = {"hi4d": make_hi4d, "chi3d": make_chi3d, "flickrci3d": make_flickrci3d, "moyo": make_moyo}


@pytest.fixture(scope="session")
def dataset_body(small_body) -> BodyModel:
    """The small body with its pelvis as far from the origin as SMPL-X's: a frame's change must turn about it."""
    offset = np.array([0.003, -0.351, 0.012], np.float32)
    moved = {name: jnp.asarray(np.asarray(getattr(small_body, name)) + offset)
             for name in ("v_template", "joint_template")}  # fmt: skip
    return small_body.replace(**moved)


@pytest.fixture(scope="session")
def make(dataset_body, tmp_path_factory) -> Callable[..., tuple[Path, dict[str, People]]]:
    """Makes a miniature once a session for each way of asking: its folder and its people."""
    made: dict[str, tuple[Path, dict[str, People]]] = {}

    def call(dataset: str, **options):
        name = f"{dataset} {sorted(options.items())}"
        if name not in made:
            root = tmp_path_factory.mktemp(dataset)
            made[name] = (root, _MAKERS[dataset](root, dataset_body, **options))
        return made[name]

    return call


@pytest.fixture
def read(dataset_body) -> Callable:
    """(Dataset, its scenes by key) with the miniatures' own body."""

    def call(name: str, root: Path, split: str = "test", **options):
        dataset = read_dataset(name, root, split, dataset_body, **{"keep_betas": True} | options)
        return dataset, {scene.key: scene for scene in dataset}

    return call


@pytest.fixture
def off_mm(dataset_body) -> Callable[[Scene, People], float]:
    """How far a scene's true joints are from people, in the camera's frame: mean over joints, mm."""

    def call(scene: Scene, people: People) -> float:
        found = true_people(dataset_body, scene)
        assert found is not None
        return float(np.linalg.norm(found[1][:, :22] - people.joints, axis=-1).mean() * 1000)

    return call


@pytest.fixture
def aligned_mm(dataset_body) -> Callable[[Scene, People], float]:
    """The same after one similarity for all."""

    def call(scene: Scene, people: People) -> float:
        found = true_people(dataset_body, scene)
        assert found is not None
        return float(joint_pa_mpjpe_mm(found[1][:, :22], people.joints))

    return call


@pytest.fixture
def rooted_mm(dataset_body) -> Callable[[Scene, People], float]:
    """The same with pelvises moved onto each other."""

    def call(scene: Scene, people: People) -> float:
        found = true_people(dataset_body, scene)
        assert found is not None
        return float(mpjpe_mm(found[1][:, :22], people.joints, found[1][:, 0], people.joints[:, 0]))

    return call
