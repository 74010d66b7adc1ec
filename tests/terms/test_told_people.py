"""What answers tell of each person, by hand: who is a child, whom people face, their posture (docs/beyond_touch.md)."""

from __future__ import annotations

import dataclasses
import functools
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import fewer_terms, pose_at_once, small_scene

import prosepose_jax as pj
from prosepose_jax.body import BodyModel, BodyParams, keypoints
from prosepose_jax.fitting.objective import Linearised, flatten, term_energy, term_linearised, unflatten
from prosepose_jax.fitting.prepare import initial_params
from prosepose_jax.language import QUESTIONS, aligned, compile_votes
from prosepose_jax.scene import Answer
from prosepose_jax.synthetic.facts import _faces
from prosepose_jax.terms import OPTIONAL_TERMS, TERMS, Camera, Context, Term, ToldAge, ToldFaces, ToldPosture
from prosepose_jax.terms.told_people import facing, log_statures, people_told, told_map, upright
from prosepose_jax.terms.told_scales import AGE, FACES, HIPS, KNEES, UPRIGHT

SCALES = (AGE, FACES, KNEES, HIPS, UPRIGHT)
LEGS = np.array([0, 1, 3, 4])  # hips and knees in body_pose


def _answers(count: int, *rows: str, order: str = "given", people: int = 2) -> list[Answer]:
    heading = "| Question | Person 1 | Person 2 |" if people == 2 else "| Question | Person |"
    table = "\n".join([heading, "|---" * (people + 1) + "|", *rows])
    return [Answer(table, order=order)] * count


def _told(answers: list[Answer], people: int = 2) -> Any:
    return people_told(aligned(compile_votes(answers, people)), people)


def _people(body: BodyModel, people: int = 2) -> BodyParams:
    """Upright in the camera frame, arms out, side by side, looking at the camera."""
    params: BodyParams = jax.tree.map(jnp.asarray, initial_params(body, small_scene(body, 0, people=people)))
    return dataclasses.replace(params, body_pose=jnp.zeros_like(params.body_pose))


def _turned(params: BodyParams, *degrees: float) -> BodyParams:
    """About the vertical, 0 looking at the camera, 90 to the picture's right."""
    half = np.radians(degrees) / 2
    # Half a turn about x and then the angle about the picture's y, as quaternions (w, x, y, z).
    axes = np.stack([np.cos(half), np.zeros_like(half), np.sin(half)], axis=1)  # x cos + z sin, half a turn about it
    return dataclasses.replace(params, global_orient=jnp.asarray(np.pi * axes, jnp.float32))


def _context(body: BodyModel, term: Term, told: Any, params: BodyParams, sign: float = 1.0) -> Context:
    return Context(
        body, term.prepare_body(body, None), jax.tree.map(jnp.asarray, told), jnp.float32(sign),
        Camera(jnp.ones(2), jnp.zeros(2)), params, params,
    )  # fmt: skip


@functools.partial(jax.jit, static_argnums=0)
def _energy(term: Term, context: Context) -> jax.Array:
    return term_energy(term, context, None, jnp.float32(0.0))  # type: ignore[arg-type]


@functools.partial(jax.jit, static_argnums=0)
def _model(term: Term, context: Context) -> Linearised:
    return term_linearised(term, context, None, jnp.float32(0.0))  # type: ignore[arg-type]


_facing = jax.jit(lambda *args: facing(*args)[:, 0])
_log_statures = jax.jit(lambda *args: log_statures(*args)[:, 0])


def _cost(body: BodyModel, term: Term, told: Any, params: BodyParams, sign: float = 1.0) -> float:
    return float(_energy(term, _context(body, term, told, params, sign)))


def _followed(body: BodyModel, term: Term, told: Any, params: BodyParams, steps: int = 40) -> BodyParams:
    """Where small steps on the term alone lead, every number tied to where it is."""

    context = _context(body, term, told, params)

    @jax.jit
    def step(params: BodyParams) -> BodyParams:
        found = _model(term, dataclasses.replace(context, params=params))
        flat = flatten(params)
        curvature = found.curvature.reshape(flat.size, flat.size) + 3.0 * jnp.eye(flat.size)
        return unflatten(flat - jnp.linalg.solve(curvature, found.gradient.reshape(-1)).reshape(flat.shape), params)

    for _ in range(steps):
        params = step(params)
    return params


