"""Measurements of shapes: those of the mesh, the same in whatever units betas are, plausible on every body."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shape_units import body_in_other_units, turn

from prosepose_jax.body.measurements import NAMES, STATURE, ShapeMeasures, _cut, _girth, shape_measures

_KNOWN = {  # m, of adults between small and large
    "stature": (1.45, 1.95), "trunk": (0.38, 0.65), "shoulder width": (0.25, 0.45), "hip width": (0.08, 0.25),
    "upper arm": (0.2, 0.38), "forearm": (0.18, 0.32), "thigh": (0.33, 0.5), "shin": (0.33, 0.5),
    "chest girth": (0.7, 1.2), "waist girth": (0.6, 1.2), "hip girth": (0.75, 1.2),
}  # fmt: skip


def _value(measures: ShapeMeasures, betas: np.ndarray, name: str) -> float:
    return float(measures.of(jnp.asarray(betas, jnp.float32))[NAMES.index(name)])


@pytest.fixture(scope="module")
def measures(body) -> ShapeMeasures:
    return shape_measures(body)


@pytest.mark.parametrize("name", list(_KNOWN))
def test_the_mean_shape_is_that_of_an_adult(measures, name):
    low, high = _KNOWN[name]
    assert low < _value(measures, np.zeros(measures.surface.shape[0]), name) < high


def test_the_stature_is_that_of_the_mesh(body, measures):
    rng = np.random.default_rng(0)
    for _ in range(3):
        betas = rng.normal(size=body.num_betas).astype(np.float32) * 0.7
        vertices = np.asarray(body.v_template) + np.asarray(body.shape_dirs) @ betas
        assert _value(measures, betas, STATURE) == pytest.approx(float(np.ptp(vertices[:, 1])), abs=0.01)


def test_lengths_of_a_shape_are_near_those_of_its_joints(body, measures):
    rng = np.random.default_rng(1)
    betas = rng.normal(size=body.num_betas) * 0.7
    joints = np.asarray(body.joint_template) + np.asarray(body.joint_shape_dirs) @ betas
    for name, pairs in {"thigh": ((1, 4), (2, 5)), "upper arm": ((16, 18), (17, 19)), "trunk": ((0, 12),)}.items():
        exact = np.mean([np.linalg.norm(joints[b] - joints[a]) for a, b in pairs])
        assert _value(measures, betas, name) == pytest.approx(exact, abs=2e-3)


@pytest.mark.parametrize(("name", "joints"), [("chest girth", (9,)), ("waist girth", (3, 6)), ("hip girth", (1, 2))])
def test_girths_of_a_shape_are_near_those_around_its_mesh(body, measures, name, joints):
    mean = np.asarray(body.v_template, np.float64)
    cut = _cut(body, mean, float(np.asarray(body.joint_template)[list(joints), 1].mean()))
    betas = np.random.default_rng(4).normal(size=body.num_betas) * 0.7
    exact, _ = _girth(mean + np.asarray(body.shape_dirs, np.float64) @ betas, np.zeros((len(mean), 3, 1)), cut)
    assert _value(measures, betas, name) == pytest.approx(exact, abs=5e-3)
    assert exact != pytest.approx(_value(measures, betas * 0, name), abs=5e-3)


@pytest.mark.parametrize("which", ["body", "small_body"])
def test_other_units_of_shape_have_the_same_measurements(request, which):
    body = request.getfixturevalue(which)
    scale, rotation = 1.7, turn(body.num_betas)
    first, second = shape_measures(body), shape_measures(body_in_other_units(body, scale, rotation))
    betas = np.random.default_rng(2).normal(size=(3, body.num_betas))
    same = scale * betas @ rotation.T
    for one, other in (
        (jax.vmap(first.of)(jnp.asarray(betas)), jax.vmap(second.of)(jnp.asarray(same))),
        (
            jnp.linalg.norm(jnp.asarray(betas) @ first.surface.T, axis=-1),
            jnp.linalg.norm(jnp.asarray(same) @ second.surface.T, axis=-1),
        ),
        (scale * first.taller() @ rotation.T, second.taller()),
        (
            scale * jax.vmap(first.besides_stature)(jnp.asarray(betas)) @ rotation.T,
            jax.vmap(second.besides_stature)(jnp.asarray(same)),
        ),
    ):
        np.testing.assert_allclose(one, other, atol=2e-3, rtol=1e-3)


def test_the_surface_moves_by_what_is_said(body, measures):
    betas = np.zeros(body.num_betas)
    betas[:3] = (0.4, -1.0, 0.8)
    corners = np.asarray(body.v_template, np.float64)[np.asarray(body.faces)]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    moved = np.sum((np.asarray(body.shape_dirs, np.float64) @ betas) ** 2, axis=-1)[np.asarray(body.faces)].mean(1)
    rms = np.sqrt(np.sum(area * moved) / area.sum())
    assert float(jnp.linalg.norm(measures.surface @ betas)) == pytest.approx(rms, rel=1e-4)


def test_taller_is_one_metre_of_stature_and_moves_the_surface_least(measures):
    count = measures.surface.shape[0]
    taller = np.asarray(measures.taller(), np.float64)
    stature = np.asarray(measures.directions[0], np.float64)
    assert stature @ taller == pytest.approx(1.0, abs=1e-3)
    root = np.asarray(measures.surface, np.float64)
    rng = np.random.default_rng(3)
    for _ in range(10):
        aside = rng.normal(size=count)
        aside -= stature * (stature @ aside) / (stature @ stature)
        assert np.linalg.norm(root @ (taller + 0.1 * aside)) >= np.linalg.norm(root @ taller) * (1 - 1e-5)
    betas = jnp.asarray(rng.normal(size=(2, count)), jnp.float32)
    rest = jax.vmap(measures.besides_stature)(betas)
    np.testing.assert_allclose(rest @ measures.directions[0], 0.0, atol=1e-3)


def test_a_child_is_smaller(measures):
    zeros = jnp.zeros((2, measures.surface.shape[0]))
    adult, child = np.asarray(jax.vmap(measures.of)(zeros, jnp.asarray([0.0, 1.0])))
    assert 0.4 < child[0] / adult[0] < 0.75 and (child < adult).all()


def test_fewer_betas_are_the_first_ones(body, measures):
    few = shape_measures(body, 4)
    np.testing.assert_allclose(few.directions, measures.directions[:, :4], atol=1e-6)
