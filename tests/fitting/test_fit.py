"""The fit: lower energy, batches equal to single scenes, searches, the early stop, fallback, failures.

Every compiled stage costs seconds, so the tests share two settings and a few batch shapes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import answer, fewer_terms, numbers_of, on_device

from prosepose_jax.body import BodyModel
from prosepose_jax.config import load_config
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import Fitter, fit_scenes, settings_from_config
from prosepose_jax.fitting.compiled import compiled, forget_compiled, share_of_maps, signatures
from prosepose_jax.fitting.prepare import group_shape, prepare_scene, stack_scenes
from prosepose_jax.fitting.rooms import rooms
from prosepose_jax.fitting.solvers.adam import has_settled
from prosepose_jax.fitting.stage import StageResult, run_stage
from prosepose_jax.metrics import evaluate
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.terms import TERMS

ANSWERS = [answer(("hand", "back"), ("arm", "shoulder (back)")), answer(("left hand", "waist (front)"))]
NAMES = tuple(term.name for term in TERMS)
CONTACT = NAMES.index("contact")


def _total(losses: np.ndarray) -> np.ndarray:
    return losses.sum(-1)


@pytest.mark.heavy
def test_fit_lowers_the_energy_with_one_compilation_per_shape(small_body: BodyModel, make_scene, short_config) -> None:
    forget_compiled()
    short_config.batch_size = 3
    scenes = [make_scene(seed) for seed in range(5)]
    answers = {scene.key: ANSWERS for scene in scenes} | {scenes[1].key: ANSWERS[:1]}
    fitter = Fitter(small_body, short_config)
    with jax.enable_x64(True):  # as JAX_ENABLE_X64 has it: the programs are those of float32 all the same
        fits = {fit.key: fit for fit in fitter.fit(scenes, answers.__getitem__)}
    assert set(fits) == {scene.key for scene in scenes} and fitter.timing.compile > 0
    assert sum(signature[0] is run_stage for signature in signatures()) == 1  # both stages
    assert run_stage._cache_size() == 0  # only programs compiled ahead of time ran
    for scene in scenes:
        fit = fits[scene.key]
        assert fit.status == "ok" and fit.loss_terms == NAMES
        assert fit.losses is not None and fit.steps is not None
        first = fit.losses[0, : fit.steps[0]]
        assert _total(first)[-1] < 0.7 * _total(first)[0]
        assert first[-1, CONTACT] < first[0, CONTACT]
        assert np.all(np.isnan(fit.losses[0, fit.steps[0] :]))
        assert np.all(fit.steps >= 4) and fit.steps[0] <= short_config.lm.steps
        assert not np.array_equal(fit.global_orient, scene.global_orient)
    mean = evaluate(small_body, scenes, fits)["mean"]["two_person"]
    assert mean["reprojection_px"] < 0.7 * mean["initial"]["reprojection_px"]
    # Another fitter, with other weights and another robust scale at that, has nothing to compile.
    short_config.stage1.weights.contact, short_config.contact.robust_m = 7.0, 0.1
    again = Fitter(small_body, short_config)
    assert all(f.ok for f in again.fit(scenes, answers.__getitem__)) and again.timing.compile == 0.0


@pytest.mark.heavy
def test_batches_equal_single_scenes(small_body: BodyModel, make_scene, short_config) -> None:
    """By Adam, with few terms: that each term's batch is its scenes is shown in tests/terms/test_every_term.py.

    Levenberg-Marquardt takes or refuses whole steps, which turns the other rounding of another batch shape into
    another, equally good fit now and then.
    """
    scenes = [make_scene(seed) for seed in range(3)]
    answers = {scenes[0].key: ANSWERS, scenes[1].key: ANSWERS[:1], scenes[2].key: ANSWERS}
    short_config.solver, short_config.stage1.steps = "adam", 0
    settings = fewer_terms(settings_from_config(short_config))
    batched, alone = (fit_scenes(small_body, some, answers, settings)[scenes[1].key] for some in (scenes, scenes[1:2]))
    np.testing.assert_allclose(batched.vertices, alone.vertices, atol=2e-4)


def test_calls_of_a_group_share_the_shapes_of_their_arrays(small_body: BodyModel, make_scene, short_config) -> None:
    """However many parts their scenes name: another shape is another compilation."""
    short_config.batch_size = short_config.scenes_per_call = 2
    fitter = Fitter(small_body, short_config)
    parts = ("hand", "foot", "arm", "calf")
    more = [answer((one, other)) for one in parts for other in parts]
    prepared = [
        prepare_scene(make_scene(seed), some, fitter.settings, small_body.num_betas)
        for seed, some in enumerate([ANSWERS[1:], ANSWERS[1:], more, more])
    ]
    alone = [group_shape([item], fitter.settings).entries for item in prepared]
    assert alone[0] < alone[2]
    shared = rooms(prepared, fitter.settings)
    calls = list(fitter._calls(prepared, shared))
    assert [len(batch) for batch, *_ in calls] == [2, 2]
    # Also of portions that are handed over one after the other.
    assert [call[1:] for part in (prepared[:1], prepared[1:]) for call in fitter._calls(part, shared)] == [
        calls[0][1:]
    ] * 3
    nowhere = np.zeros((2, 2, 25, 2), np.float32)
    first, second = (
        jax.tree.map(np.shape, stack_scenes(small_body, batch, nowhere, fitter.settings, shape))
        for batch, _, shape in calls
    )
    assert first == second and first.terms["contact"].entries == (2, alone[2], 3)


def test_devices_change_no_size(small_body: BodyModel, make_scene, short_config) -> None:
    """More devices get smaller parts of a call, filled up to its size: a fit's last digits depend on it."""
    short_config.batch_size, short_config.scenes_per_call = 2, 8
    fitter = Fitter(small_body, short_config)
    prepared = [prepare_scene(make_scene(seed), ANSWERS, fitter.settings, small_body.num_betas) for seed in range(8)]
    shared = rooms(prepared, fitter.settings)
    ((_, size, shape),) = fitter._calls(prepared, shared)
    fitter._models = dict.fromkeys(range(8), fitter.model)  # type: ignore[arg-type]
    calls = list(fitter._calls(prepared, shared))
    assert [len(batch) for batch, *_ in calls] == [1] * 8
    assert all(call[1:] == (size, shape) for call in calls) and size == 8