def _bends(params: BodyParams) -> np.ndarray:
    """(P, 4) rad, of hips and knees about the body's x axis, bends positive."""
    return np.asarray(params.body_pose)[:, LEGS, 0] * np.array([-1, -1, 1, 1])


@functools.partial(jax.jit, static_argnums=0)
def _look_up(term: Term, mine: Any, params: BodyParams, told: Any) -> jax.Array:
    lookup: Any = SimpleNamespace(mine=mine, params=params, data=told)
    return term.look_up(lookup)


def test_every_value_of_the_questions_stands_for_something() -> None:
    for scale in SCALES:
        assert set(scale.values) == set(QUESTIONS[scale.place].values)
        assert len(scale.values) == len(scale.centres) == len(scale.spreads) and min(scale.spreads) > 0
        shares = scale._slipped()
        np.testing.assert_allclose(shares.sum(1), 1.0)
        np.testing.assert_allclose(np.diag(shares), 1 - scale.slips)
    # A posture taken for another may be any other; faces are off by one.
    assert KNEES._slipped()[0, 4] == pytest.approx(0.02) and FACES._slipped()[0, 2] == 0.0


def test_votes_are_kept_by_person_and_question() -> None:
    told = _told(_answers(20, "| age | child | unclear |", "| posture | sitting | standing |"))
    assert told.age.mean[0, 0] == pytest.approx(AGE.normal(np.array([20, 0, 0, 0, 0]))[0])
    assert told.age.sharpness[0, 0] > 0 and told.age.sharpness[1, 0] == 0  # nothing of the second
    assert not told.faces.sharpness.any()
    sits, stands = told.posture.mean
    assert sits[0] > stands[0] + 0.8 and sits[1] > stands[1] + 0.8
    few = _told(_answers(1, "| age | child | unclear |"))
    assert 0 < few.age.sharpness[0, 0] < told.age.sharpness[0, 0]
    # Of three people the first two are meant.
    assert _told(_answers(20, "| age | child | child |"), 3).age.sharpness[:, 0].tolist()[2] == 0.0


def test_told_age_by_hand(small_body: BodyModel) -> None:
    told = _told(_answers(20, "| age | child | adult |"))
    params = _people(small_body)
    off = (np.asarray(_log_statures(told_map(small_body), params)) - told.age.mean[:, 0]) * told.age.sharpness[:, 0]
    assert _cost(small_body, ToldAge(), told, params) == pytest.approx(np.sum(off**2), rel=1e-4) and abs(off[0]) > 1
    # The people taken the other way round.
    maps, mean, sharpness = told_map(small_body), told.age.mean[::-1, 0], told.age.sharpness[::-1, 0]
    other = (np.asarray(_log_statures(maps, params)) - mean) * sharpness
    assert _cost(small_body, ToldAge(), told, params, sign=-1.0) == pytest.approx(np.sum(other**2), rel=1e-4)


@pytest.mark.parametrize("people", [1, 2])
def test_who_is_told_to_be_a_child_gets_smaller(small_body: BodyModel, people: int) -> None:
    row = "| age | child |" if people == 1 else "| age | child | adult |"
    told = _told(_answers(20, row, people=people), people)
    before = _people(small_body, people)
    after = _followed(small_body, ToldAge(), told, before)
    smaller = np.asarray(_log_statures(told_map(small_body), after) - _log_statures(told_map(small_body), before))
    assert smaller[0] < -0.1
    if people == 2:
        assert smaller[0] < smaller[1] - 0.1
    # Nothing else moves.
    np.testing.assert_allclose(after.body_pose, before.body_pose, atol=1e-6)


