"""The Gauss–Newton model of one scene's energy between two searches: gradient and curvature.

Every term is a sum of squares, or majorised by one at the present parameters (contact distances, robust
keypoints), so curvature is J'J and positive semi-definite (docs/method.md, "Levenberg–Marquardt").
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.keypoints import BODY25_SOURCE
from prosepose_jax.body.model import BodyParams
from prosepose_jax.camera import project
from prosepose_jax.camera.pinhole import MIN_DEPTH_M
from prosepose_jax.contact.distance import safe_norm
from prosepose_jax.fitting.arrays import FitModel, Rows, SceneArrays
from prosepose_jax.fitting.energy import ORIENT_STIFFNESS
from prosepose_jax.fitting.held import Held, HeldPenetration, ordered_pairs
from prosepose_jax.fitting.jacobian import (
    Kinematics,
    directed_gradient,
    joint_rows,
    make_kinematics,
    make_levers,
    point_jacobian,
)
from prosepose_jax.fitting.settings import RobustSettings
from prosepose_jax.losses import Weights
from prosepose_jax.losses.penetration import DEPTH_SCALE
from prosepose_jax.losses.pose_prior import NUM_POSE, component_costs

# Contact distances are treated as if at least this long: a quadratic in a distance of 0 has no curvature to offer.
_SHORTEST_M = 5e-3
_JOINT_KEYPOINTS = BODY25_SOURCE[BODY25_SOURCE >= 0]
# Where each BODY_25 keypoint stands in [vertices, joints], the order in which they are posed.
_PLACES = np.argsort(np.concatenate([np.argsort(-BODY25_SOURCE)[-11:], np.flatnonzero(BODY25_SOURCE >= 0)]))


def flatten_moving(moving: dict[str, jax.Array]) -> jax.Array:
    """(P, D) one row of numbers a person, field by field as the dict has them (inside a jit: sorted)."""
    return jnp.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in moving.values()], axis=-1)


def unflatten_moving(flat: jax.Array, like: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The reverse of `flatten_moving`."""
    out, first = {}, 0
    for name, leaf in like.items():
        size = int(np.prod(leaf.shape[1:]))
        out[name] = flat[:, first : first + size].reshape(leaf.shape)
        first += size
    return out


def normal_equations(
    model: FitModel,
    scene: SceneArrays,
    params: BodyParams,
    start: BodyParams,
    held: Held,
    weights: Weights,
    names: tuple[str, ...],
    robust: RobustSettings,
) -> tuple[jax.Array, jax.Array]:
    """Gradient (P D,) and curvature (P D, P D) of the weighted energy at `params`.

    Args:
      model: the prepared body.
      scene: one scene.
      params: P people.
      start: where the stage began.
      held: what the last search chose.
      weights: of the terms.
      names: fields of BodyParams that move, D numbers a person.
      robust: from where on errors count less.
    """
    body = model.body
    num_people = params.transl.shape[0]
    kin = jax.vmap(lambda p: make_kinematics(body, p))(params)
    contact = held.contact
    count = contact.first.shape[0]

    def person(kin: Kinematics, params: BodyParams, rows: Rows) -> tuple[jax.Array, jax.Array]:
        every = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), rows, joint_rows(body, params, _JOINT_KEYPOINTS))
        levers = make_levers(body.parents, kin, every, params.betas)
        return levers.points, point_jacobian(kin, every, levers, names)

    points, jacobian = jax.vmap(person)(kin, params, contact.rows)
    size = jacobian.shape[-1]

    # Keypoints: one block a person.
    places, place_jac = points[:, 2 * count + _PLACES], jacobian[:, 2 * count + _PLACES]
    depth = jnp.maximum(places[..., 2:], MIN_DEPTH_M)
    seen = places[..., 2:] > MIN_DEPTH_M
    slope = jnp.where(seen[..., None], places[..., :2, None] / depth[..., None] * place_jac[..., 2:, :], 0.0)
    pixel_jac = scene.focal_px[None, None, :, None] * (place_jac[..., :2, :] - slope) / depth[..., None]
    off = project(places, scene.focal_px, scene.principal_px) - scene.keypoints_px
    scale = scene.scale[:, None] ** 2
    weight = weights.keypoints * scene.confidence * scale
    if robust.keypoints_px > 0:
        weight = weight / (1.0 + scale * jnp.sum(off * off, axis=-1) / robust.keypoints_px**2) ** 2
    weighted = (2.0 * weight)[..., None, None] * pixel_jac
    blocks = jnp.einsum("pkxd,pkxe->pde", weighted, pixel_jac)
    gradient = jnp.einsum("pkxd,pkx->pd", weighted, off)

    # Terms on the parameters themselves: diagonal, and the winning component of the prior.
    diagonal, drawn = _parameter_terms(params, start, weights, names)
    blocks = blocks + jax.vmap(jnp.diag)(diagonal)
    gradient = gradient + drawn
    first_pose = sum(int(np.prod(getattr(params, n).shape[1:])) for n in names[: names.index("body_pose")])
    pose = slice(first_pose, first_pose + NUM_POSE)
    precision, prior_pull = _prior(model, params.body_pose)
    blocks = blocks.at[:, pose, pose].add(weights.pose_prior * precision)
    gradient = gradient.at[:, pose].add(weights.pose_prior * prior_pull)
    people = jnp.arange(num_people)
    curvature = jnp.zeros((num_people, size, num_people, size), points.dtype).at[people, :, people, :].set(blocks)

    # Contact: the vector between two chosen vertices, which may be on different people.
    used = contact.weight.shape[0]
    apart = jnp.einsum("up,pux->ux", contact.first, points[:, :count])
    apart = apart - jnp.einsum("up,pux->ux", contact.second, points[:, count : 2 * count])
    length = safe_norm(apart)
    # Surfaces slide along each other freely: only the distance itself is stiff, not the way across it.
    pull = 1.0 / (1.0 + length[:used] / robust.contact_m) ** 2 if robust.contact_m > 0 else 1.0
    stiffness = jnp.concatenate(
        [
            weights.contact * contact.weight * pull / jnp.maximum(length[:used], _SHORTEST_M),
            2.0 * weights.heuristic * contact.closest,
        ]
    )
    direction = apart / jnp.maximum(length, 1e-6)[:, None]
    pair_jac = contact.first.T[:, :, None] * jnp.einsum("ux,puxd->pud", direction, jacobian[:, :count])
    pair_jac = pair_jac - contact.second.T[:, :, None] * jnp.einsum(
        "ux,puxd->pud", direction, jacobian[:, count : 2 * count]
    )
    pair_jac = pair_jac.transpose(1, 0, 2).reshape(count, num_people * size)
    stiff_jac = stiffness[:, None] * pair_jac
    full = curvature.reshape(num_people * size, num_people * size) + stiff_jac.T @ pair_jac
    flat = gradient.reshape(-1) + stiff_jac.T @ length

    if held.penetration is not None:
        rows, residual, strength = _penetration(model, held.penetration, kin, params, names)
        if robust.penetration_m > 0:
            strength = strength / jnp.sqrt(1.0 + (residual / (DEPTH_SCALE * robust.penetration_m**2)) ** 2)
        strong = (2.0 * weights.penetration * strength)[:, None] * rows
        full = full + strong.T @ rows
        flat = flat + strong.T @ residual
    return flat, full


