"""Everything that the benchmarks know about the fit's core, in one place.

They go through `Fitter`, `prepare_scene`, `group_scenes`, `initial_batch`, `stack_scenes` and `run_stage`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from prosepose_jax.body import BodyParams
from prosepose_jax.config import load_config
from prosepose_jax.fitting import FitSettings, Fitter, settings_from_config
from prosepose_jax.fitting.arrays import Numbers, SceneArrays
from prosepose_jax.fitting.prepare import group_scenes, initial_batch, prepare_scene, stack_scenes
from prosepose_jax.fitting.stage import StageResult, run_stage
from prosepose_jax.scene import Answer, Scene


@dataclasses.dataclass(frozen=True)
class Batch:
    """Scenes stacked for the device."""

    keys: tuple[str, ...]  # of the scenes, repetitions that fill the batch left out
    size: int  # scenes with the repetitions
    arrays: SceneArrays
    params: BodyParams  # (size, P, …) initial estimates


def configured(name: str = "two_person", overrides: Mapping[str, Any] | None = None) -> ConfigDict:
    """A packaged config with fields replaced.

    Args:
      name: of the config.
      overrides: {"stage1.steps": 10, …}.
    """
    config = load_config(name)
    with config.unlocked():
        for field, value in (overrides or {}).items():
            *sections, last = field.split(".")
            section = config
            for part in sections:
                section = section[part]
            section[last] = value
    return config


def never_stopping(name: str = "two_person", overrides: Mapping[str, Any] | None = None) -> ConfigDict:
    """A config whose stages take all their steps with Adam: the slope that ends a stage lies in an empty interval."""
    return configured(name, {"solver": "adam", "stop.slope": 0.0, **(overrides or {})})


def make_batches(
    fitter: Fitter, scenes: Sequence[Scene], answers: Mapping[str, Sequence[Answer]], size: int
) -> list[Batch]:
    """Groups scenes of equal shape and stacks them in batches of exactly `size`, repeating scenes where too few."""
    model, settings = fitter.model, fitter.settings
    num_betas = model.body.num_betas
    prepared = [prepare_scene(scene, answers[scene.key], settings, num_betas) for scene in scenes]
    batches = []
    for group in group_scenes(prepared):
        for first in range(0, len(group), size):
            chosen = group[first : first + size]
            filled = [chosen[i % len(chosen)] for i in range(size)]
            params = initial_batch(model.body, filled)
            _, pixels = fitter.initial_people(filled, size, jax.local_devices()[0])
            arrays = stack_scenes(model.body, filled, pixels, settings)
            keys = tuple(item.scene.key for item in chosen)
            batches.append(Batch(keys, size, *jax.device_put((arrays, params))))
    return batches


def largest_group(
    fitter: Fitter, scenes: Sequence[Scene], answers: Mapping[str, Sequence[Answer]]
) -> tuple[list[Scene], dict[str, Sequence[Answer]]]:
    """The most scenes that share array shapes, so that one bucket is compiled for all of them."""
    num_betas = fitter.model.body.num_betas
    prepared = [prepare_scene(scene, answers[scene.key], fitter.settings, num_betas) for scene in scenes]
    chosen = [item.scene for item in max(group_scenes(prepared), key=len)]
    return chosen, {scene.key: answers[scene.key] for scene in chosen}


def stage(
    fitter: Fitter, batch: Batch, index: int, params: BodyParams | None = None, settings: FitSettings | None = None
) -> StageResult:
    """Runs one stage on a batch and waits for it.

    Args:
      fitter: the body and the default settings.
      batch: the scenes.
      index: 0 or 1.
      params: where the stage starts; None: the initial estimates.
      settings: others than the fitter's.
    """
    start = batch.params if params is None else params
    chosen = fitter.settings if settings is None else settings
    # A copy: the core may donate the buffer it starts from, and benchmarks start from the same place again.
    start = jax.tree.map(jnp.copy, start)
    args = (fitter.model, batch.arrays, start, Numbers(**chosen.numbers(index)), np.int32(index))
    device = jax.local_devices()[0]
    return jax.block_until_ready(fitter.call(device, run_stage, *args, structure=chosen.structure))


def exact_energy(
    fitter: Fitter, batch: Batch, index: int, params: BodyParams, config: ConfigDict, start: BodyParams | None = None
) -> np.ndarray:
    """Each scene's energy by an exact search, (scenes,), repetitions left out.

    One step of the stage with `contact.search` "exact" records the energy before it.

    Args:
      fitter: the body.
      batch: the scenes.
      index: whose stage's weights.
      params: where.
      config: weights and other settings.
      start: the body pose that the initial-pose term pulls to; None: the batch's initial estimate.
    """
    exact = config.copy_and_resolve_references()
    with exact.unlocked():
        exact.contact.search = "exact"
        exact[f"stage{index + 1}"].steps = 1
        if "solver" in exact:
            exact.solver = "adam"
    terms = np.asarray(stage(fitter, batch, index, params, settings_from_config(exact)).losses)[:, 0]
    # The step starts at `params`, so the initial-pose term is 0 there and has to be added.
    anchor = batch.params if start is None else start
    apart = np.asarray(params.body_pose) - np.asarray(anchor.body_pose)
    weights = np.asarray(batch.arrays.weights["initial_pose"])[:, index]
    pull = weights * np.sum(apart.reshape(len(apart), -1) ** 2, axis=1)
    return (terms.sum(axis=1) + pull)[: len(batch.keys)]
