"""The diffusion prior as a term, with a tiny random network: looked up and stated without the rest of a fit."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.config import load_config
from prosepose_jax.contact.aggregation import AggregationSettings
from prosepose_jax.diffusion import (
    Buddi,
    Pair,
    PriorWeights,
    cosine_schedule,
    denoiser,
    distillation_loss,
    distillation_residuals,
    distillation_target,
    from_params,
    relative,
)
from prosepose_jax.errors import InputError
from prosepose_jax.fitting.objective import flatten, pose_trees, term_energy, term_linearised, unflatten
from prosepose_jax.fitting.problem import Problem
from prosepose_jax.fitting.settings import settings_from_config
from prosepose_jax.fitting.solvers.lm import solve_damped
from prosepose_jax.terms import Context, Keypoints, Lookup
from prosepose_jax.terms.pair_prior import PairPrior

WEIGHTS = PriorWeights(pose=100.0, relative_transl=1000.0, betas=10.0)
PLAIN = jnp.float32(0.0)


@functools.cache
def _term(conditional: bool = False, dropout: bool = False, draws: int = 0) -> PairPrior:
    network = Buddi(conditional=conditional, width=8, layers=1, heads=2, hidden=12)
    guidance = Pair.zeros() if conditional else None
    weights = jax.jit(network.init)(jax.random.key(3), Pair.zeros(), jnp.int32(0), guidance)["params"]
    return PairPrior(
        comparable=draws > 0, network=network, weights=weights, mark=f"random {conditional}", betas=WEIGHTS.betas,
        dropout=dropout, draws=draws,
    )  # fmt: skip


def _people(scenes: int = 2, people: int = 2, seed: int = 0) -> BodyParams:
    """(S, P, …) people of some pose and shape, half a metre apart."""
    rng = np.random.default_rng(seed)
    one = BodyParams.zeros(people, 10)
    every = jax.tree.map(lambda x: jnp.broadcast_to(x, (scenes, *x.shape)), one)
    fields = {
        name: np.float32(spread) * rng.normal(size=getattr(every, name).shape).astype(np.float32)
        for name, spread in (("body_pose", 0.3), ("betas", 0.7), ("global_orient", 0.4), ("transl", 0.1))
    }
    fields["transl"] += np.arange(people)[None, :, None] * np.array([0.5, 0.0, 0.1], np.float32)
    return dataclasses.replace(every, **jax.tree.map(jnp.asarray, fields))


@functools.partial(jax.jit, static_argnums=0)
def _look_up(term: PairPrior, body: BodyModel, params: BodyParams, keys: jax.Array, data: Any = None) -> Any:
    lookup = Lookup(
        body=body, surface=None, mine=term.prepare_body(body, None), data=data, params=params, rest=None, vertices=None,
        keys=keys, busy=None, search="cells", sample_size=0, inside_slots=0, aggregation=AggregationSettings(),
    )  # type: ignore[arg-type]  # fmt: skip
    return term.look_up(lookup)


@functools.partial(jax.jit, static_argnums=0)
def _measure(term: PairPrior, body: BodyModel, held: Any, flat: jax.Array, like: BodyParams) -> tuple[Any, Any, Any]:
    """Energy, its slope by automatic differentiation and the quadratic model at parameters (P, D)."""

    def energy(flat: jax.Array) -> jax.Array:
        return term_energy(term, context(flat), pose_trees(body, context(flat).params), PLAIN)

    def context(flat: jax.Array) -> Context:
        params = unflatten(flat, like)
        return Context(body=body, mine=None, data=None, held=held, camera=None, start=like, params=params)  # type: ignore

    here = context(flat)
    return energy(flat), jax.grad(energy)(flat), term_linearised(term, here, pose_trees(body, here.params), PLAIN)


@pytest.fixture(scope="module")
def drawn(small_body: BodyModel) -> tuple[BodyParams, jax.Array, Any]:
    """Two scenes, their keys and what the model makes of them."""
    params, keys = _people(), jax.random.split(jax.random.key(7), 2)
    return params, keys, _look_up(_term(), small_body, params, keys)


def _pick(tree: Any, i: int) -> Any:
    return jax.tree.map(lambda x: x[i], tree)


@pytest.mark.heavy
def test_buddi_by_hand(small_body: BodyModel, drawn: Any) -> None:
    """Weights times norms of the differences to the target that the model draws with the search's key."""
    params, keys, held = drawn
    here, term = _pick(params, 1), _term()
    denoise = denoiser(term.network, term.weights)
    noise_key = jax.random.split(keys[1])[0]
    target = jax.jit(lambda p: distillation_target(denoise, cosine_schedule(), noise_key, p, term.timestep))(here)
    # The target is held: another pair is compared with the same one.
    for moved in (here, dataclasses.replace(here, transl=here.transl.at[1, 0].add(0.2))):
        found = _measure(term, small_body, _pick(held, 1), flatten(moved), here)[0]
        expected = distillation_loss(distillation_residuals(moved, target), WEIGHTS)
        assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_the_model_of_the_energy_has_its_slope_and_pulls_to_the_target(small_body: BodyModel, drawn: Any) -> None:
    params, _, held = drawn
    here, held = _pick(params, 0), _pick(held, 0)
    flat = flatten(here)
    before, slope, model = _measure(_term(), small_body, held, flat, here)
    np.testing.assert_allclose(model.gradient, slope, atol=2e-4 * float(jnp.abs(slope).max()))
    assert float(model.terms) == pytest.approx(float(before), rel=1e-5)
    size = flat.size
    curvature = np.asarray(model.curvature, np.float64).reshape(size, size)
    assert np.linalg.eigvalsh((curvature + curvature.T) / 2)[0] > -1e-3
    still = np.diag(np.diagonal(curvature) == 0).astype(float)  # the global orientation and the common place
    step = solve_damped(jnp.asarray(curvature + still, jnp.float32), model.gradient.reshape(size), jnp.float32(0.01))
    after = _measure(_term(), small_body, held, flat + step.reshape(flat.shape), here)[0]
    assert 0.0 <= float(after) < 0.2 * float(before)


