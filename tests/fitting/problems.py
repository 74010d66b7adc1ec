"""Scenes as the solvers see them, for tests below the level of whole fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.fitting.arrays import FitModel, SceneArrays, make_fit_model
from prosepose_jax.fitting.held import hold
from prosepose_jax.fitting.prepare import prepare_scene, stack_scenes
from prosepose_jax.fitting.problem import Problem
from prosepose_jax.fitting.settings import FitSettings, RobustSettings
from prosepose_jax.losses import TERMS, Weights, load_pose_prior
from prosepose_jax.scene import Answer, Scene

NO_ROBUST = RobustSettings()
find_held = jax.jit(hold, static_argnums=(3, 4, 5))


def on_device(
    body: BodyModel, scenes: Sequence[Scene], answers: Mapping[str, Sequence[Answer]], settings: FitSettings
) -> tuple[FitModel, SceneArrays]:
    """The prepared body and one batch of scenes, both on the device."""
    prepared = [prepare_scene(scene, answers.get(scene.key, []), settings) for scene in scenes]
    nowhere = np.zeros((len(scenes), scenes[0].num_people, 25, 2), np.float32)
    arrays = stack_scenes(body, prepared, nowhere, settings)
    return jax.device_put((make_fit_model(body, load_pose_prior(None)), arrays))


def problems_of(
    model: FitModel, scenes: SceneArrays, params: BodyParams, settings: FitSettings, index: int
) -> list[Problem]:
    """What a solver sees of each scene of a batch after a search at `params`; robust terms as in the settings."""
    count = params.transl.shape[0]
    held = find_held(model, scenes, params, settings.stages[index], settings, index, jnp.zeros(count, jnp.int32))

    def one(tree: Any, i: int) -> Any:
        return jax.tree.map(lambda x: x[i], tree)

    return [
        Problem(
            model=model,
            scene=one(scenes, i),
            start=one(scenes.params, i),
            held=one(held, i),
            weights=Weights(**dict(zip(TERMS, scenes.weights[i, index], strict=True))),
            robust=settings.robust,
        )
        for i in range(count)
    ]


def copied(params: BodyParams) -> BodyParams:
    """A copy for `run_stage` to use up: it donates its parameters."""
    return jax.tree.map(lambda x: jnp.array(x, copy=True), params)
