"""The floor by hand, and people who are let settle on it (docs/method.md, "Floor")."""

from __future__ import annotations

import dataclasses
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import pose_at_once

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.contact import grounded_parts
from prosepose_jax.fitting.objective import flatten, pose_trees, term_linearised, unflatten
from prosepose_jax.language import aligned, compile_votes
from prosepose_jax.scene import Answer
from prosepose_jax.terms import Camera, Context, Floor
from prosepose_jax.terms.defaults import ERRORS
from prosepose_jax.terms.floor_plane import PlaneBounds, free_plane, left_over, upward
from prosepose_jax.terms.floor_supports import PART_OF_PIECE, support_pieces, supports_told
from prosepose_jax.terms.floor_vertices import FloorVertices, floor_vertices

FEET = np.array([part == "feet" for part in PART_OF_PIECE])


def _bounds(pitch: float = 8.0, pitch_sd: float = 10.0, roll_sd: float = 3.0) -> PlaneBounds:
    return PlaneBounds(*(jnp.float32(x) for x in (*np.radians([pitch, pitch_sd, roll_sd]), ERRORS["floor_m"])))


def _votes(*rows: str, order: str = "given", count: int = 20) -> Any:
    table = "\n".join(["| Question | Person 1 | Person 2 |", "|---|---|---|", *rows])
    return aligned(compile_votes([Answer(table, order=order)] * count, 2))


def _reading(votes: Any = None, people: int = 2, bounds: PlaneBounds | None = None) -> Any:
    read = types.SimpleNamespace(
        errors=ERRORS, votes=votes, grounded=(), initial=types.SimpleNamespace(transl=np.zeros((people, 3)))
    )
    found = Floor().prepare_scene(read)  # type: ignore[arg-type]
    found = found if bounds is None else dataclasses.replace(found, bounds=bounds)
    return jax.tree.map(jnp.asarray, found)


@jax.jit
def _look_up(mine: FloorVertices, vertices: jax.Array, reading: Any) -> Any:
    """Of one scene."""
    lookup = types.SimpleNamespace(mine=mine, vertices=vertices[None], data=jax.tree.map(lambda x: x[None], reading))
    return jax.tree.map(lambda x: x[0], Floor().look_up(lookup))  # type: ignore[arg-type]


@jax.jit
def _model(body: BodyModel, held: Any, reading: Any, params: BodyParams) -> Any:
    context = Context(body, None, reading, held, Camera(jnp.ones(2), jnp.zeros(2)), params, params)
    return term_linearised(Floor(), context, pose_trees(body, params), jnp.float32(0.0))


def _found(body: BodyModel, params: BodyParams, reading: Any) -> Any:
    return _look_up(Floor().prepare_body(body, None), pose_at_once(body, params).vertices, reading)


def _energy(body: BodyModel, params: BodyParams, reading: Any) -> float:
    return float(_model(body, _found(body, params, reading), reading, params).terms)


def _standing(body: BodyModel, pitch: float = 8.0, roll: float = 0.0, apart: float = 0.0) -> BodyParams:
    """Two people upright on one floor 1.2 m under a camera that looks down by so many degrees."""
    up = np.asarray(upward(jnp.asarray(np.radians([pitch, roll]), jnp.float32)), np.float64)
    turn = _rotation_onto(np.array([0.0, 1.0, 0.0]), up)
    params = BodyParams.zeros(2, 10).replace(global_orient=jnp.asarray(np.stack([turn, turn]), jnp.float32))
    places = np.array([[-0.4, 0.0, 3.0], [0.4, 0.0, 3.0 + apart]])
    lowest = np.min(np.asarray(pose_at_once(body, params).vertices) @ up, axis=1)
    return params.replace(transl=jnp.asarray(places + (-1.2 - lowest - places @ up)[:, None] * up, jnp.float32))


