"""What holds for every term of the list without being named: derivatives, kernels, padding, batches.

A term's own value is tested by hand in a function `test_<name>_by_hand` of this folder; the last test asks for it.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import answer, away, find_held, on_device, pick, problems_of, small_scene

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.fitting.objective import (
    elements_energy,
    flatten,
    pose_trees,
    term_energy,
    term_linearised,
    unflatten,
)
from prosepose_jax.fitting.problem import Problem, take_moving
from prosepose_jax.fitting.settings import FitSettings, StageSettings
from prosepose_jax.scene import Answer
from prosepose_jax.terms import OPTIONAL_TERMS, TERMS, Elements, OnBody, OnPeople, OnPoints, Term
from prosepose_jax.terms.base import Context
from prosepose_jax.terms.points import pose_rows

TABLE = """
| Question | Person 1 | Person 2 |
|---|---|---|
| height | taller | shorter |
| age | adult | child |
| faces | sideways | towards the other |
| posture | sitting | kneeling |
"""
ALONE = "\n| Question | Person |\n|---|---|\n| age | child |\n| posture | sitting |\n"


def _with(table: str, one: Answer) -> Answer:
    return dataclasses.replace(one, text=one.text + table)


TWO = [answer(("hand", "back"), ("arm", "shoulder (back)")), answer(("left hand", "waist (front)"))]
TWO = [_with(TABLE, one) for one in TWO]
SELF = [_with(ALONE, answer(("hand", "head"), ("left hand", "right foot")))] * 4
ALL_TERMS = (*TERMS, *OPTIONAL_TERMS)
EVERY = dict.fromkeys((term.name for term in ALL_TERMS), 1.0)
ROBUST = FitSettings(stages=(StageSettings(weights=EVERY, fallback_weights=EVERY),), terms=ALL_TERMS)
PLAIN = dataclasses.replace(ROBUST, scales={})
FURTHER = (pytest.mark.heavy, pytest.mark.variants)
by_name = pytest.mark.parametrize("term", ALL_TERMS, ids=lambda term: term.name)


@dataclasses.dataclass(frozen=True)
class Case:
    """Scenes of some people in which every term weighs 1, and all that is asked of the objective there."""

    problem: Problem
    params: BodyParams
    values: dict[str, Any]

    def index(self, term: Term) -> int:
        if term not in self.problem.terms:
            pytest.skip(f"no such term of {self.params.transl.shape[0]} person")
        return self.problem.records.index(term)


@jax.jit
def _evaluate(problem: Problem, params: BodyParams) -> dict[str, Any]:
    """Terms with slopes by automatic differentiation, and the quadratic model of each term alone."""
    moving = take_moving(params)

    def terms(flat: jax.Array) -> jax.Array:
        return problem.energy(take_moving(unflatten(flat, params)))[1]

    flat = flatten(params)
    names = [term.name for term in problem.records]

    def alone(one_hot: jax.Array) -> Any:
        return dataclasses.replace(problem, weights=dict(zip(names, one_hot, strict=True))).linearised(moving)

    found = jax.lax.map(alone, jnp.eye(len(names)))
    return {
        "terms": terms(flat),
        "total": problem.energy(moving)[0],
        "slopes": jax.jacrev(terms)(flat),
        "model_terms": found.terms,
        "gradients": found.gradient,
        "curvatures": found.curvature,
    }


def _case(body: BodyModel, people: int, settings: FitSettings) -> Case:
    mode = "self_contact" if people == 1 else "two_person"
    settings = dataclasses.replace(settings, mode=mode)
    pairs = [(p, p + 1) for p in range(people - 1)]
    some = SELF if people == 1 else [dataclasses.replace(a, pair=pair) for a in TWO for pair in pairs]
    scenes = [small_scene(body, seed, people=people, apart=0.15) for seed in (0, 1)]
    model, arrays = on_device(body, scenes, {scene.key: some for scene in scenes}, settings)
    params = _arm_in_the_trunk(away(arrays.params, seed=people + 10))
    problem = problems_of(model, arrays, params, settings, 0)[0]
    here = pick(params, 0)
    return Case(problem, here, jax.device_get(_evaluate(problem, here)))


def _arm_in_the_trunk(params: BodyParams) -> BodyParams:
    """The left arm down and its forearm through the belly."""
    pose = params.body_pose.at[..., 15, 2].set(-1.3).at[..., 17, 2].set(-1.5)
    return dataclasses.replace(params, body_pose=pose)


@functools.cache
def _cached(people: int, robust: bool) -> Case:
    from prosepose_jax.body import load_body

    body = load_body(Path(__file__).parent.parent / "data" / "small_body.npz")
    return _case(body, people, ROBUST if robust else PLAIN)


@pytest.fixture(
    params=[
        pytest.param((1, True), id="one", marks=FURTHER),  # other numbers of people are other compilations
        pytest.param((2, True), id="two", marks=pytest.mark.heavy),
        pytest.param((2, False), id="two plain", marks=pytest.mark.heavy),
        pytest.param((3, True), id="three", marks=FURTHER),
    ]
)
def case(request: pytest.FixtureRequest) -> Case:
    return _cached(*request.param)


@pytest.fixture
def two() -> Case:
    return _cached(2, True)


def _context(case: Case, term: Term) -> Context:
    return case.problem._context(term, case.params)


@pytest.mark.heavy
@by_name
def test_the_term_pulls_where_it_is_tested(two: Case, term: Term) -> None:
    """Otherwise the other tests say nothing."""
    assert two.values["terms"][two.index(term)] > 0
    assert np.abs(two.values["slopes"][two.index(term)]).max() > 0


@by_name
def test_value_and_gradient_equal_automatic_differentiation(case: Case, term: Term) -> None:
    k = case.index(term)
    assert case.values["model_terms"][k, k] == pytest.approx(case.values["terms"][k], rel=1e-5)
    expected = case.values["slopes"][k]
    np.testing.assert_allclose(case.values["gradients"][k], expected, atol=2e-4 * np.abs(expected).max(), rtol=0)


@by_name
def test_curvature_is_symmetric_and_positive_semidefinite(case: Case, term: Term) -> None:
    k = case.index(term)
    size = case.values["gradients"][k].size
    curvature = case.values["curvatures"][k].reshape(size, size).astype(np.float64)
    largest = np.abs(curvature).max()
    assert largest > 0
    np.testing.assert_allclose(curvature, curvature.T, atol=1e-5 * largest)
    assert np.linalg.eigvalsh((curvature + curvature.T) / 2)[0] > -1e-5 * np.linalg.norm(curvature, 2)


def _residuals(term: Term, case: Case, flat: jax.Array) -> list[tuple[jax.Array, jax.Array, Any, float]]:
    """(n, k) residuals of every part with their weights, kernels and floors, posed by the points themselves."""
    params = unflatten(flat, case.params)
    kin = pose_trees(case.problem.model.body, params)
    # What is looked up and chosen is held; only the points and parameters move.
    parts = term.elements(_context(case, term))
    moved = term.elements(case.problem._context(term, params))
    out = []
    for held, part in zip(parts, moved, strict=True):
        if isinstance(part, OnBody):
            values = jax.vmap(part.residual)(params, held.data)
            out.append((values.reshape(-1, 1), jnp.ones(values.size), part.kernel, 0.0))
            continue
        if isinstance(part, OnPeople):
            values = part.residual(params, held.data)
            out.append((values.reshape(-1, 1), jnp.ones(values.size), part.kernel, 0.0))
            continue
        if isinstance(part, OnPoints):
            values = part.residual(jax.vmap(pose_rows)(part.rows, kin), held.data)
            out.append((values.reshape(-1, 1), jnp.ones(values.size), part.kernel, 0.0))
            continue
        ends = []
        for end in held.ends:
            trees = jax.tree.map(lambda x, end=end: x[np.array(end.whose)], kin)
            points = jax.vmap(pose_rows)(end.rows, trees)
            ends.append(points if end.share is None else jnp.einsum("rp,prx->rx", end.share, points)[None])
        values = jax.vmap(jax.vmap(part.residual))(jnp.stack(ends, axis=-2), held.data)
        out.append((values.reshape(-1, values.shape[-1]), part.weight.reshape(-1), part.kernel, part.floor))
    return out


@pytest.mark.heavy
@by_name
def test_curvature_is_that_of_the_reweighted_squares(two: Case, term: Term) -> None:
    """2 w ρ' JᵀJ with J of the residuals by forward differentiation."""
    k = two.index(term)
    scale = two.problem.numbers.scales[term.name]
    flat = flatten(two.params)

    @jax.jit
    def expected(flat: jax.Array) -> jax.Array:
        total = jnp.zeros((flat.size, flat.size))
        for place, (values, weight, kernel, floor) in enumerate(_residuals(term, two, flat)):

            def one(x: jax.Array, place: int = place) -> jax.Array:
                return _residuals(term, two, x.reshape(flat.shape))[place][0]

            jac = jax.jacfwd(one)(flat.reshape(-1))
            squared = jnp.sum(values * values, axis=-1)
            slope = jax.vmap(jax.grad(kernel), in_axes=(0, None))(squared, scale)
            # Below its floor an element's pull is divided by the floor instead of its length.
            length = jnp.sqrt(jnp.maximum(squared, 1e-12))
            slope = slope * length / jnp.maximum(length, floor)
            total = total + jnp.einsum("nkd,n,nke->de", jac, 2.0 * weight * slope, jac)
        return total

    found = two.values["curvatures"][k].reshape(flat.size, flat.size)
    reference = np.asarray(expected(flat))
    np.testing.assert_allclose(found, reference, atol=1e-3 * np.abs(reference).max(), rtol=0)


