"""Stated errors by hand: one standard deviation off costs 1, whatever the unit (docs/method.md, "Stated errors")."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shape_units import body_in_other_units, turn
from small_scenes import small_scene

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.body.measurements import shape_measures
from prosepose_jax.fitting.objective import term_energy
from prosepose_jax.fitting.prepare import initial_params
from prosepose_jax.scene import Scene
from prosepose_jax.terms import Camera, Context, EstimatePlace, EstimatePose, EstimateShape, PopulationShape, Term
from prosepose_jax.terms.base import SceneReading
from prosepose_jax.terms.defaults import ERRORS
from prosepose_jax.terms.estimate_pose import JOINT_SHARES


def _reading(initial: Any, scene: Scene) -> SceneReading:
    nothing: Any = None
    kept = scene.keypoints
    return SceneReading(scene, initial, ERRORS, nothing, kept, nothing, nothing, nothing, nothing, 0, 0)


@pytest.fixture
def scene(small_body: BodyModel) -> Scene:
    return small_scene(small_body, 3)


def _cost(term: Term, body: BodyModel, scene: Scene, **moved: Any) -> float:
    """Of people who are moved from the scene's estimate."""
    initial = initial_params(body, scene)
    start = jax.tree.map(jnp.asarray, initial)
    changed: dict[str, Any] = {name: getattr(start, name) + jnp.asarray(by) for name, by in moved.items()}
    return _cost_at(term, body, scene, dataclasses.replace(start, **changed))


def _cost_at(term: Term, body: BodyModel, scene: Scene, params: BodyParams) -> float:
    initial = initial_params(body, scene)
    mine = term.prepare_body(body, None)
    data = jax.tree.map(jnp.asarray, term.prepare_scene(_reading(initial, scene)))
    camera = Camera(jnp.ones(2), jnp.zeros(2))
    context = Context(body, mine, data, None, camera, params, params)
    return float(term_energy(term, context, None, jnp.float32(0.0)))  # type: ignore[arg-type]


def test_estimate_pose_by_hand(small_body: BodyModel, scene: Scene) -> None:
    scene = dataclasses.replace(scene, body_pose=np.zeros((2, 21, 3), np.float32))
    assert _cost(EstimatePose(), small_body, scene) == pytest.approx(0.0, abs=1e-6)
    joint = 17  # an elbow
    angle = np.radians(ERRORS["pose_deg"]) * JOINT_SHARES[joint]
    turned = np.zeros((2, 21, 3), np.float32)
    turned[0, joint] = angle * np.array([0.6, 0.0, 0.8])
    expected = (2 * np.sin(angle / 2) / angle) ** 2
    assert _cost(EstimatePose(), small_body, scene, body_pose=turned) == pytest.approx(expected, rel=1e-3)


def test_a_turn_over_the_seam_of_axis_angles_is_as_short_as_it_is(small_body: BodyModel, scene: Scene) -> None:
    """People who face the camera are turned by half a turn; a little more is the vector's negative, a little less."""
    orient = np.tile(np.array([[np.pi - 0.02, 0.0, 0.0]], np.float32), (2, 1))
    scene = dataclasses.replace(scene, global_orient=orient)
    params = jax.tree.map(jnp.asarray, initial_params(small_body, scene))
    over = dataclasses.replace(params, global_orient=-orient + jnp.zeros(()))
    sd = np.radians(ERRORS["orientation_deg"])
    assert _cost_at(EstimatePose(), small_body, scene, over) == pytest.approx(2 * (0.04 / sd) ** 2, rel=1e-2)


def test_estimate_shape_by_hand(small_body: BodyModel, scene: Scene) -> None:
    measures = shape_measures(small_body, 10)
    taller = np.asarray(measures.taller()) * ERRORS["stature_share"] * float(measures.mean[0])
    moved = np.zeros((2, 10), np.float32)
    moved[1] = taller
    assert _cost(EstimateShape(), small_body, scene, betas=moved) == pytest.approx(1.0, rel=1e-3)
    # And of what does not change the stature.
    other = np.asarray(measures.besides_stature(jnp.asarray(np.linspace(-1.0, 1.0, 10, dtype=np.float32))))
    other = other * ERRORS["build_m"] / np.linalg.norm(np.asarray(measures.surface) @ other)
    moved[1] = taller + other
    assert _cost(EstimateShape(), small_body, scene, betas=moved) == pytest.approx(2.0, rel=1e-3)


def test_population_shape_by_hand(small_body: BodyModel, scene: Scene) -> None:
    measures = shape_measures(small_body, 10)
    taller = np.asarray(measures.taller()) * ERRORS["population_stature_share"] * float(measures.mean[0])
    scene = dataclasses.replace(scene, betas=np.stack([taller, -2 * taller]).astype(np.float32))
    assert _cost(PopulationShape(), small_body, scene) == pytest.approx(1.0 + 4.0, rel=1e-3)
    assert _cost(PopulationShape(), small_body, scene, betas=-scene.betas) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("term", [EstimateShape(), PopulationShape(), EstimatePlace()], ids=lambda t: t.name)
def test_the_unit_of_betas_does_not_matter(small_body: BodyModel, scene: Scene, term: Term) -> None:
    betas = np.random.default_rng(1).normal(size=(2, 10)).astype(np.float32)
    moved = np.random.default_rng(2).normal(size=(2, 10)).astype(np.float32)
    rotation = np.eye(small_body.num_betas)
    rotation[:10, :10] = turn(10)
    other = body_in_other_units(small_body, 0.5, rotation)
    mine = dataclasses.replace(scene, betas=betas)
    theirs = dataclasses.replace(scene, betas=(0.5 * betas @ rotation[:10, :10].T).astype(np.float32))
    expected = _cost(term, small_body, mine, betas=moved)
    found = _cost(term, other, theirs, betas=(0.5 * moved @ rotation[:10, :10].T).astype(np.float32))
    assert expected > 0.1 and found == pytest.approx(expected, rel=1e-3)


def test_estimate_place_by_hand(small_body: BodyModel, scene: Scene) -> None:
    term = EstimatePlace()
    maps = term.prepare_body(small_body, None)
    params = jax.tree.map(jnp.asarray, initial_params(small_body, scene))
    pelvis = np.asarray(jax.vmap(maps.pelvis)(params))
    assert _cost(term, small_body, scene) == pytest.approx(0.0, abs=1e-6)
    across = np.zeros((2, 3), np.float32)
    across[0, 0] = 2 * ERRORS["across_m"]
    assert _cost(term, small_body, scene, transl=across) == pytest.approx(4.0, rel=1e-3)
    # Along the own ray: depth, and the depth that the size does not follow.
    share = 0.06
    along = np.zeros((2, 3), np.float32)
    along[1] = share * pelvis[1]
    log = np.log1p(share)
    expected = (log / ERRORS["depth_share"]) ** 2 + (log / ERRORS["size_over_depth_share"]) ** 2
    assert _cost(term, small_body, scene, transl=along) == pytest.approx(expected, rel=1e-3)
    # Who is as much taller as further away costs the depth alone.
    measures = shape_measures(small_body, 10)
    betas = np.zeros((2, 10), np.float32)
    betas[1] = np.asarray(measures.taller()) * share * float(measures.mean[0])
    shift = pelvis[1] * share - np.asarray(maps.shape_dirs) @ betas[1]
    along[1] = shift
    found = _cost(term, small_body, scene, transl=along, betas=betas)
    assert found == pytest.approx((log / ERRORS["depth_share"]) ** 2, rel=1e-3)
