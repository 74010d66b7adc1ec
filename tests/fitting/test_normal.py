"""The normal equations against automatic differentiation of the energy that they model.

Contacts nearer than 5 mm are smoothed on purpose; the scenes here have none.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyModel, BodyParams, keypoints, pose_body
from prosepose_jax.camera import project
from prosepose_jax.config import load_config
from prosepose_jax.fitting import settings_from_config
from prosepose_jax.fitting.normal import flatten_moving, unflatten_moving
from prosepose_jax.fitting.problem import Moving, Problem, add_step, take_moving
from prosepose_jax.fitting.settings import RobustSettings
from prosepose_jax.losses import TERMS, Weights

from .conftest import answer
from .problems import NO_ROBUST, on_device, problems_of

ROBUST = RobustSettings(keypoints_px=50.0, contact_m=0.3, penetration_m=0.05)
TWO = [answer(("hand", "back"), ("arm", "shoulder (back)")), answer(("left hand", "waist (front)"))]
SELF = [answer(("hand", "head"), ("left hand", "right foot"))] * 4


@jax.jit
def _model(problem: Problem, moving: Moving) -> tuple[jax.Array, ...]:
    """Terms and gradient of the energy; gradient and curvature of the normal equations.

    Pytrees come out of jit with their names sorted, so columns are in the order of sorted names.
    """
    (_, terms), slope = jax.value_and_grad(problem.energy, has_aux=True)(moving)
    gradient, curvature = problem.normal(moving)
    return terms, flatten_moving(slope), gradient, curvature


def _away(params: BodyParams, seed: int) -> BodyParams:
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


def _problems(body: BodyModel, make_scene, people: int, index: int, apart: float) -> tuple[list[Problem], list[Moving]]:
    """Two scenes of a stage, with what moves away from where the stage began; the second takes the fallback."""
    settings = settings_from_config(load_config("self_contact" if people == 1 else "two_person"))
    scenes = [make_scene(seed, people=people, apart=apart) for seed in (0, 1)]
    some = SELF if people == 1 else [dataclasses.replace(a, pair=(p, p + 1)) for a in TWO for p in range(people - 1)]
    model, arrays = on_device(body, scenes, {scenes[0].key: some}, settings)
    params = _away(arrays.params, seed=people)
    moving = take_moving(params, settings.stages[index])
    problems = problems_of(model, arrays, params, settings, index)
    return problems, [jax.tree.map(lambda x, i=i: x[i], moving) for i in range(2)]  # names sorted, as in a stage


def _scaled(curvature: jax.Array) -> np.ndarray:
    """The curvature with a unit diagonal, double precision: pixels per metre and betas on one scale."""
    matrix = np.asarray(curvature, np.float64)
    root = np.sqrt(np.diagonal(matrix))
    assert np.all(root > 0)
    return matrix / np.outer(root, root)


@pytest.mark.parametrize(("people", "index"), [(1, 0), (2, 0), (2, 1), (3, 1)])
def test_gradient_equals_automatic_differentiation(small_body: BodyModel, make_scene, people: int, index: int) -> None:
    problems, movings = _problems(small_body, make_scene, people, index, apart=0.15 if index else 0.35)
    for robust in (ROBUST, NO_ROBUST) if people < 3 else (ROBUST,):
        for fallback, (problem, moving) in enumerate(zip(problems, movings, strict=True)):
            terms, expected, gradient, curvature = _model(dataclasses.replace(problem, robust=robust), moving)
            expect = {"keypoints": True, "initial_pose": True, "contact": not fallback, "penetration": index == 1}
            expect["heuristic"] = bool(fallback) and people > 1
            assert {name: bool(terms[TERMS.index(name)] > 1e-6) for name in expect} == expect
            found = unflatten_moving(gradient.reshape(expected.shape), moving)
            for name, part in unflatten_moving(expected, moving).items():
                size = float(jnp.max(jnp.abs(part)))
                np.testing.assert_allclose(found[name], part, atol=1e-3 * size, rtol=0, err_msg=f"{name} {robust}")
            scaled = _scaled(curvature)
            np.testing.assert_allclose(scaled, scaled.T, atol=1e-5)
            assert np.linalg.eigvalsh(scaled)[0] > -1e-5


@pytest.fixture(scope="module")
def overlapping(small_body: BodyModel, make_scene) -> tuple[Problem, Moving]:
    """Two people inside each other in stage 2, betas moving too, plain terms."""
    problems, movings = _problems(small_body, make_scene, 2, 1, apart=0.15)
    problem = dataclasses.replace(problems[0], robust=NO_ROBUST)
    moving = {**movings[0], "betas": problem.start.betas + 0.5}
    return problem, {name: moving[name] for name in sorted(moving)}  # the order that pytrees have inside a jit


def _only(problem: Problem, **weights: float) -> Problem:
    """The problem with these weights and no others."""
    values = {name: jnp.float32(weights.get(name, 0.0)) for name in TERMS}
    return dataclasses.replace(problem, weights=Weights(**values))


def _assert_matrices_equal(found: jax.Array, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("term", ["initial_pose", "shape_prior", "pose_prior"])
def test_curvature_of_quadratic_terms_is_their_hessian(overlapping: tuple[Problem, Moving], term: str) -> None:
    problem, moving = overlapping
    problem = _only(problem, **{term: 3.0})
    _, _, gradient, curvature = _model(problem, moving)
    step = jnp.asarray(np.random.default_rng(0).normal(0.0, 1e-2, gradient.shape), jnp.float32)
    here, there = (float(jnp.sum(_model(problem, m)[0])) for m in (moving, add_step(moving, step)))
    assert float(jnp.abs(curvature).max()) > 0
    predicted = float(gradient @ step + 0.5 * step @ curvature @ step)
    assert there - here == pytest.approx(predicted, rel=2e-3, abs=1e-5 * abs(here))


@pytest.mark.parametrize(("term", "factor"), [("contact", 1.0), ("penetration", 0.5)])
def test_curvature_of_one_residual_is_the_square_of_its_slope(
    overlapping: tuple[Problem, Moving], term: str, factor: float
) -> None:
    # A squared residual E = w r² has the Gauss-Newton curvature g gᵀ / 2E, a distance E = w d the majorising g gᵀ / E.
    problem, moving = overlapping
    held = getattr(problem.held, term)
    one = jnp.zeros(held.weight.size).at[jnp.argmax(held.weight)].set(1.0).reshape(held.weight.shape)
    held = dataclasses.replace(problem.held, **{term: dataclasses.replace(held, weight=one)})
    terms, slope, _, curvature = _model(dataclasses.replace(_only(problem, **{term: 500.0}), held=held), moving)
    g, value = np.asarray(slope, np.float64).ravel(), float(jnp.sum(terms))
    assert value > 0
    _assert_matrices_equal(curvature, factor * np.outer(g, g) / value)


def test_curvature_of_the_closest_pair_is_the_square_of_its_slope(overlapping: tuple[Problem, Moving]) -> None:
    problem, moving = overlapping
    terms, slope, _, curvature = _model(_only(problem, heuristic=1e4), moving)
    g, value = np.asarray(slope, np.float64).ravel(), float(jnp.sum(terms))
    assert value > 0
    _assert_matrices_equal(curvature, np.outer(g, g) / (2 * value))


@pytest.mark.parametrize("robust_px", [0.0, 50.0])
def test_curvature_of_the_keypoints_is_that_of_the_reweighted_squares(
    small_body: BodyModel, overlapping: tuple[Problem, Moving], robust_px: float
) -> None:
    problem, moving = overlapping
    scene = problem.scene
    shape = flatten_moving(moving).shape

    def errors(flat: jax.Array) -> jax.Array:
        """(P, 25, 2) errors in the 512-px box, by the body model itself."""
        params = dataclasses.replace(problem.start, **unflatten_moving(flat.reshape(shape), moving))
        points = keypoints(small_body, pose_body(small_body, params))
        return (project(points, scene.focal_px, scene.principal_px) - scene.keypoints_px) * scene.scale[:, None, None]

    flat = flatten_moving(moving).ravel()
    r, slopes = jax.jit(lambda x: (errors(x), jax.jacfwd(errors)(x)))(flat)
    weight = np.asarray(scene.confidence, np.float64) * 0.04
    if robust_px:  # the slope of c² s / (c² + s) by s
        weight = weight * robust_px**4 / (robust_px**2 + np.sum(np.asarray(r, np.float64) ** 2, axis=-1)) ** 2
    expected = 2.0 * np.einsum("pk,pkxd,pkxe->de", weight, slopes, slopes)
    problem = dataclasses.replace(problem, robust=RobustSettings(keypoints_px=robust_px))
    _, _, _, curvature = _model(_only(problem, keypoints=0.04), moving)
    _assert_matrices_equal(curvature, expected)


def test_flat_steps_are_in_the_order_of_the_names() -> None:
    moving = {"transl": jnp.zeros((2, 3)), "body_pose": jnp.zeros((2, 21, 3)), "betas": jnp.ones((2, 4))}
    moved = add_step(moving, jnp.arange(140.0))  # one row of numbers a person
    assert list(moved) == list(moving)
    np.testing.assert_array_equal(moved["transl"], [[0, 1, 2], [70, 71, 72]])
    np.testing.assert_array_equal(moved["body_pose"][:, 20], [[63, 64, 65], [133, 134, 135]])
    np.testing.assert_array_equal(moved["betas"] - 1.0, [[66, 67, 68, 69], [136, 137, 138, 139]])
