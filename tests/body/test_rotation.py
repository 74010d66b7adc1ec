"""Rotation vectors and matrices: at zero, near π, across the Taylor branch, in value and gradient."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from prosepose_jax.body import axis_angle_to_matrix, matrix_to_axis_angle
from prosepose_jax.body.rotation import left_jacobian

to_matrix = jax.jit(axis_angle_to_matrix)
to_vector = jax.jit(matrix_to_axis_angle)
# Both sides of the Taylor branch (0.01 rad), of float32's smallest steps, and of π.
ANGLES = [0.0, 1e-30, 1e-12, 1e-6, 1e-4, 0.0099, 0.00999999, 0.0100001, 0.02, 0.5, 2.0, 3.0, 3.14, 3.1415, np.pi]
AXES = np.array([[1, 0, 0], [0, -1, 0], [0, 0, 1], [1, 1, 1], [-0.3, 0.8, 0.1], [1e-3, -1, 2]], np.float64)
AXES /= np.linalg.norm(AXES, axis=1, keepdims=True)


def _vectors() -> np.ndarray:
    return np.array([[a * axis for axis in AXES] for a in ANGLES])


def test_matrices_equal_scipy() -> None:
    vectors = _vectors()
    expected = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape[:2], 3, 3)
    np.testing.assert_allclose(to_matrix(jnp.asarray(vectors, jnp.float32)), expected, atol=5e-7)


def test_small_angles_keep_relative_precision() -> None:
    for angle in (1e-6, 1e-3, 0.009, 0.011):
        matrix = np.asarray(to_matrix(jnp.asarray(angle * AXES[4], jnp.float32)), np.float64)
        skew = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]) / 2
        np.testing.assert_allclose(skew, np.sin(angle) * AXES[4], rtol=2e-5, atol=0)


@pytest.mark.heavy
def test_taylor_branch_joins_smoothly_in_value_and_gradient() -> None:
    with jax.enable_x64(True):
        below, above = 0.01 * (1 - 1e-9), 0.01 * (1 + 1e-9)
        for function in (axis_angle_to_matrix, jax.jacfwd(axis_angle_to_matrix)):
            left, right = function(jnp.asarray(below * AXES[4])), function(jnp.asarray(above * AXES[4]))
            np.testing.assert_allclose(left, right, atol=1e-10)


def test_gradient_at_zero_is_the_generator() -> None:
    gradient = jax.jacrev(axis_angle_to_matrix)(jnp.zeros(3))
    expected = np.zeros((3, 3, 3))
    for i, j, k, sign in ((2, 1, 0, 1), (1, 2, 0, -1), (0, 2, 1, 1), (2, 0, 1, -1), (1, 0, 2, 1), (0, 1, 2, -1)):
        expected[i, j, k] = sign
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


def test_gradients_equal_finite_differences() -> None:
    with jax.enable_x64(True):
        weights = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))
        value = jax.jit(lambda vector: jnp.sum(axis_angle_to_matrix(vector) * weights))
        gradient = jax.jit(jax.grad(value))
        step = 1e-6
        for angle in (0.0, 1e-5, 0.005, 0.0101, 0.7, 3.1, np.pi - 1e-4):
            at = angle * AXES[4]
            expected = [(value(at + s) - value(at - s)) / (2 * step) for s in step * np.eye(3)]
            np.testing.assert_allclose(gradient(jnp.asarray(at)), expected, atol=1e-8, err_msg=str(angle))


def _turning_rates(vector: jax.Array) -> jax.Array:
    """Column i: the axis about which the rotation turns as number i of its vector grows, from dR/dv_i Rᵀ."""
    slope = jax.jacfwd(axis_angle_to_matrix)(vector)
    spin = jnp.einsum("xyi,zy->xzi", slope, axis_angle_to_matrix(vector))
    return jnp.stack([spin[2, 1] - spin[1, 2], spin[0, 2] - spin[2, 0], spin[1, 0] - spin[0, 1]]) / 2.0


def test_left_jacobian_equals_forward_derivatives() -> None:
    with jax.enable_x64(True):
        expected, found = jax.jit(_turning_rates), jax.jit(left_jacobian)
        for angle in (0.0, 1e-8, 0.005, 0.00999, 0.01001, 0.7, 2.0, 3.1, np.pi - 1e-6, np.pi, 4.0):
            for axis in AXES:
                at = jnp.asarray(angle * axis)
                np.testing.assert_allclose(found(at), expected(at), atol=1e-11, err_msg=f"{angle} {axis}")


@pytest.mark.heavy
def test_left_jacobian_in_float32_and_on_batches() -> None:
    vectors = jnp.asarray(_vectors(), jnp.float32)
    found = np.asarray(jax.jit(left_jacobian)(vectors))
    assert found.shape == (*vectors.shape[:2], 3, 3) and found.dtype == np.float32
    with jax.enable_x64(True):
        exact = jax.vmap(jax.vmap(_turning_rates))(jnp.asarray(np.asarray(vectors), jnp.float64))
    # Where the angle is just above the Taylor branch, angle - sin(angle) keeps few digits; its share is small.
    np.testing.assert_allclose(found, exact, atol=2e-6)


def test_inverse_gradient_equals_finite_differences() -> None:
    round_trip_jacobian = jax.jit(jax.jacrev(lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v))))
    with jax.enable_x64(True):
        for vector in (0.3 * AXES[4], 2.9 * AXES[5], 1.2 * AXES[3]):
            # d(log(exp(v)))/dv is the identity wherever both are smooth.
            jacobian = round_trip_jacobian(jnp.asarray(vector))
            np.testing.assert_allclose(jacobian, np.eye(3), atol=1e-9)


def test_gradients_are_finite_everywhere() -> None:
    vectors = jnp.asarray(_vectors().reshape(-1, 3), jnp.float32)
    forward = jax.jit(jax.vmap(jax.jacrev(axis_angle_to_matrix)))(vectors)
    back = jax.jit(jax.vmap(jax.jacrev(lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v)))))(vectors)
    assert bool(jnp.isfinite(forward).all()) and bool(jnp.isfinite(back).all())


def test_round_trip_near_pi() -> None:
    for angle in (3.0, 3.14, np.pi - 1e-3, np.pi):
        for axis in AXES:
            vector = np.asarray(to_vector(to_matrix(jnp.asarray(angle * axis, jnp.float32))), np.float64)
            turned = Rotation.from_rotvec(vector).inv() * Rotation.from_rotvec(angle * axis)
            assert turned.magnitude() < 2e-6 and np.linalg.norm(vector) < np.pi + 1e-5


_numbers = st.floats(-6.0, 6.0, width=32)
_shapes = st.sampled_from([(), (1,), (3, 1, 2, 1)])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(vector=st.tuples(_numbers, _numbers, _numbers), shape=_shapes)
def test_matrices_are_rotations_on_any_batch_shape(vector, shape) -> None:
    batch = jnp.broadcast_to(jnp.asarray(vector, jnp.float32), (*shape, 3))
    matrix = np.asarray(to_matrix(batch), np.float64)
    assert matrix.shape == (*shape, 3, 3)
    np.testing.assert_allclose(
        matrix @ np.swapaxes(matrix, -1, -2), np.broadcast_to(np.eye(3), matrix.shape), atol=3e-6
    )
    np.testing.assert_allclose(np.linalg.det(matrix), 1.0, atol=3e-6)
    back = np.asarray(to_vector(jnp.asarray(matrix, jnp.float32)), np.float64).reshape(-1, 3)
    turned = Rotation.from_rotvec(back).inv() * Rotation.from_rotvec(np.asarray(batch, np.float64).reshape(-1, 3))
    assert np.max(turned.magnitude()) < 1e-5
