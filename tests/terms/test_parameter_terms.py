"""The terms of parameters alone, by hand (docs/method.md, "Other terms")."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyParams
from prosepose_jax.fitting.objective import term_energy
from prosepose_jax.terms import Camera, Context, InitialPose, PosePriorTerm, ShapePrior, load_pose_prior
from prosepose_jax.terms.mixture import component_costs


def _context(params: BodyParams, mine=None) -> Context:
    camera = Camera(jnp.ones(2), jnp.zeros(2))
    start = BodyParams.zeros(params.transl.shape[0], 10)
    return Context(None, mine, None, None, camera, start, params)  # type: ignore[arg-type]


def _value(term, params: BodyParams, mine=None) -> float:
    return float(term_energy(term, _context(params, mine), None, jnp.float32(0.0)))  # type: ignore[arg-type]


@pytest.fixture
def params() -> BodyParams:
    """Two people, the second at the start."""
    zeros = BodyParams.zeros(2, 10)
    return dataclasses.replace(
        zeros,
        body_pose=zeros.body_pose.at[0, 3].set(jnp.array([0.1, -0.2, 0.2])),
        global_orient=zeros.global_orient.at[0].set(jnp.array([0.0, 0.3, 0.0])),
        betas=zeros.betas.at[0, :2].set(jnp.array([3.0, -4.0])),
        transl=zeros.transl + 7.0,
    )


def test_initial_pose_by_hand(params: BodyParams) -> None:
    assert _value(InitialPose(), params) == pytest.approx(0.09 + 5 * 0.09, rel=1e-5)  # orientation five times as stiff


def test_shape_prior_by_hand(params: BodyParams) -> None:
    assert _value(ShapePrior(), params) == pytest.approx(25.0)


def test_the_prior_term_is_the_cheapest_component_of_each_person(params: BodyParams) -> None:
    prior = load_pose_prior()
    expected = jnp.sum(jnp.min(component_costs(prior, params.body_pose), axis=-1))
    assert _value(PosePriorTerm(), params, prior) == pytest.approx(float(expected), rel=1e-5)


def test_the_gradient_of_the_prior_is_that_of_its_argument(params: BodyParams) -> None:
    prior = load_pose_prior()

    def term(pose: jax.Array) -> jax.Array:
        moved = dataclasses.replace(params, body_pose=pose)
        return term_energy(PosePriorTerm(), _context(moved, prior), None, jnp.float32(0.0))  # type: ignore[arg-type]

    found = jax.grad(term)(params.body_pose)
    expected = jax.grad(lambda pose: jnp.sum(jnp.min(component_costs(prior, pose), axis=-1)))(params.body_pose)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