@pytest.mark.parametrize("degrees", [(0.0, 0.0), (90.0, -90.0), (-90.0, 0.0), (70.0, -20.0), (130.0, 170.0)])
def test_facing_is_that_of_the_facts(small_body: BodyModel, degrees: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    params = _turned(_people(small_body), *degrees)
    params = dataclasses.replace(
        params, body_pose=jnp.asarray(rng.normal(0, 0.2, params.body_pose.shape), jnp.float32),
        betas=jnp.asarray(rng.normal(0, 1, params.betas.shape), jnp.float32),
    )  # fmt: skip
    points = np.asarray(keypoints(small_body, pose_at_once(small_body, params)), np.float64)
    found = np.asarray(_facing(told_map(small_body), params))
    for k, cosine in enumerate(found):
        word = "sideways" if abs(cosine) < 0.5 else "towards the other" if cosine > 0 else "away from the other"
        assert word == _faces(points[k], points[1 - k])
        left, up = points[k, 5] - points[k, 2], points[k, 1] - points[k, 8]
        forward, way = np.cross(left, up), points[1 - k, 8] - points[k, 8]
        expected = forward @ way / np.linalg.norm(forward) / np.linalg.norm(way)
        assert cosine == pytest.approx(expected, abs=2e-3)


def test_told_faces_by_hand(small_body: BodyModel) -> None:
    told = _told(_answers(20, "| faces | towards the other | away from the other |"))
    mean, sharpness = told.faces.mean[:, 0], told.faces.sharpness[:, 0]
    assert mean[0] == pytest.approx(-mean[1]) and mean[0] > 0.6
    right = np.sign(_people(small_body).transl[1, 0] - _people(small_body).transl[0, 0]) * 90.0
    both = _turned(_people(small_body), right, right)  # so the first looks at the second, who looks away
    cosines = np.asarray(_facing(told_map(small_body), both))
    assert cosines[0] > 0.9 and cosines[1] < -0.9
    expected = np.sum(((cosines - mean) * sharpness) ** 2)
    assert _cost(small_body, ToldFaces(), told, both) == pytest.approx(expected, rel=1e-3)
    assert _cost(small_body, ToldFaces(), told, both, sign=-1.0) > 10 * expected


def test_who_is_turned_away_turns_towards_the_other(small_body: BodyModel) -> None:
    told = _told(_answers(20, "| faces | towards the other | unclear |"))
    before = _turned(_people(small_body), 0.0, 0.0)  # both look at the camera, a quarter turn away
    after = _followed(small_body, ToldFaces(), told, before)
    cosines = [np.asarray(_facing(told_map(small_body), params)) for params in (before, after)]
    assert abs(cosines[0][0]) < 0.3 and cosines[1][0] > 0.5


def test_told_posture_by_hand(small_body: BodyModel) -> None:
    told = _told(_answers(20, "| posture | sitting | standing |"))
    (knees, hips, lean), sharpness = told.posture.mean[0], told.posture.sharpness[0]
    pose = np.zeros((2, 21, 3), np.float32)
    pose[:, [3, 4], 0], pose[:, [0, 1], 0] = knees, -hips
    stands = told.posture.mean[1]
    pose[1, [3, 4], 0], pose[1, [0, 1], 0] = stands[0], -stands[1]
    params = dataclasses.replace(_people(small_body), body_pose=jnp.asarray(pose))
    trunk = np.sum(((np.array([1.0, 1.0]) - told.posture.mean[:, 2]) * told.posture.sharpness[:, 2]) ** 2)
    assert _cost(small_body, ToldPosture(), told, params) == pytest.approx(trunk, rel=1e-3)
    # Both knees one standard deviation further, in chords: together one statement.
    pose[0, [3, 4], 0] += 0.1
    more = dataclasses.replace(params, body_pose=jnp.asarray(pose))
    chord = (2 * np.sin(0.05) * sharpness[0]) ** 2
    assert _cost(small_body, ToldPosture(), told, more) == pytest.approx(trunk + chord, rel=1e-3)
    assert lean == pytest.approx(told.posture.mean[1, 2], abs=0.1)


@pytest.mark.parametrize("people", [1, 2])
def test_straight_legs_of_who_sits_bend(small_body: BodyModel, people: int) -> None:
    row = "| posture | sitting |" if people == 1 else "| posture | sitting | standing |"
    told = _told(_answers(20, row, people=people), people)
    after = _followed(small_body, ToldPosture(), told, _people(small_body, people))
    assert _bends(after)[0].min() > 0.5
    if people == 2:
        assert np.abs(_bends(after)[1]).max() < 0.4


def test_who_lies_is_not_upright(small_body: BodyModel) -> None:
    told = _told(_answers(20, "| posture | lying |", people=1), 1)
    leaning = dataclasses.replace(_people(small_body, 1), global_orient=jnp.array([[np.pi - 0.3, 0.0, 0.0]]))
    after = _followed(small_body, ToldPosture(), told, leaning)
    one, other = (float(upright(jax.tree.map(lambda x: x[0], p))) for p in (leaning, after))
    assert one > 0.9 and other < 0.5


@pytest.mark.parametrize("term", [ToldAge(), ToldFaces(), ToldPosture()], ids=lambda term: term.name)
def test_no_votes_cost_exactly_nothing(small_body: BodyModel, term: Term) -> None:
    for people in (2, 3):
        for told in (people_told(None, people), _told([Answer("| hand | back |")], people)):
            params = _people(small_body, people)
            assert _cost(small_body, term, told, params) == 0.0
            found = _model(term, _context(small_body, term, told, params))
            assert not np.asarray(found.gradient).any() and not np.asarray(found.curvature).any()


@pytest.mark.parametrize("term", [ToldAge(), ToldFaces(), ToldPosture()], ids=lambda term: term.name)
def test_finite_for_people_in_one_place_and_of_no_size(small_body: BodyModel, term: Term) -> None:
    rows = "| age | child | adult |", "| faces | away from the other | sideways |", "| posture | lying | sitting |"
    told = _told(_answers(20, *rows))
    here = _people(small_body)
    same = jax.tree.map(lambda x: jnp.stack([x[0], x[0]]), here)
    sizes = told_map(small_body).pelvises.sizes
    none = -sizes.mean / jnp.sum(sizes.stature**2) * sizes.stature  # a stature of 0
    for params in (same, dataclasses.replace(here, betas=here.betas + 3.0 * none[None]),
                   dataclasses.replace(here, body_pose=here.body_pose + 40.0)):  # fmt: skip
        found = _model(term, _context(small_body, term, told, params))
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(found))


