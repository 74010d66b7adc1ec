"""The energy of one scene between two searches (docs/method.md, "Other terms")."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from prosepose_jax.body.keypoints import keypoints_from_parts
from prosepose_jax.body.kinematics import pose_joints
from prosepose_jax.body.model import BodyParams
from prosepose_jax.camera import project
from prosepose_jax.contact.distance import safe_norm
from prosepose_jax.fitting.arrays import FitModel, SceneArrays, pose_rows
from prosepose_jax.fitting.held import Held, HeldPenetration, ordered_pairs
from prosepose_jax.fitting.settings import RobustSettings
from prosepose_jax.losses import (
    Weights,
    keypoint_loss,
    penetration_loss,
    pose_prior_loss,
    robust_distance,
    weighted_total,
)

# How much stiffer the initial-pose term holds the global orientation than a joint: regressors see better how a
# person stands as a whole, and where legs lie outside the image nothing else keeps the person upright.
ORIENT_STIFFNESS = 5.0


def energy(
    model: FitModel,
    scene: SceneArrays,
    params: BodyParams,
    start: BodyParams,
    held: Held,
    weights: Weights,
    robust: RobustSettings,
) -> tuple[jax.Array, jax.Array]:
    """Weighted total and weighted terms of one scene.

    Args:
      model: the prepared body.
      scene: one scene.
      params: P people's parameters.
      start: where the stage began; the initial-pose term pulls body pose and global orientation to it.
      held: what the last search chose.
      weights: of the terms.
      robust: from where on errors count less.

    Returns:
      () energy and (7,) weighted terms in the order of losses.TERMS.
    """
    joints, transforms, rotations = jax.vmap(lambda p: pose_joints(model.body, p))(params)
    contact = held.contact
    points = jax.vmap(pose_rows)(contact.rows, transforms, params.betas, rotations)
    count = contact.first.shape[0]
    used = contact.weight.shape[0]
    first = jnp.einsum("up,pux->ux", contact.first, points[:, :count])
    second = jnp.einsum("up,pux->ux", contact.second, points[:, count : 2 * count])
    apart = first - second
    projected = project(keypoints_from_parts(joints, points[:, 2 * count :]), scene.focal_px, scene.principal_px)
    terms = {
        "keypoints": keypoint_loss(projected, scene.keypoints_px, scene.confidence, scene.scale, robust.keypoints_px),
        "contact": jnp.sum(contact.weight * robust_distance(safe_norm(apart[:used]), robust.contact_m)),
        "initial_pose": jnp.sum((params.body_pose - start.body_pose) ** 2)
        + ORIENT_STIFFNESS * jnp.sum((params.global_orient - start.global_orient) ** 2),
        "pose_prior": pose_prior_loss(model.prior, params.body_pose),
        "shape_prior": jnp.sum(params.betas**2),
        "heuristic": jnp.sum(contact.closest * jnp.sum(apart[used:] ** 2, axis=-1)),
    }
    if held.penetration is not None:
        terms["penetration"] = _penetration(held.penetration, transforms, params.betas, rotations, robust.penetration_m)
    return weighted_total(weights, terms)


def _penetration(
    held: HeldPenetration, transforms: jax.Array, betas: jax.Array, rotations: jax.Array, robust_m: float
) -> jax.Array:
    directions = ordered_pairs(transforms.shape[0])
    a, b = jnp.array([d[0] for d in directions]), jnp.array([d[1] for d in directions])
    inside = jax.vmap(pose_rows)(held.inside, transforms[a], betas[a], rotations[a])
    nearest = jax.vmap(pose_rows)(held.nearest, transforms[b], betas[b], rotations[b])
    return penetration_loss(inside.reshape(-1, 3), nearest.reshape(-1, 3), held.weight.reshape(-1), robust_m)