@pytest.mark.heavy
@by_name
def test_kernel_slope_equals_finite_differences_and_never_grows(two: Case, term: Term) -> None:
    parts = term.elements(_context(two, term))
    with jax.enable_x64(True):
        for part in parts:
            for scale in (0.0, 0.3, 50.0):
                c = jnp.float64(scale)
                slopes = []
                for s in (1e-6, 1e-3, 0.04, 1.0, 30.0, 2500.0):
                    step = 1e-4 * s
                    numeric = (part.kernel(jnp.float64(s + step), c) - part.kernel(jnp.float64(s - step), c)) / (
                        2 * step
                    )
                    slopes.append(float(jax.grad(part.kernel)(jnp.float64(s), c)))
                    assert slopes[-1] == pytest.approx(float(numeric), rel=1e-5)
                assert min(slopes) > 0 and np.all(np.diff(slopes) <= 1e-12)


class _Given:
    """A term of given parts."""

    def __init__(self, parts: list[Elements | OnBody | OnPeople | OnPoints]) -> None:
        self._parts = parts

    def elements(self, context: Context) -> list[Elements | OnBody | OnPeople | OnPoints]:
        return self._parts


@functools.partial(jax.jit, static_argnums=3)
def _measure_parts(
    problem: Problem, params: BodyParams, parts: list[Elements | OnBody | OnPeople | OnPoints], term: Term
) -> tuple[Any, Any, Any]:
    scale, given, body = problem.numbers.scales[term.name], _Given(parts), problem.model.body
    context = problem._context(term, params)

    def value(flat: jax.Array) -> jax.Array:
        moved = unflatten(flat, params)
        return term_energy(given, dataclasses.replace(context, params=moved), pose_trees(body, moved), scale)  # type: ignore

    flat = flatten(params)
    model = term_linearised(given, context, pose_trees(body, params), scale)  # type: ignore[arg-type]
    return value(flat), jax.grad(value)(flat), model