def _parameter_terms(
    params: BodyParams, start: BodyParams, weights: Weights, names: tuple[str, ...]
) -> tuple[jax.Array, jax.Array]:
    """Diagonal (P, D) and gradient (P, D) of initial pose and shape prior."""
    diagonal, pull = [], []
    for name in names:
        value = getattr(params, name).reshape(params.transl.shape[0], -1)
        if name in ("body_pose", "global_orient"):
            stiffness = ORIENT_STIFFNESS if name == "global_orient" else 1.0
            weight, off = stiffness * weights.initial_pose, value - getattr(start, name).reshape(value.shape)
        elif name == "betas":
            weight, off = weights.shape_prior, value
        else:
            weight, off = 0.0, jnp.zeros_like(value)
        diagonal.append(jnp.full_like(value, 2.0) * weight)
        pull.append(2.0 * weight * off)
    return jnp.concatenate(diagonal, axis=-1), jnp.concatenate(pull, axis=-1)


def _prior(model: FitModel, body_pose: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Precision (P, 63, 63) of each person's likeliest component, and its pull (P, 63)."""
    prior = model.prior
    best = jnp.argmin(component_costs(prior, body_pose), axis=-1)
    precision = prior.precision[best]
    off = body_pose.reshape(body_pose.shape[0], NUM_POSE) - prior.means[best]
    return precision, jnp.einsum("pij,pj->pi", precision, off)


def _penetration(
    model: FitModel, held: HeldPenetration, kin: Kinematics, params: BodyParams, names: tuple[str, ...]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Residuals 100 d² of all slots (R,), their derivatives (R, P D) and weights (R,)."""
    parents = model.body.parents
    num_people = params.transl.shape[0]
    rows, residuals = [], []
    for i, (a, b) in enumerate(ordered_pairs(num_people)):
        inside, nearest, kin_a, kin_b = (
            jax.tree.map(lambda x, j=j: x[j], tree)
            for tree, j in ((held.inside, i), (held.nearest, i), (kin, a), (kin, b))
        )
        lever_a = make_levers(parents, kin_a, inside, params.betas[a])
        lever_b = make_levers(parents, kin_b, nearest, params.betas[b])
        off = lever_a.points - lever_b.points
        direction = 2.0 * DEPTH_SCALE * off
        parts: list[jax.Array] = [jnp.zeros((), off.dtype)] * num_people
        parts[a] = directed_gradient(kin_a, inside, lever_a, direction, names)
        parts[b] = -directed_gradient(kin_b, nearest, lever_b, direction, names)
        empty = jnp.zeros_like(parts[a])
        rows.append(jnp.concatenate([p if p.ndim else empty for p in parts], axis=-1))
        residuals.append(DEPTH_SCALE * jnp.sum(off * off, axis=-1))
    return jnp.concatenate(rows), jnp.concatenate(residuals), held.weight.reshape(-1)
