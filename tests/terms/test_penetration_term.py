"""The penetration term by hand (docs/method.md, "Other terms")."""

from __future__ import annotations

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyModel, BodyParams, pose_body
from prosepose_jax.body.blocks import make_blocks, stand_ins
from prosepose_jax.fitting.objective import elements_energy
from prosepose_jax.terms.base import Elements
from prosepose_jax.terms.penetration import Penetration, depth_kernel, squared_depth
from prosepose_jax.terms.surface import Surface, make_surface


def _cost(depths: list[float], weights: list[float], robust_m: float = 0.0) -> float:
    points = jnp.zeros((1, len(depths), 2, 3)).at[0, :, 0, 1].set(jnp.asarray(depths, jnp.float32))
    part = Elements((), jnp.asarray([weights], jnp.float32), residual=squared_depth, kernel=depth_kernel)
    return float(elements_energy(part, points, jnp.float32(robust_m)))


def test_penetration_by_hand() -> None:
    for depth, cost in ((0.1, 1.0), (0.01, 1e-4), (0.2, 16.0)):
        assert _cost([depth], [1.0]) == pytest.approx(cost, rel=1e-5)
    # The third is padding; the second stands for four.
    assert _cost([0.1, 0.1, 8.0], [1.0, 4.0, 0.0]) == pytest.approx(5.0, rel=1e-5)


def test_robust_penetration_is_quartic_when_shallow_and_quadratic_when_deep() -> None:
    c = 0.05
    for depth in (0.0, 0.002, 0.01):
        assert _cost([depth], [3.0], c) == pytest.approx(3.0 * (100 * depth**2) ** 2, rel=2e-3, abs=1e-12)
    limit = 100 * c**2
    assert _cost([c], [3.0], c) == pytest.approx(3.0 * 2 * limit**2 * (2**0.5 - 1), rel=1e-5)
    # Far beyond c: 2 · limit · 100 d², so twice the depth costs four times as much.
    assert _cost([2.0], [1.0], c) / _cost([1.0], [1.0], c) == pytest.approx(4.0, rel=1e-2)
    assert _cost([2.0], [3.0], c) == pytest.approx(3.0 * 2 * limit * 400, rel=1e-2)
    assert np.isfinite(_cost([100.0], [1.0], c))


@pytest.fixture(scope="module")
def surface(small_body: BodyModel) -> Surface:
    """The small body's surface, of which one vertex in four is tested."""
    made, template = make_surface(small_body), np.asarray(small_body.v_template)
    assert np.asarray(made.stands_for).max() == 1.0  # so few vertices are all tested
    stands_for = stand_ins(template, np.zeros(len(template), int), len(template) // 4)
    return dataclasses.replace(
        made,
        tested=make_blocks(template, ids=np.flatnonzero(stands_for)),
        stands_for=jnp.asarray(stands_for, jnp.float32),
    )


def _held(body: BodyModel, surface: Surface, every_vertex: bool, slots: int = 512):
    """Of two people 15 cm apart, the second turned."""
    params = BodyParams.zeros(2, 10).replace(
        transl=jnp.array([[0.0, 0.0, 3.0], [0.05, 0.02, 3.15]]),
        global_orient=jnp.array([[0.1, 0.2, 0.0], [0.0, 1.0, 0.2]]),
    )
    vertices = pose_body(body, params).vertices[None]
    lookup = types.SimpleNamespace(
        vertices=vertices, rest=vertices, busy=jnp.ones(1, bool), surface=surface, body=body, inside_slots=slots,
        every_vertex=every_vertex,
    )  # fmt: skip
    return jax.tree.map(np.asarray, Penetration().look_up(lookup))  # type: ignore[arg-type]


def test_few_tested_vertices_stand_for_all(small_body: BodyModel, surface: Surface) -> None:
    every, few = _held(small_body, surface, True), _held(small_body, surface, False)
    assert set(np.unique(every.weight)) == {0.0, 1.0} and every.weight.sum() > 100
    assert 0 < np.count_nonzero(few.weight) < 0.35 * np.count_nonzero(every.weight)
    assert set(np.unique(few.weight)) <= {0.0, *np.unique(surface.stands_for)}
    assert few.weight.sum() == pytest.approx(every.weight.sum(), rel=0.15)
    packed = _held(small_body, surface, False, slots=16)
    assert np.count_nonzero(packed.weight) <= 2 * 16
    assert packed.weight.sum() == pytest.approx(every.weight.sum(), rel=0.25)


def test_stand_ins_keep_to_their_kind() -> None:
    points = np.random.default_rng(0).normal(size=(101, 3))
    kinds = np.arange(101) % 3 - 1
    chosen = stand_ins(points, kinds, 20)
    assert np.all(chosen[kinds == -1] == 0) and chosen.max() <= 6
    for kind in (0, 1):
        assert chosen[kinds == kind].sum() == np.count_nonzero(kinds == kind)
    np.testing.assert_array_equal(stand_ins(points, np.zeros(101, int), 101), 1)