def _measure(case: Case, term: Term, parts: list[Elements | OnBody | OnPeople | OnPoints]) -> tuple[Any, Any, Any]:
    """Energy, its slope by automatic differentiation and the quadratic model of given parts."""
    return jax.device_get(_measure_parts(case.problem, case.params, parts, term))


@pytest.mark.heavy
@by_name
def test_padding_weighs_nothing(two: Case, term: Term) -> None:
    parts, damaged = [], []
    for part in term.elements(_context(two, term)):
        if not isinstance(part, Elements):
            continue
        odd = jnp.arange(part.weight.shape[1]) % 2 == 1
        half = dataclasses.replace(part, weight=jnp.where(odd[None], 0.0, jnp.maximum(part.weight, 0.1)))
        parts.append(half)

        def displaced(end: Any, odd: jax.Array = odd) -> Any:
            rows = dataclasses.replace(end.rows, base=end.rows.base + jnp.where(odd, 0.7, 0.0)[None, :, None])
            return dataclasses.replace(end, rows=rows)

        ends = (displaced(half.ends[0]), *half.ends[1:])
        damaged.append(dataclasses.replace(half, ends=ends))
    if not parts:
        pytest.skip("a term of parameters alone")
    for before, after in zip(
        jax.tree.leaves(_measure(two, term, parts)), jax.tree.leaves(_measure(two, term, damaged)), strict=True
    ):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5 * np.abs(before).max())