def test_programs_multiply_in_full_precision() -> None:
    """GPUs and TPUs would by default multiply float32 with fewer digits."""
    product = jax.jit(lambda a, b: a @ b)
    program, _ = compiled(product, jax.local_devices()[0], (np.ones((64, 64), np.float32),) * 2, {})
    assert "operand_precision={highest,highest}" in program.as_text()


def test_programs_are_let_go_of_before_memory_maps_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_compiled()
    doubled, device = jax.jit(lambda x: 2 * x), jax.devices()[0]
    for size in (1, 2, 1):
        program, _ = compiled(doubled, device, (np.ones(size, np.float32),), {})
        assert np.all(program(np.ones(size, np.float32)) == 2.0)
    assert len(signatures()) == 2
    monkeypatch.setattr("prosepose_jax.fitting.compiled.share_of_maps", lambda: 0.6)
    assert compiled(doubled, device, (np.ones(3, np.float32),), {})[1]
    assert len(signatures()) == 1
    assert not compiled(doubled, device, (np.ones(3, np.float32),), {})[1]  # nothing new: nothing is let go of
    assert compiled(doubled, device, (np.ones(2, np.float32),), {})[1]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux counts memory maps")
def test_forgetting_frees_memory_maps() -> None:
    def tower(x: jax.Array) -> jax.Array:
        for k in range(40):
            x = jnp.sort(jnp.cumsum(x) * k)
        return x

    before = share_of_maps()
    assert 0 < before < 1
    program, _ = compiled(jax.jit(tower), jax.devices()[0], (np.ones(50, np.float32),), {})
    taken = share_of_maps()
    assert taken > before
    del program
    forget_compiled()
    assert share_of_maps() < taken


@pytest.mark.heavy
@pytest.mark.parametrize("search", ["exact", pytest.param("sample", marks=pytest.mark.variants)])
def test_other_searches_give_a_similar_fit(small_body: BodyModel, make_scene, short_config, search: str) -> None:
    scene = make_scene(0)
    short_config.stage2.steps = 0
    settings = fewer_terms(settings_from_config(short_config))
    default = fit_scenes(small_body, [scene], {scene.key: ANSWERS}, settings)[scene.key]
    settings = dataclasses.replace(settings, search=search)
    other = fit_scenes(small_body, [scene], {scene.key: ANSWERS}, settings)[scene.key]
    totals = [_total(fit.losses)[0, fit.steps[0] - 1] for fit in (default, other)]
    assert totals[0] == pytest.approx(totals[1], rel=0.1 if search == "exact" else 0.2)
    assert other.steps.tolist()[1] == 0


