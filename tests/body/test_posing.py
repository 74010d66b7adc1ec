"""Posing: subsets, batches, joints without a mesh, shape, child, hands, translation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import (
    BODY25_SOURCE,
    KEYPOINT_VERTEX_NAMES,
    Body25,
    BodyModel,
    BodyParams,
    keypoints,
    pose_body,
    pose_joints,
    pose_person,
    rest_joints,
)
from prosepose_jax.errors import InputError

pose = jax.jit(pose_body)


def _random(people: int, seed: int = 0) -> BodyParams:
    rng = np.random.default_rng(seed)
    zeros = BodyParams.zeros(people)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.5, leaf.shape), leaf.dtype), zeros)


@pytest.fixture(scope="module")
def dense(small_body: BodyModel) -> BodyModel:
    """The small body with pose blend shapes that matter."""
    noise = np.random.default_rng(3).normal(0, 3e-3, (small_body.num_vertices, 3, 9 * 54))
    return small_body.replace(pose_dirs=jnp.asarray(noise, jnp.float32))


@pytest.fixture(scope="module")
def posed(dense: BodyModel):
    return pose(dense, _random(3))


@pytest.fixture(scope="module")
def flat(small_body: BodyModel) -> BodyModel:
    """The small body with flat hands and no pose blend shapes: its rest pose is its template."""
    hands = {"left_hand_mean": jnp.zeros((15, 3)), "right_hand_mean": jnp.zeros((15, 3))}
    return small_body.replace(pose_dirs=None, **hands)


def test_rest_pose_is_the_template(flat: BodyModel) -> None:
    rest = pose(flat, BodyParams.zeros(1))
    np.testing.assert_allclose(rest.vertices[0], flat.v_template, atol=1e-6)
    np.testing.assert_allclose(rest.joints[0], flat.joint_template, atol=1e-6)


def test_subset_equals_rows_of_the_whole(dense: BodyModel, posed) -> None:
    ids = jnp.asarray([5, 0, 5, dense.num_vertices - 1, 17])
    subset = jax.jit(pose_body)(dense, _random(3), ids)
    np.testing.assert_allclose(subset.vertices, posed.vertices[:, ids], atol=2e-6)
    np.testing.assert_allclose(subset.joints, posed.joints, atol=1e-6)


@pytest.mark.heavy
def test_jit_equals_eager_and_vmap_equals_loop(dense: BodyModel, posed) -> None:
    params = _random(3)
    one = jax.jit(pose_person)
    loop = [one(dense, jax.tree.map(lambda leaf, i=i: leaf[i], params)) for i in range(3)]
    np.testing.assert_allclose(jnp.stack([p.vertices for p in loop]), posed.vertices, atol=2e-6)
    with jax.disable_jit():
        eager = pose_person(dense, jax.tree.map(lambda leaf: leaf[0], params))
    np.testing.assert_allclose(eager.vertices, posed.vertices[0], atol=2e-6)
    scenes = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), params)
    nested = jax.jit(jax.vmap(lambda p: pose_body(dense, p)))(scenes)
    np.testing.assert_allclose(nested.vertices[1], posed.vertices, atol=2e-6)


def test_joints_without_a_mesh(dense: BodyModel, posed) -> None:
    params = _random(3)
    joints, transforms, rotations = jax.jit(jax.vmap(lambda p: pose_joints(dense, p)))(params)
    np.testing.assert_allclose(joints, posed.joints, atol=1e-6)
    assert transforms.shape == (3, 55, 3, 4) and rotations.shape == (3, 55, 3, 3)
    # Each transform takes its joint from its place at rest to its posed place.
    rest = jax.vmap(lambda p: rest_joints(dense, p.betas, p.expression, p.kid_scale))(params)
    moved = np.einsum("pjab,pjb->pja", transforms[..., :3], rest) + transforms[..., 3]
    np.testing.assert_allclose(moved, joints, atol=2e-6)


def test_rest_joints_are_the_regressor_on_the_shaped_mesh(small_body: BodyModel) -> None:
    params = jax.tree.map(lambda leaf: leaf[0], _random(1, seed=4))
    shaped = (
        small_body.v_template
        + small_body.shape_dirs @ params.betas
        + small_body.expression_dirs @ params.expression
        + small_body.kid_dir * params.kid_scale
    )
    found = rest_joints(small_body, params.betas, params.expression, params.kid_scale)
    np.testing.assert_allclose(found, small_body.joint_regressor @ shaped, atol=2e-6)


def test_translation_moves_everything_alike(dense: BodyModel, posed) -> None:
    params = _random(3)
    shift = jnp.asarray([[1.0, -2.0, 4.0]])
    moved = pose(dense, params.replace(transl=params.transl + shift))
    np.testing.assert_allclose(moved.vertices - posed.vertices, np.broadcast_to(shift, posed.vertices.shape), atol=2e-6)
    np.testing.assert_allclose(moved.joints - posed.joints, np.broadcast_to(shift, posed.joints.shape), atol=2e-6)


def test_global_orientation_turns_about_the_pelvis(dense: BodyModel) -> None:
    params = BodyParams.zeros(3)
    turned = pose(dense, params.replace(global_orient=jnp.tile(jnp.asarray([[0.0, np.pi, 0.0]]), (3, 1))))
    still = pose(dense, params)
    pelvis = still.joints[:, :1]
    expected = (still.vertices - pelvis) * jnp.asarray([[[-1.0, 1.0, -1.0]]]) + pelvis
    np.testing.assert_allclose(turned.vertices, expected, atol=2e-6)


def test_fewer_betas_are_padded_and_more_are_refused(flat: BodyModel) -> None:
    short = _random(1).replace(betas=jnp.asarray([[1.0, -1.0]]))
    full = short.replace(betas=jnp.zeros((1, flat.num_betas)).at[0, :2].set(jnp.asarray([1.0, -1.0])))
    np.testing.assert_allclose(pose(flat, short).vertices, pose(flat, full).vertices, atol=1e-6)
    with pytest.raises(InputError, match="betas: expected at most"):
        pose_body(flat, short.replace(betas=jnp.zeros((1, flat.num_betas + 1))))


def test_kid_scale_blends_to_the_child_template(flat: BodyModel) -> None:
    child = pose(flat, BodyParams.zeros(1).replace(kid_scale=jnp.ones(1)))
    np.testing.assert_allclose(child.vertices[0], flat.v_template + flat.kid_dir, atol=1e-6)


def test_keypoints_are_the_named_joints_and_vertices(dense: BodyModel, posed) -> None:
    points = keypoints(dense, posed)
    assert points.shape == (3, 25, 3)
    joints = {"NECK": 12, "RIGHT_SHOULDER": 17, "LEFT_WRIST": 20, "MID_HIP": 0, "RIGHT_ANKLE": 8, "LEFT_KNEE": 4}
    for name, joint in joints.items():
        np.testing.assert_array_equal(points[:, Body25[name]], posed.joints[:, joint])
    for i, name in enumerate(KEYPOINT_VERTEX_NAMES):
        vertex = int(dense.keypoint_vertices[i])
        np.testing.assert_array_equal(points[:, Body25[name.upper()]], posed.vertices[:, vertex])
    assert sorted(BODY25_SOURCE[BODY25_SOURCE < 0]) == list(range(-11, 0))


def test_gradient_equals_finite_differences_and_is_finite_at_rest(dense: BodyModel) -> None:
    with jax.enable_x64(True):
        body = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64) if x.dtype == jnp.float32 else x, dense)
        ids = jnp.asarray([3, 50, 400])

        @jax.jit
        @jax.value_and_grad
        def value_and_gradient(p: BodyParams) -> jax.Array:
            posed = pose_body(body, p, ids)
            return jnp.sum(jnp.sin(3.0 * posed.vertices)) + jnp.sum(posed.joints**2)

        params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), _random(1, seed=7))
        gradient = value_and_gradient(params)[1]
        direction = jax.tree.map(lambda x: jnp.asarray(np.random.default_rng(x.size).normal(size=x.shape)), params)
        slope = sum(jnp.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True))
        step = 1e-6
        ends = [
            value_and_gradient(jax.tree.map(lambda x, d, s=s: x + s * step * d, params, direction))[0] for s in (1, -1)
        ]
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-7)

        at_rest = value_and_gradient(jax.tree.map(jnp.zeros_like, params))[1]
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(at_rest))
        assert float(jnp.abs(at_rest.body_pose).max()) > 0


def test_bodies_are_posed_in_full_precision(dense: BodyModel) -> None:
    """GPUs and TPUs would by default multiply float32 with fewer digits."""
    text = jax.jit(pose_body).lower(dense, BodyParams.zeros(2, 10)).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) >= 3 and all("precision = [HIGHEST, HIGHEST]" in line for line in products)
