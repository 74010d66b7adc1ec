"""Rotations as axis-angle vectors and matrices, safe in value and gradient at zero.

Small helpers shared by the kinematics, the importers and the metrics. Every
function works on any leading batch shape.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Below this squared angle (rad²) the Taylor branch is used: float32 keeps full precision there.
_SMALL_SQUARED_ANGLE = 1e-4


def axis_angle_to_matrix(axis_angle: jax.Array) -> jax.Array:
    """Rodrigues' formula, R = I + a K + b K², with Taylor branches near zero.

    Args:
      axis_angle: (..., 3) rotation vectors in radians.

    Returns:
      (..., 3, 3) rotation matrices.
    """
    squared = jnp.sum(axis_angle * axis_angle, axis=-1)
    small = squared < _SMALL_SQUARED_ANGLE
    # Double where: the branch not taken must stay finite in value and gradient.
    safe = jnp.where(small, 1.0, squared)
    angle = jnp.sqrt(safe)
    a = jnp.where(small, 1.0 - squared / 6.0 + squared * squared / 120.0, jnp.sin(angle) / angle)
    b = jnp.where(small, 0.5 - squared / 24.0 + squared * squared / 720.0, (1.0 - jnp.cos(angle)) / safe)
    x, y, z = axis_angle[..., 0], axis_angle[..., 1], axis_angle[..., 2]
    # Written out entry by entry: one fused elementwise kernel instead of small matrix products.
    row0 = jnp.stack([1.0 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y], axis=-1)
    row1 = jnp.stack([b * x * y + a * z, 1.0 - b * (x * x + z * z), b * y * z - a * x], axis=-1)
    row2 = jnp.stack([b * x * z - a * y, b * y * z + a * x, 1.0 - b * (x * x + y * y)], axis=-1)
    return jnp.stack([row0, row1, row2], axis=-2)


def left_jacobian(axis_angle: jax.Array) -> jax.Array:
    """How a change of a rotation vector turns the rotation: exp(v + d) ≈ exp(J d) exp(v) for small d.

    Args:
      axis_angle: (..., 3) rotation vectors v in radians.

    Returns:
      (..., 3, 3) matrices J (Chirikjian, "Stochastic Models, Information Theory, and Lie Groups", vol. 2, §10.3).
    """
    squared = jnp.sum(axis_angle * axis_angle, axis=-1)
    small = squared < _SMALL_SQUARED_ANGLE
    safe = jnp.where(small, 1.0, squared)
    angle = jnp.sqrt(safe)
    b = jnp.where(small, 0.5 - squared / 24.0, (1.0 - jnp.cos(angle)) / safe)
    c = jnp.where(small, 1.0 / 6.0 - squared / 120.0, (angle - jnp.sin(angle)) / (safe * angle))
    x, y, z = axis_angle[..., 0], axis_angle[..., 1], axis_angle[..., 2]
    row0 = jnp.stack([1.0 - c * (y * y + z * z), c * x * y - b * z, c * x * z + b * y], axis=-1)
    row1 = jnp.stack([c * x * y + b * z, 1.0 - c * (x * x + z * z), c * y * z - b * x], axis=-1)
    row2 = jnp.stack([c * x * z - b * y, c * y * z + b * x, 1.0 - c * (x * x + y * y)], axis=-1)
    return jnp.stack([row0, row1, row2], axis=-2)


def matrix_to_axis_angle(matrix: jax.Array) -> jax.Array:
    """The rotation vector of a rotation matrix, angle in [0, π].

    Goes through the quaternion with the largest component first, so it is accurate near π too.

    Args:
      matrix: (..., 3, 3) rotation matrices.

    Returns:
      (..., 3) rotation vectors in radians.
    """
    m = matrix
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    diagonal = jnp.stack([m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], axis=-1)
    # Four squared-component candidates (times 4): w, x, y, z.
    squares = jnp.concatenate([1.0 + trace[..., None], 1.0 - trace[..., None] + 2 * diagonal], axis=-1)
    best = jnp.argmax(squares, axis=-1)
    off = {
        "wx": m[..., 2, 1] - m[..., 1, 2], "wy": m[..., 0, 2] - m[..., 2, 0], "wz": m[..., 1, 0] - m[..., 0, 1],
        "xy": m[..., 1, 0] + m[..., 0, 1], "xz": m[..., 0, 2] + m[..., 2, 0], "yz": m[..., 2, 1] + m[..., 1, 2],
    }  # fmt: skip
    rows = jnp.stack(
        [
            jnp.stack([squares[..., 0], off["wx"], off["wy"], off["wz"]], axis=-1),
            jnp.stack([off["wx"], squares[..., 1], off["xy"], off["xz"]], axis=-1),
            jnp.stack([off["wy"], off["xy"], squares[..., 2], off["yz"]], axis=-1),
            jnp.stack([off["wz"], off["xz"], off["yz"], squares[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    quaternion = jnp.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :]
    quaternion = quaternion / jnp.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion = jnp.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    w, vector = quaternion[..., 0], quaternion[..., 1:]
    squared_sine = jnp.sum(vector * vector, axis=-1)
    small = squared_sine < 1e-10
    sine = jnp.sqrt(jnp.where(small, 1.0, squared_sine))
    scale = jnp.where(small, 2.0, 2.0 * jnp.arctan2(sine, w) / sine)
    return vector * scale[..., None]
