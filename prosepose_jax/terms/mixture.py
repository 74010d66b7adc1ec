"""SMPLify's Gaussian mixture over the body pose (Bogo et al. 2016; docs/method.md, "Other terms")."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.errors import InputError

# The prior's file covers SMPL's 23 body joints; SMPL-X has the first 21 of them.
NUM_POSE = 63


@struct.dataclass
class PosePrior:
    """K Gaussians over the 63 axis-angle numbers of the body pose."""

    means: jax.Array  # (K, 63)
    whitening: jax.Array  # (K, 63, 63), d -> whitening @ d has the squared norm dᵀ P d
    precision: jax.Array  # (K, 63, 63) P
    offsets: jax.Array  # (K,) −log of the mixture weight over the normaliser


def make_pose_prior(means: np.ndarray, covars: np.ndarray, weights: np.ndarray) -> PosePrior:
    """Prepares a mixture in the published layout.

    Args:
      means: (K, D), D ≥ 63.
      covars: (K, D, D).
      weights: (K,), positive, summing to one.

    Raises:
      InputError: on wrong shapes, weights that are not positive, or covariances that are not positive definite.
    """
    means, covars, weights = (np.asarray(x, np.float64) for x in (means, covars, weights))
    if weights.ndim != 1 or not len(weights):
        raise InputError(f"pose prior: field weights has shape {weights.shape}, expected one weight per component")
    for name, values in (("means", means), ("covars", covars), ("weights", weights)):
        if not np.isfinite(values).all():
            raise InputError(f"pose prior: field {name} holds NaN or infinity, expected finite numbers")
    if not (weights > 0).all():
        raise InputError(f"pose prior: field weights holds {weights.min():g}, expected positive numbers")
    k = len(weights)
    if means.ndim != 2 or means.shape[0] != k or means.shape[1] < NUM_POSE:
        raise InputError(f"pose prior: field means has shape {means.shape}, expected ({k}, 63 or more)")
    if covars.shape != (k, means.shape[1], means.shape[1]):
        raise InputError(
            f"pose prior: field covars has shape {covars.shape}, expected ({k}, {means.shape[1]}, {means.shape[1]})"
        )
    whitening = []
    half_logdets = []
    for i, covar in enumerate(covars):
        try:
            lower = np.linalg.cholesky(covar)
        except np.linalg.LinAlgError:
            raise InputError(f"pose prior: field covars[{i}] is not positive definite") from None
        half_logdets.append(np.log(np.diagonal(lower)).sum())
        # The factor of the leading block is the leading block of the factor.
        whitening.append(np.linalg.inv(lower[:NUM_POSE, :NUM_POSE]))
    # Determinants underflow in float32; their logarithms do not.
    relative = np.array(half_logdets) - np.min(half_logdets)
    log_normaliser = 0.5 * 69.0 * math.log(2.0 * math.pi) + relative
    return PosePrior(
        means=jnp.asarray(means[:, :NUM_POSE], jnp.float32),
        whitening=jnp.asarray(np.stack(whitening), jnp.float32),
        precision=jnp.asarray(np.stack([w.T @ w for w in whitening]), jnp.float32),
        offsets=jnp.asarray(log_normaliser - np.log(weights), jnp.float32),
    )


def component_costs(prior: PosePrior, body_pose: jax.Array) -> jax.Array:
    """Negative log-likelihood (P, K) of every person's body pose (P, 21, 3) under each component."""
    flat = body_pose.reshape(body_pose.shape[0], NUM_POSE)
    # W (x - μ) = W x - W μ as one matrix product over all components.
    k = prior.means.shape[0]
    stacked = prior.whitening.reshape(k * NUM_POSE, NUM_POSE)
    shift = jnp.einsum("kij,kj->ki", prior.whitening, prior.means)
    white = (flat @ stacked.T).reshape(-1, k, NUM_POSE) - shift[None]
    return 0.5 * jnp.sum(white * white, axis=-1) + prior.offsets[None]
