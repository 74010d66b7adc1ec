"""Hand poses from SMPL-X's hand PCA (docs/method.md, "Body model")."""

from __future__ import annotations

import jax

from prosepose_jax.body.model import BodyModel


def hands_from_pca(
    body: BodyModel, left_coefficients: jax.Array, right_coefficients: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Left and right hand poses from PCA coefficients.

    The result goes into `BodyParams.left_hand_pose` and `.right_hand_pose`; posing adds the
    body's mean hand (zero when the body was loaded with `flat_hands=True`), as SMPL-X does.

    Args:
      body: the body model.
      left_coefficients: (..., C) with C ≤ 45 components, e.g. (P, 6) or (P, 12).
      right_coefficients: (..., C).

    Returns:
      Two arrays (..., 15, 3) of axis-angle rotations in radians, the mean hand not added.
    """

    def expand(coefficients: jax.Array, components: jax.Array) -> jax.Array:
        flat = coefficients @ components[: coefficients.shape[-1]]
        return flat.reshape(*coefficients.shape[:-1], 15, 3)

    return (
        expand(left_coefficients, body.left_hand_components),
        expand(right_coefficients, body.right_hand_components),
    )
