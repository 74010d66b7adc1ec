"""The objective's order of numbers, what may move, and which terms judge."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import answer, away, fewer_terms, on_device, pick, problems_of, small_scene

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.fitting.objective import flatten, unflatten
from prosepose_jax.fitting.problem import Problem, add_step, moving_mask, take_moving
from prosepose_jax.fitting.settings import FitSettings
from prosepose_jax.terms import TERMS


def test_flat_steps_are_in_the_order_of_movable_fields() -> None:
    params = BodyParams.zeros(2, 4)
    flat = jnp.arange(146.0).reshape(2, 73)
    moved = unflatten(flat, params)
    np.testing.assert_array_equal(flatten(moved), flat)
    np.testing.assert_array_equal(moved.betas, [[0, 1, 2, 3], [73, 74, 75, 76]])
    np.testing.assert_array_equal(moved.body_pose[:, 20], [[64, 65, 66], [137, 138, 139]])
    np.testing.assert_array_equal(moved.global_orient, [[67, 68, 69], [140, 141, 142]])
    np.testing.assert_array_equal(moved.transl, [[70, 71, 72], [143, 144, 145]])
    step = add_step(take_moving(moved), jnp.ones((2, 73)), params)
    np.testing.assert_array_equal(step["betas"], moved.betas + 1)


@pytest.mark.heavy
def test_numbers_that_stay_have_no_slope_and_do_not_mix(small_body: BodyModel) -> None:
    first, last = FitSettings().stages
    settings = fewer_terms(FitSettings(stages=(first, dataclasses.replace(last, move_betas=False))))
    scene = small_scene(small_body, 0, apart=0.15)
    model, arrays = on_device(small_body, [scene], {scene.key: [answer(("hand", "back"))]}, settings)
    params = away(arrays.params, 1)
    (problem,) = problems_of(model, arrays, params, settings, 1)
    found = jax.jit(lambda problem, params: problem.linearised(take_moving(params)))(problem, pick(params, 0))
    mask = np.asarray(moving_mask(pick(params, 0), problem.numbers.moves)).ravel()
    assert mask.sum() == 2 * (63 + 3 + 3)
    assert np.all(np.asarray(found.gradient).ravel()[mask == 0] == 0)
    curvature = np.asarray(found.curvature).reshape(len(mask), -1)
    np.testing.assert_array_equal(curvature[mask == 0][:, mask == 1], 0)
    np.testing.assert_array_equal(curvature[mask == 0][:, mask == 0], np.eye(20))
    # Betas that moved are read where the stage began.
    kept = problem.params(take_moving(pick(params, 0)))
    np.testing.assert_array_equal(kept.betas, problem.start.betas)


def test_stochastic_terms_do_not_judge() -> None:
    terms = tuple(dataclasses.replace(t, comparable=t.name != "keypoints") for t in TERMS)
    nothing: Any = None
    problem = Problem(
        model=nothing, scene=nothing, start=nothing, held={}, weights={}, active={}, numbers=nothing, terms=terms,
        records=terms,
    )  # fmt: skip
    values = jnp.arange(1.0, len(terms) + 1)
    assert float(problem.judged(values)) == float(values.sum()) - 1.0