def test_acceptance_ignores_it() -> None:
    nothing: Any = None
    problem = Problem(
        model=nothing, scene=nothing, start=nothing, held={}, weights={}, active={}, numbers=nothing, terms=(),
        records=(Keypoints(), _term()),
    )  # fmt: skip
    assert float(problem.judged(jnp.array([3.0, 5.0]))) == 3.0


@pytest.mark.heavy
def test_fixed_draws_depend_on_the_people_alone_and_are_judged(small_body: BodyModel, drawn: Any) -> None:
    """The mean of several draws, whichever search asks and whatever its key; so steps can be compared by it."""
    params, keys, one = drawn
    term = _term(draws=4)
    held = _look_up(term, small_body, params, keys)
    for a, b in zip(
        jax.tree.leaves(held), jax.tree.leaves(_look_up(term, small_body, params, keys[::-1])), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)
    denoise = denoiser(term.network, term.weights)

    @jax.jit
    def pose(key: jax.Array) -> jax.Array:
        return distillation_target(denoise, cosine_schedule(), key, _pick(params, 0), term.timestep).body_pose

    noises = [jax.random.split(key)[0] for key in jax.random.split(jax.random.key(0), 4)]
    mean = np.mean([pose(key) for key in noises], axis=0)
    np.testing.assert_allclose(held.body_pose[0], mean, atol=1e-5)
    assert float(jnp.abs(held.body_pose - one.body_pose).max()) > 1e-4  # a single fresh draw is another target
    nothing: Any = None
    problem = Problem(
        model=nothing, scene=nothing, start=nothing, held={}, weights={}, active={}, numbers=nothing, terms=(),
        records=(Keypoints(), term),
    )  # fmt: skip
    assert float(problem.judged(jnp.array([3.0, 5.0]))) == 8.0


@pytest.mark.heavy
def test_a_batch_equals_its_scenes_alone_and_draws_anew(small_body: BodyModel) -> None:
    term, params, keys = _term(dropout=True), _people(), jax.random.split(jax.random.key(7), 2)
    both = _look_up(term, small_body, params, keys)
    for i in range(2):
        part = slice(i, i + 1)
        alone = _look_up(term, small_body, jax.tree.map(lambda x, part=part: x[part], params), keys[part])
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(both), strict=True):
            np.testing.assert_allclose(a[0], b[i], atol=1e-5)
    later = _look_up(term, small_body, params, keys[::-1])
    assert float(jnp.abs(later.apart - both.apart).max()) > 1e-4


@pytest.mark.heavy
def test_a_conditional_network_is_guided_by_the_estimate(small_body: BodyModel) -> None:
    term, params, keys = _term(conditional=True), _people(1), jax.random.split(jax.random.key(7), 1)
    estimate = _people(1, seed=9)
    names = ("global_orient", "body_pose", "betas", "kid_scale", "transl")
    held = _look_up(term, small_body, params, keys, {name: getattr(estimate, name) for name in names})
    targets = []
    for guidance in (relative(from_params(_pick(estimate, 0))), None):
        denoise = denoiser(term.network, term.weights, guidance)
        key = jax.random.split(keys[0])[0]
        target = jax.jit(lambda p, d=denoise, k=key: distillation_target(d, cosine_schedule(), k, p, term.timestep))
        targets.append(target(_pick(params, 0)).body_pose)
    np.testing.assert_allclose(held.body_pose[0], targets[0], atol=1e-5)
    assert float(jnp.abs(targets[0] - targets[1]).max()) > 1e-3


@pytest.mark.heavy
def test_of_three_people_the_third_is_left_alone(small_body: BodyModel) -> None:
    params = _people(1, people=3)
    held = _look_up(_term(), small_body, params, jax.random.split(jax.random.key(7), 1))
    here = _pick(params, 0)
    _, slope, model = _measure(_term(), small_body, _pick(held, 0), flatten(here), here)
    for gradient in (slope, model.gradient):
        assert float(jnp.abs(gradient[2]).max()) == 0.0
        assert min(float(jnp.abs(gradient[person]).max()) for person in (0, 1)) > 0.0


def test_the_config_says_what_is_missing() -> None:
    with pytest.raises(InputError, match=r"buddi\.checkpoint is empty.*--config\.buddi\.checkpoint"):
        settings_from_config(load_config("buddi"))
    config = load_config("buddi_answers")
    config.buddi.checkpoint = "nowhere.pt"
    with pytest.raises(InputError, match=r"nowhere\.pt"):
        settings_from_config(config)
    config.buddi.draws = 1000
    with pytest.raises(InputError, match=r"buddi\.draws is 1000, expected 0 to 256"):
        settings_from_config(config)
    config.buddi.draws, config.buddi.timestep = 0, 1000
    with pytest.raises(InputError, match=r"buddi\.timestep is 1000, expected 0 to 999"):
        settings_from_config(config)
    config = load_config("two_person_prior")
    del config.buddi["draws"]  # as sections were written once: published
    (prior,) = (term for term in settings_from_config(config).terms if term.name == "buddi")
    assert isinstance(prior, PairPrior) and prior.draws == 0 and not prior.comparable
    assert load_config("buddi").stage1.weights["buddi"] == 1.0
    assert "buddi" not in {term.name for term in settings_from_config(load_config("two_person")).terms}
