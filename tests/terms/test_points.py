"""The closed-form derivatives of posed points against forward differentiation of the posing itself."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyModel, BodyParams, pose_body
from prosepose_jax.body.kinematics import pose_joints
from prosepose_jax.body.skinning import rest_vertices
from prosepose_jax.terms.points import (
    MOVABLE,
    Rows,
    directed_gradient,
    gather_rows,
    joint_rows,
    make_kinematics,
    make_levers,
    pose_rows,
)

VERTICES = jnp.arange(0, 1000, 23)
JOINTS = np.array([0, 4, 15, 20, 21, 24, 40])


def _params(scale: float) -> BodyParams:
    """One person with everything away from zero, hands, face, expression and child share included."""
    rng = np.random.default_rng(4)
    zeros = jax.tree.map(lambda x: np.asarray(x[0]), BodyParams.zeros(1, 10))
    drawn = jax.tree.map(lambda x: jnp.asarray(rng.normal(0.0, scale, x.shape), jnp.float32), zeros)
    return dataclasses.replace(
        drawn,
        global_orient=jnp.array([3.0, 0.3, -0.2]) * min(1.0, scale * 1e9),
        betas=drawn.betas * 3.0,
        kid_scale=jnp.float32(0.3 * scale),
    )


def params_of_one(params: BodyParams) -> BodyParams:
    """One person as a scene of one."""
    return jax.tree.map(lambda x: jnp.asarray(x)[None], params)


def _body(small_body: BodyModel, pose_dirs: bool) -> BodyModel:
    # Blend shapes ten times as strong as the small body's, or their share would drown in the tolerance.
    return dataclasses.replace(small_body, pose_dirs=10.0 * small_body.pose_dirs if pose_dirs else None)


def _by_forward_mode(function, params: BodyParams) -> dict[str, np.ndarray]:
    """Derivatives of (M, …) values by each movable field, the field flattened last."""
    slopes = {}
    for name in MOVABLE:
        field = getattr(params, name)

        def moved(x: jax.Array, name: str = name, shape: tuple[int, ...] = field.shape) -> jax.Array:
            return function(dataclasses.replace(params, **{name: x.reshape(shape)}))

        slopes[name] = np.asarray(jax.jit(jax.jacfwd(moved))(field.reshape(-1)))
    return slopes


def _assert_fields_equal(found: jax.Array, expected: dict[str, np.ndarray]) -> None:
    ends = np.cumsum([expected[name].shape[-1] for name in MOVABLE])
    assert found.shape[-1] == ends[-1]
    for name, part in zip(MOVABLE, np.split(np.asarray(found), ends[:-1], axis=-1), strict=True):
        size = np.abs(expected[name]).max()
        assert size > 0
        np.testing.assert_allclose(part, expected[name], atol=1e-3 * size, rtol=0, err_msg=name)


@pytest.mark.heavy
@pytest.mark.parametrize("scale", [0.3, 0.0])
@pytest.mark.parametrize("pose_dirs", [True, False])
def test_vertices_and_joints_equal_the_body_and_forward_mode(
    small_body: BodyModel, pose_dirs: bool, scale: float
) -> None:
    body, params = _body(small_body, pose_dirs), _params(scale)

    @jax.jit
    def vertices(params: BodyParams) -> jax.Array:
        return pose_body(body, params_of_one(params)).vertices[0, VERTICES]

    @jax.jit
    def joints(params: BodyParams) -> jax.Array:
        return pose_joints(body, params)[0][JOINTS]

    kin = jax.jit(make_kinematics)(body, params)
    directions = jnp.asarray(np.random.default_rng(6).normal(size=(len(VERTICES), 3)), jnp.float32)
    for function, rows in ((vertices, gather_rows(body, params, VERTICES)), (joints, joint_rows(body, params, JOINTS))):
        levers = make_levers(body.parents, rows, kin)
        some = directions[: len(rows.base)]
        np.testing.assert_allclose(levers.points, function(params), atol=2e-6)
        np.testing.assert_allclose(pose_rows(rows, kin), levers.points, atol=2e-6)
        expected = _by_forward_mode(lambda p, f=function, d=some: jnp.sum(f(p) * d, axis=-1), params)
        _assert_fields_equal(directed_gradient(rows, kin, levers, some.T).T, expected)


@pytest.mark.heavy
def test_directed_gradient_equals_forward_mode(small_body: BodyModel) -> None:
    body, params = _body(small_body, True), _params(0.3)
    # As the penetration term holds them: the shaped and bent rest vertices are constants.
    rest = rest_vertices(body, params, pose_joints(body, params)[2])[VERTICES]
    rows = Rows(base=rest, shape_dirs=None, pose_dirs=None, skin_weights=body.skin_weights[VERTICES])
    directions = jnp.asarray(np.random.default_rng(5).normal(size=rest.shape), jnp.float32)

    def along(params: BodyParams) -> jax.Array:
        return jnp.sum(pose_rows(rows, make_kinematics(body, params)) * directions, axis=-1)

    kin = jax.jit(make_kinematics)(body, params)
    levers = make_levers(body.parents, rows, kin)
    _assert_fields_equal(directed_gradient(rows, kin, levers, directions.T).T, _by_forward_mode(along, params))


@pytest.mark.heavy
def test_points_of_a_scene_do_not_depend_on_its_place_in_a_call(body: BodyModel) -> None:
    """Bit by bit: a step makes other digits into another minimum, and a scene's slot is chance."""
    # So many points of so many scenes a matrix library cuts in the midst of some scene's.
    slots, points, rng = 8, 160, np.random.default_rng(0)
    vertices = jnp.asarray(rng.integers(0, body.num_vertices, points))
    ways = jnp.asarray(rng.normal(size=(3, points)), jnp.float32)

    def of_scene(params: BodyParams) -> tuple[jax.Array, jax.Array]:
        kin, rows = make_kinematics(body, params), gather_rows(body, params, vertices)
        levers = make_levers(body.parents, rows, kin)
        return levers.points, directed_gradient(rows, kin, levers, ways)

    every = jax.tree.map(lambda x: jnp.stack([x] * slots), _params(0.3))
    for found in jax.jit(jax.vmap(of_scene))(every):
        np.testing.assert_array_equal(found, jnp.broadcast_to(found[0], found.shape))