def _rotation_onto(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    axis = np.cross(start, end)
    length = np.linalg.norm(axis)
    if length < 1e-6:
        return np.array([np.pi if start @ end < 0 else 0.0, 0.0, 0.0])
    return axis / length * np.arctan2(length, start @ end)


def _settled(body: BodyModel, params: BodyParams, reading: Any, place_sd: float = 0.15) -> BodyParams:
    """Where the floor moves whole people who are held to their places with a standard deviation."""
    first = np.asarray(params.transl, np.float64)
    size = flatten(params).shape[1]
    columns = np.arange(2)[:, None] * size + np.arange(size - 3, size)[None]
    for _ in range(15):
        found = _model(body, _found(body, params, reading), reading, params)
        curvature = np.asarray(found.curvature, np.float64).reshape(2 * size, 2 * size)
        chosen = curvature[np.ix_(columns.ravel(), columns.ravel())] + 2 * np.eye(6) / place_sd**2
        off = np.asarray(params.transl, np.float64) - first
        pull = np.asarray(found.gradient, np.float64).ravel()[columns].ravel() + 2 * off.ravel() / place_sd**2
        step = -np.linalg.solve(chosen, pull).reshape(2, 3)
        params = params.replace(transl=params.transl + jnp.asarray(step, jnp.float32))
    return params


def _lowest(body: BodyModel, params: BodyParams, pitch: float = 8.0) -> np.ndarray:
    """(2,) heights of people's lowest vertices, up the true floor's normal."""
    up = np.asarray(upward(jnp.asarray([np.radians(pitch), 0.0])))
    return np.min(np.asarray(pose_at_once(body, params).vertices) @ up, axis=1)


def _moved(params: BodyParams, by: tuple[float, float, float]) -> BodyParams:
    """The second person moved."""
    return params.replace(transl=params.transl.at[1].add(jnp.asarray(by)))


def test_floor_by_hand() -> None:
    # Two points over each other, 6 cm apart: no plane suits both, the best is between them.
    bounds, tilt = _bounds(), jnp.asarray([np.radians(8.0), 0.0], jnp.float32)
    up = upward(tilt)
    points = jnp.array([[0.1, 1.0, 3.0], [0.1, 1.0, 3.0]]) + jnp.array([[0.03], [-0.03]]) * up[None]
    weight = jnp.array([1.0, 0.25])
    plane = free_plane(points, weight, tilt, jnp.float32(-1.0), bounds)
    cost = float(jnp.sum(left_over(plane, bounds, points) ** 2))
    spread = 1.0 * 0.25 / 1.25 * 0.06**2  # weighted squares about the weighted mean
    assert cost == pytest.approx(spread / ERRORS["floor_m"] ** 2, rel=1e-3)


def test_what_is_left_over_is_the_least_that_any_plane_leaves() -> None:
    rng = np.random.default_rng(3)
    points = jnp.asarray(rng.normal(0, 0.3, (9, 3)) + np.array([0.0, 1.0, 3.0]), jnp.float32)
    weight = jnp.asarray(rng.uniform(0, 1, 9), jnp.float32)
    bounds, tilt = _bounds(), jnp.asarray([0.2, -0.05], jnp.float32)
    plane = free_plane(points, weight, tilt, jnp.float32(-1.1), bounds)
    found = np.sum(np.asarray(left_over(plane, bounds, points)) ** 2)
    rows = np.asarray(weight)[:, None] ** 0.5 / ERRORS["floor_m"] * np.asarray(plane.slopes, np.float64)
    heights = np.asarray(points @ plane.up, np.float64) + 1.1
    sharp = np.asarray(weight) ** 0.5 / ERRORS["floor_m"]
    known = 1 / np.radians([10.0, 3.0])
    design = np.vstack([rows, np.column_stack([np.diag(known), np.zeros(2)])])
    wanted = np.concatenate([-sharp * heights, -known * (np.asarray(tilt) - np.radians([8.0, 0.0]))])
    least = np.linalg.lstsq(design, wanted, rcond=None)[1]
    assert found == pytest.approx(float(least[0]), rel=2e-3)


@pytest.mark.parametrize("pitch", [8.0, -4.0])
def test_who_is_too_far_and_too_high_comes_to_the_floor_of_both(small_body: BodyModel, pitch: float) -> None:
    right = _standing(small_body, pitch)
    off = _moved(right, (0.0, -0.2, 0.2))
    assert abs(np.diff(_lowest(small_body, off, pitch))[0]) > 0.15
    ended = _settled(small_body, off, _reading())
    assert abs(np.diff(_lowest(small_body, ended, pitch))[0]) < 0.04
    assert _energy(small_body, ended, _reading()) < 0.1 * _energy(small_body, off, _reading())


@pytest.mark.parametrize("carrier", ["nothing", "furniture", "other person"])
def test_who_is_said_to_float_is_not_pulled(small_body: BodyModel, carrier: str) -> None:
    votes = _votes(f"| carried by | floor | {carrier} |")
    off = _moved(_standing(small_body), (0.0, -0.2, 0.0))
    ended = _settled(small_body, off, _reading(votes))
    np.testing.assert_allclose(ended.transl, off.transl, atol=2e-3)


def test_of_free_answers_the_one_who_floats_is_the_one_who_is_high(small_body: BodyModel) -> None:
    votes = _votes("| carried by | nothing | floor |", order="free")
    off = _moved(_standing(small_body), (0.0, -0.2, 0.0))  # the second, and the answers call that one the first
    assert _energy(small_body, off, _reading(votes)) < 0.5
    given = _votes("| carried by | nothing | floor |")
    assert (
        _energy(small_body, off, _reading(given)) > 5.0
    )  # then the first floats, and is below the floor of the second


def test_nobody_ends_below(small_body: BodyModel) -> None:
    votes = _votes("| carried by | floor | other person |")
    off = _moved(_standing(small_body), (0.0, 0.15, 0.0))
    before, after = (_lowest(small_body, p) for p in (off, _settled(small_body, off, _reading(votes))))
    assert before[1] < before[0] - 0.1
    assert after[1] > after[0] - 0.03


@pytest.mark.parametrize(("pitch", "roll"), [(8.0, 0.0), (20.0, 3.0), (-4.0, -3.0)])
def test_a_tilt_within_bounds_does_no_harm(small_body: BodyModel, pitch: float, roll: float) -> None:
    right = _standing(small_body, pitch, roll, apart=0.5)
    ended = _settled(small_body, right, _reading())
    np.testing.assert_allclose(ended.transl, right.transl, atol=0.02)
    assert _energy(small_body, right, _reading()) < 4.0  # a tilt of little more than one standard deviation


@pytest.mark.parametrize("people", [1, 3])
def test_any_number_of_people(small_body: BodyModel, people: int) -> None:
    two = _standing(small_body)
    params = jax.tree.map(lambda x: jnp.concatenate([x, x])[:people], two)
    assert _energy(small_body, params, _reading(people=people)) < 1.0
    lifted = params.replace(transl=params.transl.at[0].add(jnp.array([0.0, -0.2, 0.0])))
    # Of one person alone any height is a floor.
    assert (_energy(small_body, lifted, _reading(people=people)) > 5.0) == (people > 1)


def test_finite_where_nobody_is_carried_by_a_floor(small_body: BodyModel) -> None:
    votes = _votes("| carried by | other person | nothing |")
    params = _standing(small_body)
    reading = _reading(votes)
    found = _model(small_body, _found(small_body, params, reading), reading, params)
    assert all(np.all(np.isfinite(leaf)) for leaf in found)
    assert float(found.terms) < 0.1


def test_who_kneels_rests_on_knees() -> None:
    votes = _votes("| rests on feet | yes | no |", "| rests on knees | no | yes |", "| carried by | floor | floor |")
    rests, stands, free = supports_told(votes, 3)
    parts = np.array(PART_OF_PIECE)
    assert not free and (stands > 0.5).all()
    for person, part in enumerate(("feet", "knees", "feet")):  # of the third nothing is said
        np.testing.assert_array_equal(rests[person] > 0.5, parts == part)
    np.testing.assert_array_equal(supports_told(None, 1).rests[0] > 0, FEET)


def test_rows_about_the_ground_say_what_rests_on_it() -> None:
    rows = ("| hand | ground |", "| ground | hand |", "| hand | head |")
    answers = [Answer(f"| Part | Part |\n|---|---|\n{row}\n") for row in rows for _ in range(10)]
    grounded = grounded_parts(answers, 1)
    assert grounded == ((0, frozenset({"hand"})),) * 20
    rests = supports_told(None, 1, grounded).rests
    np.testing.assert_array_equal(rests[0] > 0, [part == "hands" for part in PART_OF_PIECE])


def test_rows_about_the_ground_are_those_of_who_is_known() -> None:
    table = (
        "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n| hand | back |\n| knees | floor |\n| floor | butt |\n"
    )
    for order, expected in (("given", {1: {"leg"}, 0: {"butt"}}), ("free", {})):
        answers = [Answer(table, pair=(1, 0), order=order)]
        assert dict(grounded_parts(answers, 2)) == expected


@pytest.mark.parametrize(
    "table",
    [
        "| # | Person 1 part | Person 2 part |\n|---|---|---|\n| 1 | foot | ground |\n",
        "| Person 2 part | Person 1 part |\n|---|---|\n| ground | foot |\n",
        "| Person 1 part | Person 2 part | Note |\n|---|---|---|\n| foot | ground | hand |\n",
    ],
)
def test_columns_say_whose_part_is_on_the_ground(table: str) -> None:
    answers = [Answer(table, order="given")]
    assert grounded_parts(answers, 2) == ((0, frozenset({"foot"})),)


def test_what_is_denied_is_not_on_the_ground() -> None:
    head = "| Person 1 part | Person 2 part | Contact? |\n|---|---|---|\n"
    table = f"{head}| foot | ground | no |\n| hand | ground | yes |\n"
    assert grounded_parts([Answer(table, order="given")], 2) == ((0, frozenset({"hand"})),)


def test_people_whose_parts_are_on_the_ground_are_not_exchanged() -> None:
    votes = _votes("| carried by | nothing | floor |", order="free")
    table = "| Person 1 part | Person 2 part |\n|---|---|\n| butt | ground |\n"
    grounded = grounded_parts([Answer(table, order="given")] * 20, 2)
    assert supports_told(votes, 2).free and not supports_told(votes, 2, grounded).free
    # Whom the table says to be in the air is not known: nobody is taken for the one.
    for mixed, alone in zip(supports_told(votes, 2, grounded), supports_told(None, 2, grounded), strict=True):
        np.testing.assert_array_equal(mixed, alone)


@pytest.mark.parametrize("row", ["| height | taller | shorter |", "| carried by | floor | floor |"])
def test_who_rests_alike_is_not_exchanged(row: str) -> None:
    assert not supports_told(_votes(row, order="free"), 2).free
    assert not supports_told(compile_votes([Answer("", order="free")] * 20, 2), 2).free


@pytest.mark.parametrize(("raised", "most"), [(0.20, 19.8), (0.24, 22.0)])
def test_both_planes_are_tried(small_body: BodyModel, raised: float, most: float) -> None:
    """From between the people alone the first costs 19.1 and the second 24.6, from under the lower 20.5 and 20.8."""
    off = _moved(_standing(small_body), (0.0, -raised, 0.0))
    assert _energy(small_body, off, _reading()) < most


def test_scenes_of_a_batch_are_looked_at_by_themselves(small_body: BodyModel) -> None:
    """One with an open order beside one without."""
    votes = _votes("| carried by | nothing | floor |", order="free"), _votes("| carried by | floor | floor |")
    readings = [_reading(each) for each in votes]
    vertices = jnp.stack(
        [pose_at_once(small_body, _moved(_standing(small_body), (0.0, up, 0.0))).vertices for up in (-0.2, -0.1)]
    )
    mine = Floor().prepare_body(small_body, None)
    both = types.SimpleNamespace(
        mine=mine, vertices=vertices, data=jax.tree.map(lambda *leaves: jnp.stack(leaves), *readings)
    )
    found = jax.jit(lambda: Floor().look_up(both))()  # type: ignore[arg-type]
    assert bool(readings[0].free) and not bool(readings[1].free)
    for k, reading in enumerate(readings):
        alone = _look_up(mine, vertices[k], reading)
        np.testing.assert_array_equal(found.ids[k], alone.ids)
        np.testing.assert_allclose(found.plane.tilt[k], alone.plane.tilt, atol=1e-4)


def test_few_votes_do_not_lift_anybody() -> None:
    one = supports_told(_votes("| carried by | floor | nothing |", count=1), 2).rests
    many = supports_told(_votes("| carried by | floor | nothing |", count=20), 2).rests
    assert one[1, FEET].all() and not many[1].any() and many[0, FEET].all()


def test_pieces_are_of_their_parts_and_heels_behind_toes(small_body: BodyModel) -> None:
    pieces, rest = support_pieces(small_body), np.asarray(small_body.v_template)
    assert len(pieces) == len(PART_OF_PIECE)
    mean = np.array([rest[np.unique(piece)].mean(axis=0) for piece in pieces])
    assert (mean[[0, 2], 2] < mean[[1, 3], 2]).all()
    assert (mean[:4, 1] < mean[4:, 1].min()).all()  # feet are the lowest
    place = {part: mean[[part == p for p in PART_OF_PIECE]] for part in PART_OF_PIECE}
    assert place["knees"][:, 1].max() < place["seat"][:, 1].min()
    assert place["back"][0, 2] < place["knees"][:, 2].min()
    for part in ("knees", "seat", "hands"):
        assert place[part][0, 0] * place[part][1, 0] < 0  # left and right


def _posed_anyhow(body: BodyModel, seed: int) -> BodyParams:
    """Two people in no matter which pose, in front of the camera."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.5, np.shape(BodyParams.zeros(2, 10).body_pose))
    turned, betas = rng.normal(0, 1.5, (2, 3)), rng.normal(0, 1, (2, 10))
    fields = {"body_pose": pose, "global_orient": turned, "betas": betas, "transl": [[-0.4, 0, 3], [0.4, 0, 3.2]]}
    return BodyParams.zeros(2, 10).replace(**{k: jnp.asarray(v, jnp.float32) for k, v in fields.items()})


def test_outermost_vertices_are_the_lowest_of_any_pose(body: BodyModel) -> None:
    few, every = floor_vertices(body), floor_vertices(body, 0)
    assert few.whole.size < 0.15 * every.whole.size
    up = np.asarray(upward(jnp.asarray(np.radians([8.0, 0.0]), jnp.float32)))
    missed, missed_whole = [], []
    for seed in range(8):
        heights = np.asarray(pose_at_once(body, _posed_anyhow(body, seed)).vertices) @ up  # (2, V)
        missed.append(heights[:, few.pieces].min(axis=2) - heights[:, every.pieces].min(axis=2))
        missed_whole.append(heights[:, few.whole].min(axis=1) - heights.min(axis=1))
    assert np.mean(missed) < 1e-3 and np.max(missed) < 0.015
    assert np.mean(missed_whole) < 1e-3 and np.max(missed_whole) < 5e-3


def test_who_is_carried_high_is_let_go_without_a_word(small_body: BodyModel) -> None:
    # Feet at the carrier's shins: one floor for both would be under neither.
    off = _moved(_standing(small_body), (0.0, -0.35, 0.0))
    ended = _settled(small_body, off, _reading())
    np.testing.assert_allclose(ended.transl, off.transl, atol=0.02)


def test_flat_parameters_keep_their_order(small_body: BodyModel) -> None:
    """`_settled` moves the last three columns of each person."""
    params = _standing(small_body)
    moved = unflatten(flatten(params).at[1, -3].add(0.5), params)
    np.testing.assert_allclose(moved.transl - params.transl, [[0, 0, 0], [0.5, 0, 0]], atol=1e-6)
