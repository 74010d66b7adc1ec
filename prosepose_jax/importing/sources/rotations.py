"""Rotations as the tools store them, in numpy: matrices and axis-angle."""

from __future__ import annotations

import numpy as np

_ORTHONORMAL = 0.02  # by which a stored matrix times its transpose may differ from the identity


def axis_angle(matrices: np.ndarray) -> np.ndarray:
    """(..., 3) axis-angle of rotation matrices (..., 3, 3), through quaternions (stable up to half a turn)."""
    m = np.asarray(matrices, np.float64)
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    a, b, c = (diagonal[..., i] for i in range(3))
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    x, y, z = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    # Four multiples of the quaternion (w, x, y, z), each safe where its own component is large.
    multiples = np.stack(
        [
            np.stack([1 + a + b + c, x, y, z], -1),
            np.stack([x, 1 + a - b - c, xy, xz], -1),
            np.stack([y, xy, 1 + b - a - c, yz], -1),
            np.stack([z, xz, yz, 1 + c - a - b], -1),
        ],
        -2,
    )
    own = np.diagonal(multiples, axis1=-2, axis2=-1)
    q = np.take_along_axis(multiples, np.argmax(own, -1)[..., None, None], -2)[..., 0, :]
    q = q / np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-12)
    q = np.where(q[..., :1] < 0, -q, q)
    length = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(length, q[..., :1])
    return (q[..., 1:] * np.where(length > 1e-12, angle / np.maximum(length, 1e-12), 2.0)).astype(np.float32)


def matrix(rotvec: np.ndarray) -> np.ndarray:
    """(..., 3, 3) float64 rotation matrices of axis-angle vectors (..., 3)."""
    v = np.asarray(rotvec, np.float64)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    k = v / np.maximum(angle[..., 0], 1e-12)
    zero = np.zeros(v.shape[:-1])
    cross = np.stack(
        [
            np.stack([zero, -k[..., 2], k[..., 1]], -1),
            np.stack([k[..., 2], zero, -k[..., 0]], -1),
            np.stack([-k[..., 1], k[..., 0], zero], -1),
        ],
        -2,
    )
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def is_rotation(array: np.ndarray) -> bool:
    """Whether all of (..., 3, 3) turn without stretching or mirroring."""
    product = array @ np.swapaxes(array, -1, -2)
    return bool(np.abs(product - np.eye(3)).max(initial=0.0) < _ORTHONORMAL and (np.linalg.det(array) > 0).all())
