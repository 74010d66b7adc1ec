"""The fit: lower energy, batches equal to single scenes, searches equal, the early stop, fallback, failures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyModel
from prosepose_jax.config import load_config
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import Fitter, StopSettings, fit_scenes, settings_from_config
from prosepose_jax.fitting.stage import has_settled, run_stage
from prosepose_jax.losses import TERMS
from prosepose_jax.metrics import evaluate
from prosepose_jax.scene import Answer, Scene

from .conftest import answer

ANSWERS = [answer(("hand", "back"), ("arm", "shoulder (back)")), answer(("left hand", "waist (front)"))]


def _total(losses: np.ndarray) -> np.ndarray:
    return losses.sum(-1)


def test_fit_lowers_the_energy_and_touches(small_body: BodyModel, make_scene, short_config) -> None:
    scenes = [make_scene(seed) for seed in range(3)]
    short_config.stage1.steps = 150
    fits = fit_scenes(small_body, scenes, {s.key: ANSWERS for s in scenes}, short_config)
    contact = TERMS.index("contact")
    for scene in scenes:
        fit = fits[scene.key]
        assert fit.status == "ok" and fit.loss_terms == TERMS
        assert fit.losses is not None and fit.steps is not None
        first = fit.losses[0, : fit.steps[0]]
        assert _total(first)[-1] < 0.5 * _total(first)[0]
        assert first[-1, contact] < first[0, contact]
        assert np.all(np.isnan(fit.losses[0, fit.steps[0] :]))
        # The camera, the orientation and (in stage 2) the shape are not moved.
        np.testing.assert_array_equal(fit.global_orient, scene.global_orient)
    table = evaluate(small_body, scenes, fits)
    mean = table["mean"]["two_person"]
    assert mean["reprojection_px"] < 0.6 * mean["initial"]["reprojection_px"]


def test_batch_equals_single_scenes(small_body: BodyModel, make_scene, short_config) -> None:
    scenes = [make_scene(seed) for seed in range(3)]
    answers = {scenes[0].key: ANSWERS, scenes[1].key: ANSWERS[:1]}
    together = fit_scenes(small_body, scenes, answers, short_config)
    for scene in scenes:
        alone = fit_scenes(small_body, [scene], answers, short_config)[scene.key]
        np.testing.assert_allclose(together[scene.key].vertices, alone.vertices, atol=2e-4)
    assert together[scenes[2].key].status == "fallback"


def test_one_compilation_per_stage_and_shape(small_body: BodyModel, make_scene, short_config) -> None:
    fitter = Fitter(small_body, short_config)
    short_config.batch_size = 2
    fitter = Fitter(small_body, short_config)
    scenes = [make_scene(seed) for seed in range(5)]
    before = run_stage._cache_size()
    fits = list(fitter.fit(scenes, lambda key: ANSWERS))
    assert len(fits) == 5 and all(f.status == "ok" for f in fits)
    assert sum(signature[0] is run_stage for signature in fitter._compiled) == 2
    assert run_stage._cache_size() == before  # only ahead-of-time programs ran


def test_exact_search_gives_a_similar_fit(small_body: BodyModel, make_scene, short_config) -> None:
    scene = make_scene(0)
    fits = {}
    for search in ("cells", "exact", "sample"):
        short_config.contact.search = search
        fits[search] = fit_scenes(small_body, [scene], {scene.key: ANSWERS}, short_config)[scene.key]
    totals = {name: _total(fit.losses)[1, fit.steps[1] - 1] for name, fit in fits.items()}
    assert totals["cells"] == pytest.approx(totals["exact"], rel=0.1)
    assert totals["sample"] == pytest.approx(totals["exact"], rel=0.2)


def test_heuristic_draws_people_together(small_body: BodyModel, make_scene, short_config) -> None:
    scene = make_scene(0, apart=1.6)
    short_config.stage1.steps = 150
    fit = fit_scenes(small_body, [scene], None, short_config)[scene.key]
    assert fit.status == "fallback" and fit.answers == 0

    def gap(vertices: np.ndarray) -> float:
        return float(np.sqrt(((vertices[0][:, None] - vertices[1][None]) ** 2).sum(-1).min()))

    assert gap(fit.vertices) < 0.5 * gap(fit.initial_vertices)


def test_three_people_with_pairs(small_body: BodyModel, make_scene, short_config) -> None:
    scene = make_scene(0, people=3)
    some = [
        dataclasses.replace(ANSWERS[0], pair=(0, 1)),
        dataclasses.replace(ANSWERS[0], pair=(1, 2), order="given"),
    ]
    fit = fit_scenes(small_body, [scene], {scene.key: some}, short_config)[scene.key]
    assert fit.status == "ok" and fit.vertices.shape == (3, small_body.num_vertices, 3)


def test_self_contact(small_body: BodyModel, make_scene) -> None:
    config = load_config("self_contact")
    config.stage1.steps, config.stage2.steps = 60, 10
    scene = make_scene(3, people=1)
    answers = [answer(("hand", "head"), ("left hand", "right foot"))] * 4
    fit = fit_scenes(small_body, [scene], {scene.key: answers}, config)[scene.key]
    contact = TERMS.index("contact")
    assert fit.status == "ok"
    assert fit.losses[0, fit.steps[0] - 1, contact] < 0.8 * fit.losses[0, 0, contact]
    without = fit_scenes(small_body, [scene], None, config)[scene.key]
    assert without.status == "fallback" and np.nanmax(without.losses[..., contact]) == 0


def test_wrong_number_of_people_fails_that_scene_only(small_body: BodyModel, make_scene, short_config) -> None:
    scenes = [make_scene(0), make_scene(1, people=1)]
    fits = fit_scenes(small_body, scenes, None, short_config)
    assert fits[scenes[0].key].ok
    assert fits[scenes[1].key].status.startswith("failed: scene scene1: has 1 person")


def test_invisible_person_fails_that_scene_only(small_body: BodyModel, make_scene, short_config) -> None:
    blind: Scene = make_scene(0)
    points = blind.keypoints.copy()
    points[1, :, 2] = 0.0
    fits = fit_scenes(small_body, [dataclasses.replace(blind, keypoints=points), make_scene(1)], None, short_config)
    assert "no visible keypoint of person 1" in fits["scene0"].status and fits["scene1"].ok


def test_fallback_threshold(small_body: BodyModel, make_scene, short_config) -> None:
    scene = make_scene(0)
    answers = [ANSWERS[0], Answer("They hug."), Answer("I cannot tell.")]
    short_config.stage1.steps = short_config.stage2.steps = 2
    assert fit_scenes(small_body, [scene], {scene.key: answers}, short_config)[scene.key].status == "ok"
    short_config.contact.fallback_empty_answers = 2
    fit = fit_scenes(small_body, [scene], {scene.key: answers}, short_config)[scene.key]
    assert fit.status == "fallback" and (fit.answers, fit.answers_usable) == (3, 1)


def test_lost_ankle_rules(small_body: BodyModel, make_scene, short_config) -> None:
    scene = make_scene(0)
    points = scene.keypoints.copy()
    points[0, [14, 19, 20, 21], 2] = 0.1
    points[0, [14, 19, 20, 21], :2] += 200.0  # a wild guess of the detector
    scene = dataclasses.replace(scene, keypoints=points)
    short_config.stage1.steps = 150
    errors = {}
    for rule in ("leave_out", "initial"):
        short_config.keypoints.lost_ankle = rule
        fit = fit_scenes(small_body, [scene], {scene.key: ANSWERS}, short_config)[scene.key]
        errors[rule] = np.linalg.norm(fit.joints[0, 7] - fit.initial_joints[0, 7])
    # The parity rule holds the foot at the initial estimate, the default lets it go with the leg.
    assert errors["initial"] < errors["leave_out"] < 0.5


def _settled(losses: np.ndarray, seen: int, relative: bool = False) -> bool:
    stop = StopSettings(window=20, slope=1e-4, relative=relative)
    return bool(has_settled(jnp.asarray(losses, jnp.float32), jnp.asarray(seen), stop))


def test_early_stop() -> None:
    ramp = np.arange(20.0)
    assert _settled(5.0 + 0 * ramp, 21)
    assert not _settled(5.0 + 0 * ramp, 20)  # more than 20 losses must have been seen
    assert _settled(5.0 - 9e-5 * ramp, 30) and not _settled(5.0 - 1.2e-4 * ramp, 30)
    assert not _settled(5.0 + 1.2e-4 * ramp, 30)
    assert _settled(500.0 - 1e-3 * ramp, 30, relative=True) and not _settled(500.0 - 1e-3 * ramp, 30)


def test_stopped_scene_keeps_its_parameters(small_body: BodyModel, make_scene, short_config) -> None:
    short_config.stop.slope = 1e9  # stops as soon as 21 losses are seen
    short_config.stage1.steps, short_config.stage2.steps = 100, 40
    scene = make_scene(0)
    fit = fit_scenes(small_body, [scene], {scene.key: ANSWERS}, short_config)[scene.key]
    assert fit.steps.tolist() == [21, 21]
    assert np.isfinite(_total(fit.losses)[:, :21]).all() and np.isnan(_total(fit.losses)[:, 21:]).all()
    short_config.stop.slope = 0.0
    short_config.stage1.steps = short_config.stage2.steps = 21
    again = fit_scenes(small_body, [scene], {scene.key: ANSWERS}, short_config)[scene.key]
    np.testing.assert_allclose(again.vertices, fit.vertices, atol=1e-5)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mode", "three_person", "field mode is 'three_person', expected one of"),
        ("contact.search", "fast", "contact.search"),
        ("contact.refresh_every", 0, "contact.refresh_every is 0, expected at least 1"),
        ("stage1.weights.contact", -1.0, "stage1.weights must be finite"),
        ("stage2.steps", -5, "stage2.steps is -5"),
    ],
)
def test_bad_config_names_the_field(field: str, value: object, message: str) -> None:
    config = load_config("two_person")
    config.update_from_flattened_dict({field: value})
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        settings_from_config(config)


def test_no_transfer_inside_a_stage(small_body: BodyModel, make_scene, short_config) -> None:
    from prosepose_jax.fitting.prepare import prepare_scene, stack_scenes

    fitter = Fitter(small_body, short_config)
    prepared = [prepare_scene(make_scene(0), ANSWERS, fitter.settings)]
    arrays = jax.device_put(stack_scenes(small_body, prepared, np.zeros((1, 2, 25, 2), np.float32), fitter.settings))
    key = jax.random.key(0)
    call: Callable[..., object] = run_stage.lower(
        fitter.model, arrays, arrays.params, key, index=0, settings=fitter.settings
    ).compile()
    with jax.transfer_guard("disallow"):
        jax.block_until_ready(call(fitter.model, arrays, arrays.params, key))