@pytest.mark.heavy
def test_heuristic_draws_people_together(small_body: BodyModel, make_scene, short_config) -> None:
    scene = make_scene(0, apart=1.4)
    short_config.stage2.steps = 0
    short_config.stage1.fallback_weights.heuristic = 10000.0  # people who are seen so far apart stay there otherwise
    fit = fit_scenes(small_body, [scene], None, short_config)[scene.key]
    assert fit.status == "fallback" and fit.answers == 0

    def gap(vertices: np.ndarray) -> float:
        return float(np.sqrt(((vertices[0][:, None] - vertices[1][None]) ** 2).sum(-1).min()))

    assert gap(fit.vertices) < 0.7 * gap(fit.initial_vertices)


@pytest.mark.heavy
def test_three_people_with_pairs(small_body: BodyModel, make_scene, short_config) -> None:
    scene = make_scene(0, people=3)
    some = [
        dataclasses.replace(ANSWERS[0], pair=(0, 1)),
        dataclasses.replace(ANSWERS[0], pair=(1, 2), order="given"),
    ]
    short_config.stage1.steps = 0
    settings = fewer_terms(settings_from_config(short_config))
    fit = fit_scenes(small_body, [scene], {scene.key: some}, settings)[scene.key]
    assert fit.status == "ok" and fit.vertices.shape == (3, small_body.num_vertices, 3)
    assert _total(fit.losses)[1, fit.steps[1] - 1] < _total(fit.losses)[1, 0]


@pytest.mark.heavy
def test_self_contact(small_body: BodyModel, make_scene) -> None:
    config = load_config("self_contact")
    config.stage1.steps, config.stage2.steps = 60, 0
    # The parts start half a metre apart, where robust contacts hardly pull, nor does the small weight of stage 1.
    config.contact.robust_m, config.stage1.weights.contact = 0.0, 10000.0
    scene, other = make_scene(3, people=1), make_scene(4, people=1)
    answers = [answer(("hand", "head"), ("left hand", "right foot"))] * 4
    fits = fit_scenes(small_body, [scene], {scene.key: answers}, fewer_terms(settings_from_config(config)))
    fit = fits[scene.key]
    assert fit.status == "ok"
    contact = fit.losses[0, : fit.steps[0], fit.loss_terms.index("contact")]
    assert contact[-1] < 0.8 * contact[0]
    prepared = prepare_scene(other, [], settings_from_config(config))
    assert prepared.fallback and settings_from_config(config).stages[0].fallback_weights["contact"] == 0


@pytest.mark.heavy
def test_unusable_scenes_fail_alone(small_body: BodyModel, make_scene, short_config) -> None:
    blind: Scene = make_scene(1)
    points = blind.keypoints.copy()
    points[1, :, 2] = 0.0
    scenes = [make_scene(0), dataclasses.replace(blind, keypoints=points), make_scene(2, people=1)]
    settings = fewer_terms(settings_from_config(short_config))
    fits = fit_scenes(small_body, scenes, {s.key: ANSWERS for s in scenes}, settings)
    assert fits["scene0"].ok
    assert "no visible keypoint of person 1" in fits["scene1"].status
    assert fits["scene2"].status.startswith("failed: scene scene2: has 1 person")


def test_fallback_threshold(make_scene, short_config) -> None:
    answers = [ANSWERS[0], Answer("They hug."), Answer("I cannot tell.")]
    prepared = prepare_scene(make_scene(0), answers, settings_from_config(short_config))
    assert not prepared.fallback
    short_config.contact.use_answers = False
    assert prepare_scene(make_scene(0), answers, settings_from_config(short_config)).fallback
    short_config.contact.use_answers = True
    short_config.contact.fallback_empty_answers = 2
    prepared = prepare_scene(make_scene(0), answers, settings_from_config(short_config))
    assert prepared.fallback and (prepared.program.num_answers, prepared.program.num_usable) == (3, 1)


