"""Alignment of point sets before they are compared: by a shift, by shift and scale, by a similarity (Procrustes).

docs/method.md, "Metrics". Pure functions on any leading batch shape.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from prosepose_jax.metrics.precision import in_double


class Similarity(NamedTuple):
    """x ↦ scale · R x + translation, on any leading batch shape."""

    scale: jax.Array  # (...,)
    rotation: jax.Array  # (..., 3, 3), determinant +1
    translation: jax.Array  # (..., 3)

    def __call__(self, points: jax.Array) -> jax.Array:
        """Moved points (..., n, 3)."""
        turned = points @ self.rotation.swapaxes(-1, -2)
        return self.scale[..., None, None] * turned + self.translation[..., None, :]


@in_double()
def fit_similarity(source: jax.Array, target: jax.Array) -> Similarity:
    """The similarity that moves `source` onto `target` with the least sum of squared distances.

    Never a reflection: where a mirrored body would fit better, the best proper rotation is returned.
    Points that all coincide keep scale 1. (Umeyama, IEEE TPAMI 13(4), 1991.)

    Args:
      source: (..., n, 3).
      target: (..., n, 3), the same leading shape.
    """
    source_mean = jnp.mean(source, axis=-2, keepdims=True)
    target_mean = jnp.mean(target, axis=-2, keepdims=True)
    centred, wanted = source - source_mean, target - target_mean
    products = jnp.swapaxes(wanted, -1, -2) @ centred
    return similarity_of(source_mean[..., 0, :], target_mean[..., 0, :], products, jnp.sum(centred**2, axis=(-1, -2)))


@in_double()
def similarity_of(source_mean: jax.Array, target_mean: jax.Array, products: jax.Array, spread: jax.Array) -> Similarity:
    """`fit_similarity` from sums over the points.

    Args:
      source_mean: (..., 3).
      target_mean: (..., 3).
      products: (..., 3, 3) of the centred target's coordinates with those of the centred source.
      spread: (...) the centred source's squares.
    """
    u, singular, vt = jnp.linalg.svd(products)
    mirrored = jnp.linalg.det(u) * jnp.linalg.det(vt) < 0.0
    signs = jnp.ones_like(singular).at[..., 2].set(jnp.where(mirrored, -1.0, 1.0))
    rotation = (u * signs[..., None, :]) @ vt
    flat = spread <= 0.0
    scale = jnp.where(flat, 1.0, jnp.sum(singular * signs, axis=-1) / jnp.where(flat, 1.0, spread))
    moved_mean = scale[..., None] * (rotation @ source_mean[..., None])[..., 0]
    return Similarity(scale, rotation, target_mean - moved_mean)


@in_double()
def align(source: jax.Array, target: jax.Array) -> jax.Array:
    """`source` (..., n, 3) moved onto `target` by the best similarity."""
    return fit_similarity(source, target)(source)


@in_double()
def align_translation(source: jax.Array, target: jax.Array) -> jax.Array:
    """`source` (..., n, 3) shifted so that the means of the points agree: the best shift."""
    shift = jnp.mean(target, axis=-2, keepdims=True) - jnp.mean(source, axis=-2, keepdims=True)
    return source + shift


@in_double()
def align_scale_translation(source: jax.Array, target: jax.Array) -> jax.Array:
    """`source` (..., n, 3) under the best scale and shift, not turned. A scale below 0 would mirror: 0 is the least."""
    source_mean = jnp.mean(source, axis=-2, keepdims=True)
    target_mean = jnp.mean(target, axis=-2, keepdims=True)
    centred = source - source_mean
    spread = jnp.sum(centred * centred, axis=(-1, -2), keepdims=True)
    flat = spread <= 0.0
    along = jnp.sum(centred * (target - target_mean), axis=(-1, -2), keepdims=True)
    scale = jnp.where(flat, 1.0, jnp.maximum(along, 0.0) / jnp.where(flat, 1.0, spread))
    return scale * centred + target_mean
