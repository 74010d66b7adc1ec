"""The objective of one scene as functions, for terms and optimisers of one's own (docs/extending.md).

  problem = make_problem(body, scene, answers, config)
  found = search(problem, params)                            # correspondences, no gradient
  value, by_term = energy(problem, found, params)
  gradient, curvature = normal_equations(problem, found, params)
  params = fit(problem, params)

All but the first work under `jit` and `vmap`, `energy` also under `grad`. `fit_scenes` runs the same search, energy and
normal equations over batches. P people, D numbers that move of a person (`flatten`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body import BodyModel, BodyParams, keypoints, pose_body
from prosepose_jax.camera import project
from prosepose_jax.fitting.arrays import FitModel, Numbers, SceneArrays, make_fit_model
from prosepose_jax.fitting.objective import flatten, unflatten
from prosepose_jax.fitting.prepare import initial_params, prepare_scene, stack_scenes
from prosepose_jax.fitting.problem import Problem, stage_problem, take_moving
from prosepose_jax.fitting.search import Held, active_terms, search_batch
from prosepose_jax.fitting.settings import FitSettings, Structure, settings_from_config
from prosepose_jax.fitting.stage import run_stage
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.terms import PosePrior, Term, load_pose_prior


@struct.dataclass
class SceneProblem:
    """One scene, its answers and a body, ready to be minimised; a pytree.

    Attributes:
      model: the prepared body.
      scene: the prepared scene, no leading axis.
      numbers: of every stage.
      structure: what decides the compilation.
    """

    model: FitModel
    scene: SceneArrays
    numbers: tuple[Numbers, ...]
    structure: Structure = struct.field(pytree_node=False)

    @property
    def initial(self) -> BodyParams:
        """P people's parameters as the scene estimates them; metres, radians, camera frame."""
        return self.scene.params

    @property
    def num_stages(self) -> int:
        """Stages of `fit`."""
        return len(self.numbers)


def make_problem(
    body: BodyModel,
    scene: Scene,
    answers: Sequence[Answer] = (),
    config: FitSettings | Mapping[str, Any] | None = None,
    *,
    terms: Sequence[Term] | None = None,
    prior: PosePrior | None = None,
) -> SceneProblem:
    """Prepares a scene on the host.

    Args:
      body: the body model.
      scene: the scene.
      answers: about it; none, or none that can be used: the fallback's weights, as in `fit_scenes`.
      config: FitSettings, or a ConfigDict of the layout of configs/two_person.py; None: FitSettings().
      terms: of the objective, in the order of the records; None: those of the config.
      prior: the pose prior; None: config.prior.path, or the packaged one.

    Raises:
      InputError: the config or the scene cannot be used; the message says why.
      ValueError: two terms have one name.
    """
    settings = settings_from_config(FitSettings() if config is None else config, terms)
    names = [term.name for term in settings.terms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"terms: two are named {twice[0]}; a term's name finds its weight, data and records")
    if prior is None:
        settled = config is None or isinstance(config, FitSettings) or "prior" not in config
        prior = load_pose_prior(None if settled else config["prior"]["path"])  # type: ignore[index]
    item = prepare_scene(scene, answers, settings, body.num_betas)
    points = keypoints(body, pose_body(body, jax.tree.map(jnp.asarray, initial_params(body, scene))))
    pixels = np.asarray(project(points, jnp.asarray(scene.focal_length), jnp.asarray(scene.principal_point)))
    arrays = stack_scenes(body, [item], pixels[None], settings)
    return jax.tree.map(
        jnp.asarray,
        SceneProblem(
            model=make_fit_model(body, prior, settings.terms),
            scene=jax.tree.map(lambda x: x[0], arrays),
            numbers=tuple(Numbers(**settings.numbers(index)) for index in range(len(settings.stages))),
            structure=settings.structure,
        ),
    )