@pytest.mark.heavy
@by_name
def test_finite_where_the_residual_is_zero(two: Case, term: Term) -> None:
    zeroed: list[Elements | OnBody | OnPeople | OnPoints] = []
    for part in term.elements(_context(two, term)):
        if isinstance(part, OnBody):
            zeroed.append(dataclasses.replace(part, residual=_less_itself(part), quadratic=None))
        elif isinstance(part, OnPeople | OnPoints):
            zeroed.append(dataclasses.replace(part, residual=_less_itself(part)))
        elif len(part.ends) > 1:
            zeroed.append(dataclasses.replace(part, ends=(part.ends[0],) * len(part.ends)))
        else:
            zeroed.append(dataclasses.replace(part, residual=lambda points, data: points[0] - points[0]))
    for leaf in jax.tree.leaves(_measure(two, term, zeroed)):
        assert np.all(np.isfinite(leaf))


def _less_itself(part: OnBody | OnPeople | OnPoints) -> Any:
    return lambda person, data: part.residual(person, data) - jax.lax.stop_gradient(part.residual(person, data))


@pytest.mark.heavy
def test_a_batch_equals_its_scenes_alone(small_body: BodyModel) -> None:
    scenes = [small_scene(small_body, seed, apart=0.15) for seed in (0, 1)]
    model, arrays = on_device(small_body, scenes, {scenes[0].key: TWO, scenes[1].key: TWO[:1]}, ROBUST)
    params = away(arrays.params, seed=2)
    held = find_held(model, arrays, params, jnp.int32(0), ROBUST.structure)
    both = problems_of(model, arrays, params, ROBUST, 0)
    for i in range(2):
        one, here = (jax.tree.map(lambda x, i=i: x[i : i + 1], tree) for tree in (arrays, params))
        alone = find_held(model, one, here, jnp.int32(0), ROBUST.structure)
        expected = both[i]
        for term in ALL_TERMS:
            for a, b in zip(jax.tree.leaves(alone[term.name]), jax.tree.leaves(held[term.name]), strict=True):
                # The floor's slopes and what follows them are far from 1.
                close = 1e-5 if term.name == "floor" else 1e-7
                np.testing.assert_allclose(a[0], b[i], rtol=close, atol=1e-6, err_msg=term.name)
        found = _evaluate(dataclasses.replace(expected, held=pick(alone, 0)), pick(params, i))
        np.testing.assert_allclose(found["terms"], _evaluate(expected, pick(params, i))["terms"], rtol=1e-5)


def test_the_record_sums_to_the_total(case: Case) -> None:
    assert case.values["total"] == pytest.approx(case.values["terms"].sum(), rel=1e-5)


def test_elements_count_by_weight_and_kernel() -> None:
    part = Elements(
        ends=(), weight=jnp.array([[2.0, 0.5, 0.0]]), residual=lambda points, data: points[0] - points[1],
        kernel=lambda s, c: s / (1.0 + s / c**2),
    )  # fmt: skip
    points = jnp.zeros((1, 3, 2, 3)).at[0, :, 0, 0].set(jnp.array([1.0, 2.0, 9.0]))
    assert float(elements_energy(part, points, jnp.float32(2.0))) == pytest.approx(2.0 * 1 / 1.25 + 0.5 * 4 / 2.0)


def test_names_are_distinct_and_every_term_has_a_value_by_hand() -> None:
    names = [term.name for term in ALL_TERMS]
    assert len(set(names)) == len(names)
    tests = "\n".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in names if f"def test_{name}_by_hand" not in tests] == []