def _sign(body: BodyModel, term: Term, told: Any, params: BodyParams) -> float:
    batch = jax.tree.map(lambda x: jnp.asarray(x)[None], (params, told))
    return float(_look_up(term, term.prepare_body(body, None), *batch)[0])


@pytest.mark.parametrize("order", ["free", "given"])
@pytest.mark.parametrize("row", ["| posture | standing | sitting |", "| faces | sideways | towards the other |"])
def test_free_answers_take_one_order_for_all_questions(small_body: BodyModel, order: str, row: str) -> None:
    told = _told(_answers(20, row, order=order))
    straight = _people(small_body)
    right = np.sign(straight.transl[1, 0] - straight.transl[0, 0]) * 90.0
    # The first person sits and looks at the second, who stands and looks at the camera.
    sits = straight.body_pose.at[0, np.array([3, 4]), 0].set(1.4).at[0, np.array([0, 1]), 0].set(-1.5)
    params = dataclasses.replace(_turned(straight, right, 0.0), body_pose=sits)
    signs = {_sign(small_body, term, told, params) for term in (ToldAge(), ToldFaces(), ToldPosture())}
    assert signs == {-1.0 if order == "free" else 1.0}


@pytest.mark.heavy
def test_from_text_to_fit(small_body: BodyModel) -> None:
    """The same path as contacts: rows of an answer move a fit, and only where the terms weigh something."""
    scene = small_scene(small_body, 0)
    seen = scene.keypoints * (np.arange(25) == 8)[None, :, None]  # of their bodies only the hips
    scene = dataclasses.replace(scene, keypoints=seen)
    rows = "| age | child | adult |", "| faces | towards the other | sideways |", "| posture | sitting | standing |"
    answers = _answers(10, *rows)
    names = ("told_age", "told_faces", "told_posture")
    # Without the floor, on which legs follow each other.
    terms = tuple(term for term in (*TERMS, *OPTIONAL_TERMS) if term.name != "floor")
    few = fewer_terms(pj.FitSettings(lm=dataclasses.replace(pj.FitSettings().lm, steps=15), terms=terms))
    assert set(names) <= {term.name for term in few.terms}

    def fitted(weight: float) -> BodyParams:
        stages = tuple(
            dataclasses.replace(
                s, **{f: {**getattr(s, f), **dict.fromkeys(names, weight)} for f in ("weights", "fallback_weights")}
            )
            for s in few.stages
        )
        problem = pj.make_problem(small_body, scene, answers, dataclasses.replace(few, stages=stages))
        return pj.fit(problem)

    without, told = fitted(0.0), fitted(20.0)
    maps = told_map(small_body)
    assert _log_statures(maps, told)[0] < _log_statures(maps, without)[0] - 0.03
    assert _facing(maps, told)[0] > _facing(maps, without)[0] + 0.2
    assert _bends(told)[0].mean() > _bends(without)[0].mean() + 0.3
    assert abs(_bends(told)[1].mean() - _bends(without)[1].mean()) < 0.3