def test_lost_ankle_rules(small_body: BodyModel, make_scene, short_config) -> None:
    scene = make_scene(0)
    foot = [14, 19, 20, 21]
    points = scene.keypoints.copy()
    points[0, foot, 2] = [0.1, 0.9, 0.9, 0.9]
    points[1, 11, 2] = 0.25  # not lost
    scene = dataclasses.replace(scene, keypoints=points)
    initial_px = np.full((1, 2, 25, 2), 7.0, np.float32)
    seen = {}
    for rule in ("leave_out", "initial"):
        short_config.keypoints.lost_ankle = rule
        settings = settings_from_config(short_config)
        prepared = [prepare_scene(scene, ANSWERS, settings)]
        seen[rule] = stack_scenes(small_body, prepared, initial_px, settings).terms["keypoints"]
    assert np.all(seen["leave_out"].confidence[0, 0, foot] == 0)
    assert np.all(seen["initial"].confidence[0, 0, foot] == 0.5)
    assert np.all(seen["initial"].pixels[0, 0, foot] == 7.0)
    others = np.setdiff1d(np.arange(25), foot)
    for arrays in seen.values():
        np.testing.assert_array_equal(arrays.confidence[0, 0, others], points[0, others, 2])
        np.testing.assert_array_equal(arrays.confidence[0, 1], points[1, :, 2])


def _settled(losses: np.ndarray, seen: int, relative: bool = False) -> bool:
    return bool(has_settled(jnp.asarray(losses, jnp.float32), jnp.asarray(seen), jnp.float32(1e-4), relative))


def test_early_stop() -> None:
    ramp = np.arange(20.0)
    assert _settled(5.0 + 0 * ramp, 21)
    assert not _settled(5.0 + 0 * ramp, 20)  # more than 20 losses must have been seen
    assert _settled(5.0 - 9e-5 * ramp, 30) and not _settled(5.0 - 1.2e-4 * ramp, 30)
    assert not _settled(5.0 + 1.2e-4 * ramp, 30)
    assert _settled(500.0 - 1e-3 * ramp, 30, relative=True) and not _settled(500.0 - 1e-3 * ramp, 30)


@pytest.mark.heavy
def test_stopped_scene_keeps_its_parameters(small_body: BodyModel, make_scene, short_config) -> None:
    short_config.solver = "adam"
    short_config.stage1.move_global_orient = False
    settings, scene = fewer_terms(settings_from_config(short_config)), make_scene(0)
    model, arrays = on_device(small_body, [scene], {scene.key: ANSWERS}, settings)

    def run(**changed: jax.Array) -> StageResult:
        start = jax.tree.map(lambda x: jnp.array(x, copy=True), arrays.params)
        numbers = dataclasses.replace(numbers_of(settings, 0), **changed)
        return run_stage(model, arrays, start, numbers, jnp.int32(0), structure=settings.structure)

    # Stops as soon as 21 losses are seen, in the middle of a round of five.
    found = run(stop_slope=jnp.float32(1e9))
    assert found.steps.tolist() == [21]
    np.testing.assert_array_equal(found.params.global_orient[0], scene.global_orient)
    totals = _total(np.asarray(found.losses))
    assert np.isfinite(totals[0, :21]).all() and np.isnan(totals[0, 21:]).all()
    again = run(stop_slope=jnp.float32(0.0), steps=jnp.int32(21))
    jax.tree.map(np.testing.assert_array_equal, again.params, found.params)


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
    with pytest.raises(InputError, match=message):
        settings_from_config(config)


@pytest.mark.heavy
def test_no_transfer_inside_a_stage(small_body: BodyModel, make_scene, short_config) -> None:
    fitter = Fitter(small_body, short_config)
    prepared = [prepare_scene(make_scene(0), [], fitter.settings)]
    initial_px = np.zeros((1, 2, 25, 2), np.float32)
    model, arrays = jax.device_put((fitter.model, stack_scenes(small_body, prepared, initial_px, fitter.settings)))
    params = jax.tree.map(lambda x: jnp.array(x, copy=True), arrays.params)
    numbers = numbers_of(fitter.settings, 1)
    args = jax.device_put((model, arrays, params, numbers, jnp.int32(1), np.ones(1, bool), np.zeros(1, np.float32)))
    # As a fitter calls it, without answers as another test's: there is nothing to compile.
    call, _ = compiled(run_stage, jax.local_devices()[0], args, {"structure": fitter.settings.structure})
    with jax.transfer_guard("disallow"):
        jax.block_until_ready(call(*args))
