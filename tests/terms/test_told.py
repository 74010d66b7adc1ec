"""What answers tell beyond touch, by hand (docs/beyond_touch.md)."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import small_scene

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.body.measurements import shape_measures
from prosepose_jax.fitting.objective import term_energy
from prosepose_jax.fitting.prepare import initial_params
from prosepose_jax.language import aligned, compile_votes
from prosepose_jax.scene import Answer
from prosepose_jax.terms import Camera, Context
from prosepose_jax.terms.told import Told, relations_told
from prosepose_jax.terms.told_scales import DISTANCE, HEIGHT


def _answers(count: int, *rows: str, order: str = "given") -> list[Answer]:
    table = "\n".join(["| Question | Person 1 | Person 2 |", "|---|---|---|", *rows])
    return [Answer(table, order=order)] * count


def _told(answers: list[Answer]) -> Any:
    return relations_told(aligned(compile_votes(answers, 2)))


def test_many_votes_of_one_value_mean_that_value_and_its_neighbours() -> None:
    told = _told(_answers(1000, "| height | taller | shorter |"))
    shares = np.array([0.0, 0.0, HEIGHT.slips / 2, 1 - HEIGHT.slips, HEIGHT.slips / 2])
    mean = shares @ np.array(HEIGHT.centres)
    variance = shares @ (np.array(HEIGHT.spreads) ** 2 + np.array(HEIGHT.centres) ** 2) - mean**2
    assert told.mean[0] == pytest.approx(mean, abs=2e-3)
    assert told.sharpness[0] == pytest.approx(variance**-0.5, rel=0.02)
    assert told.sharpness[1] == 0.0 and not told.free  # nothing of depths


def test_few_and_divided_votes_count_less() -> None:
    much = [float(_told(_answers(n, "| height | much taller | much shorter |")).sharpness[0]) for n in (1, 4, 20)]
    assert much[0] < much[1] < much[2]
    divided = _answers(10, "| height | taller | shorter |") + _answers(10, "| height | shorter | taller |")
    assert _told(divided).mean[0] == pytest.approx(0.0, abs=1e-6)
    assert _told(divided).sharpness[0] < _told(_answers(20, "| height | taller | shorter |")).sharpness[0]


def test_opposite_values_mirror() -> None:
    nearer, farther = (_told(_answers(20, f"| distance to the camera | {a} | {b} |")) for a, b in
                       (("nearer", "farther"), ("farther", "nearer")))  # fmt: skip
    assert nearer.mean[1] == pytest.approx(-farther.mean[1]) and nearer.mean[1] < -0.2
    assert nearer.sharpness[1] == pytest.approx(farther.sharpness[1])
    assert DISTANCE.values[0] == "nearer"


def _cost(body: BodyModel, told: Any, params: BodyParams, sign: float = 1.0) -> float:
    term = Told()
    context = Context(
        body, term.prepare_body(body, None), jax.tree.map(jnp.asarray, told), jnp.float32(sign),
        Camera(jnp.ones(2), jnp.zeros(2)), params, params,
    )  # fmt: skip
    return float(term_energy(term, context, None, jnp.float32(0.0)))  # type: ignore[arg-type]


def _people(body: BodyModel, taller: float, farther_m: float) -> BodyParams:
    """Two people of whom the first is so much taller (log) and farther."""
    params = jax.tree.map(jnp.asarray, initial_params(body, small_scene(body, 0)))
    measures = shape_measures(body, 10)
    betas = jnp.zeros((2, 10)).at[0].set(measures.taller() * float(measures.mean[0]) * (np.exp(taller) - 1))
    depth = Told().prepare_body(body, None)
    there = dataclasses.replace(params, betas=betas)
    pelvis = jax.vmap(depth.pelvis)(there)[:, 2]
    return dataclasses.replace(there, transl=there.transl.at[:, 2].add(jnp.array([farther_m, 0.0]) - pelvis + 3.0))


def test_told_by_hand(small_body: BodyModel) -> None:
    told = _told(_answers(20, "| height | taller | shorter |", "| distance to the camera | nearer | farther |"))
    mean, sharpness = told.mean, told.sharpness
    at = _people(small_body, float(mean[0]), float(mean[1]))
    assert _cost(small_body, told, at) == pytest.approx(0.0, abs=1e-4)
    off = _people(small_body, float(mean[0] + 1 / sharpness[0]), float(mean[1] - 2 / sharpness[1]))
    assert _cost(small_body, told, off) == pytest.approx(1.0 + 4.0, rel=1e-2)
    # The people taken the other way round.
    turned = _people(small_body, -float(mean[0]), -float(mean[1]))
    assert _cost(small_body, told, turned, sign=-1.0) == pytest.approx(0.0, abs=1e-4)


def test_no_table_tells_nothing(small_body: BodyModel) -> None:
    for told in (relations_told(None), _told([Answer("| hand | back |")])):
        assert _cost(small_body, told, _people(small_body, 0.3, -0.5)) == 0.0


@pytest.mark.parametrize("order", ["free", "given"])
def test_free_answers_take_the_order_that_fits(small_body: BodyModel, order: str) -> None:
    told = _told(_answers(20, "| height | taller | shorter |", order=order))
    params = _people(small_body, -float(told.mean[0]), 0.0)
    lookup: Any = type("Lookup", (), {})()
    lookup.mine = Told().prepare_body(small_body, None)
    lookup.params, lookup.data = (jax.tree.map(lambda x: jnp.asarray(x)[None], tree) for tree in (params, told))
    sign = float(Told().look_up(lookup)[0])
    assert sign == (-1.0 if order == "free" else 1.0)
    assert (_cost(small_body, told, params, sign) < 1e-3) == (order == "free")