@functools.partial(jax.jit, static_argnames=("stage",))
def search(problem: SceneProblem, params: BodyParams, *, stage: int = -1, round_index: int = 0) -> Held:
    """Looks up the correspondences of every term at `params`, without gradient.

    Args:
      problem: from `make_problem`.
      params: P people.
      stage: whose weights say which terms are looked up; the last by default.
      round_index: which search it is; searches by sampling draw anew in each.

    Returns:
      What each term found, by name; hold it for as many steps as the scene moves little.
    """
    index = jnp.int32(stage % problem.num_stages)
    scenes, batch = (jax.tree.map(lambda x: x[None], tree) for tree in (problem.scene, params))
    active = active_terms(problem.structure, problem.scene, index)
    rounds = jnp.full(1, round_index, jnp.int32)
    held = search_batch(problem.model, scenes, batch, problem.structure, active, index, rounds)
    return jax.tree.map(lambda x: x[0], held)


@functools.partial(jax.jit, static_argnames=("stage",))
def energy(
    problem: SceneProblem, found: Held, params: BodyParams, *, stage: int = -1
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The energy of a stage on given correspondences.

    Args:
      problem: from `make_problem`.
      found: from `search`.
      params: P people, of whom the fields of MOVABLE are read; the rest is the scene's.
      stage: whose weights count; the last by default.

    Returns:
      () the sum, and the weighted terms by name, () each.
    """
    total, terms = _problem_at(problem, found, stage).energy(take_moving(params))
    return total, {term.name: terms[k] for k, term in enumerate(problem.structure.terms)}


@functools.partial(jax.jit, static_argnames=("stage",))
def normal_equations(
    problem: SceneProblem, found: Held, params: BodyParams, *, stage: int = -1
) -> tuple[jax.Array, jax.Array]:
    """Gradient and Gauss–Newton curvature of the energy (docs/method.md, "Levenberg–Marquardt").

    Args:
      problem: from `make_problem`.
      found: from `search`.
      params: P people.
      stage: whose weights count; the last by default. Every number moves, whatever the stage keeps.

    Returns:
      (P, D) gradient and (P, D, P, D) curvature, columns as in `flatten`.
    """
    found_ = _problem_at(problem, found, stage).linearised(take_moving(params))
    return found_.gradient, found_.curvature


def fit(problem: SceneProblem, params: BodyParams | None = None) -> BodyParams:
    """Minimises the energy through all stages with the config's solver.

    Args:
      problem: from `make_problem`.
      params: P people, where to start; None: `problem.initial`.

    Returns:
      P people's fitted parameters.
    """
    params = problem.initial if params is None else params
    with jax.default_matmul_precision("highest"):
        return _fit(problem, params)


def _fit(problem: SceneProblem, params: BodyParams) -> BodyParams:
    scenes, batch = (jax.tree.map(lambda x: x[None], tree) for tree in (problem.scene, params))
    for index, numbers in enumerate(problem.numbers):
        here = jax.tree.map(lambda x: jnp.array(x, copy=True), batch)  # a stage uses its input up
        batch = run_stage(problem.model, scenes, here, numbers, jnp.int32(index), structure=problem.structure).params
    return jax.tree.map(lambda x: x[0], batch)


def _problem_at(problem: SceneProblem, found: Held, stage: int) -> Problem:
    index = stage % problem.num_stages
    scene, structure, numbers = problem.scene, problem.structure, problem.numbers[index]
    everything = {name: jnp.ones_like(value) for name, value in numbers.moves.items()}
    # Hands, face, expression and child scale are the scene's: no fit moves them.
    active = active_terms(structure, scene, jnp.int32(index))
    numbers = dataclasses.replace(numbers, moves=everything)
    return stage_problem(problem.model, scene, scene.params, found, active, numbers, index, structure)


__all__ = ["SceneProblem", "energy", "fit", "flatten", "make_problem", "normal_equations", "search", "unflatten"]
