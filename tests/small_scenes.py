"""Small scenes, answers and problems that the tests share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyModel, BodyParams, keypoints, pose_body
from prosepose_jax.camera import project
from prosepose_jax.fitting.arrays import FitModel, Numbers, SceneArrays, make_fit_model
from prosepose_jax.fitting.prepare import prepare_scene, stack_scenes
from prosepose_jax.fitting.problem import Problem, stage_problem
from prosepose_jax.fitting.search import active_terms, search_batch
from prosepose_jax.fitting.settings import FitSettings, settings_from_config
from prosepose_jax.fitting.stage import StageResult, run_stage
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.terms import Term, load_pose_prior

FOCAL, SIZE = 600.0, 640
# Searches that take most of a stage's compilation, and what the others suffice to replace. Without the heuristic a
# scene that falls back is fitted to its keypoints alone.
_LEFT_OUT = ("penetration", "self_penetration", "heuristic", "told", "pose_prior", "initial_pose", "shape_prior")


def fewer_terms(settings: FitSettings, kept: Sequence[str] = ()) -> FitSettings:
    """The same settings with the terms that compile in a third of the time: for tests of what is around them.

    Those `kept` are there besides.
    """
    left_out = set(_LEFT_OUT) - set(kept)
    return dataclasses.replace(settings, terms=tuple(t for t in settings.terms if t.name not in left_out))


def use_fewer_terms(patch: pytest.MonkeyPatch, kept: Sequence[str] = (), others: Sequence[str] = ()) -> None:
    """Fits of configs take `fewer_terms`, whoever reads the config: the package, and `others`, modules outside it."""

    def few(config: Any, terms: Sequence[Term] | None = None) -> FitSettings:
        return fewer_terms(settings_from_config(config, terms), kept)

    readers = ("fitting.fit", "fitting.api", "ablation.run", "ablation.points", "apps._run")
    for module in (*(f"prosepose_jax.{name}" for name in readers), *others):
        patch.setattr(f"{module}.settings_from_config", few)


# One program, and not one of every operation.
pose_at_once = jax.jit(pose_body)


@jax.jit
def seen(body: BodyModel, params: BodyParams, focal: jax.Array, centre: jax.Array) -> jax.Array:
    """Where a camera sees people's keypoints (P, 25, 2)."""
    return project(keypoints(body, pose_body(body, params)), focal, centre)


def small_scene(body: BodyModel, seed: int, people: int = 2, apart: float = 0.35) -> Scene:
    """People side by side with known truth and a disturbed initial estimate."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0.0, 0.1, (people, 21, 3)).astype(np.float32)
    orient = np.tile(np.array([[np.pi, 0.0, 0.0]], np.float32), (people, 1))
    transl = np.stack([[apart * (p - (people - 1) / 2), 0.2, 3.5] for p in range(people)]).astype(np.float32)
    truth = BodyParams.zeros(people, 10).replace(
        global_orient=jnp.asarray(orient), body_pose=jnp.asarray(pose), transl=jnp.asarray(transl)
    )
    centre = np.full(2, SIZE / 2.0, np.float32)
    pixels = np.asarray(seen(body, truth, np.full(2, FOCAL, np.float32), centre))
    pixels = pixels + rng.normal(0.0, 1.0, (people, 25, 2))
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


def answer(*rows: tuple[str, str]) -> Answer:
    """An answer with the given table rows."""
    table = "\n".join(f"| {a} | {b} |" for a, b in rows)
    return Answer(f"They touch.\n\n| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n{table}\n")


def on_device(
    body: BodyModel, scenes: Sequence[Scene], answers: Mapping[str, Sequence[Answer]], settings: FitSettings
) -> tuple[FitModel, SceneArrays]:
    """The prepared body and one batch of scenes, both on the device."""
    prepared = [prepare_scene(scene, answers.get(scene.key, []), settings) for scene in scenes]
    nowhere = np.zeros((len(scenes), scenes[0].num_people, 25, 2), np.float32)
    arrays = stack_scenes(body, prepared, nowhere, settings)
    return jax.device_put((make_fit_model(body, load_pose_prior(None), settings.terms), arrays))


def away(params: BodyParams, seed: int) -> BodyParams:
    """Parameters off the stage's start, so that every term pulls."""
    rng = np.random.default_rng(seed)

    def moved(name: str, by: float) -> jax.Array:
        value = getattr(params, name)
        return value + jnp.asarray(rng.normal(0.0, by, value.shape), jnp.float32)

    return dataclasses.replace(
        params,
        transl=moved("transl", 0.01),
        global_orient=moved("global_orient", 0.05),
        body_pose=moved("body_pose", 0.1),
        betas=moved("betas", 0.7),
    )


find_held = jax.jit(
    lambda model, scenes, params, index, structure: search_batch(
        model,
        scenes,
        params,
        structure,
        active_terms(structure, scenes, index),
        index,
        jnp.zeros(params.transl.shape[0], jnp.int32),
    ),
    static_argnums=4,
)


def numbers_of(settings: FitSettings, index: int) -> Numbers:
    """The numbers of a stage."""
    return Numbers(**settings.numbers(index))


def pick(tree: Any, i: int) -> Any:
    """One scene of a batch; by way of the host, where no shape is compiled for."""
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)[i]), tree)


def problems_of(
    model: FitModel, scenes: SceneArrays, params: BodyParams, settings: FitSettings, index: int
) -> list[Problem]:
    """What a solver sees of each scene of a batch after a search at `params`."""
    structure, where = settings.structure, jnp.int32(index)
    held = find_held(model, scenes, params, where, structure)
    active = active_terms(structure, scenes, where)
    return [
        stage_problem(
            model,
            pick(scenes, i),
            pick(scenes.params, i),
            pick(held, i),
            active,
            numbers_of(settings, index),
            index,
            structure,
        )
        for i in range(params.transl.shape[0])
    ]


def stage_of(
    model: FitModel, scenes: SceneArrays, settings: FitSettings, index: int, params: BodyParams | None = None
) -> StageResult:
    """Runs one stage from a copy of the parameters, for a stage uses its own up."""
    start = jax.tree.map(lambda x: jnp.array(x, copy=True), scenes.params if params is None else params)
    return run_stage(model, scenes, start, numbers_of(settings, index), jnp.int32(index), structure=settings.structure)
