"""Posed vertices, all of them or any subset (linear blend skinning; docs/method.md, "Body model")."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from prosepose_jax.body.kinematics import check_num_betas, pose_joints
from prosepose_jax.body.model import BodyModel, BodyParams, PosedBody


def rest_vertices(
    body: BodyModel, params: BodyParams, rotations: jax.Array, vertex_ids: jax.Array | None = None
) -> jax.Array:
    """One person's shaped, pose-corrected vertices before skinning, (M, 3).

    Args:
      body: the body model.
      params: one person's parameters (no leading axis).
      rotations: (J, 3, 3) local joint rotations, for the pose blend shapes.
      vertex_ids: (M,) int subset; None for the whole mesh.

    Raises:
      InputError: more betas than the body has.
    """
    return _rest_planar(body, params, rotations, vertex_ids).T


def skin(body: BodyModel, transforms: jax.Array, vertices: jax.Array, vertex_ids: jax.Array | None = None) -> jax.Array:
    """Linear blend skinning of one person: (M, 3) rest vertices to (M, 3) posed ones."""
    return _skin_planar(body, transforms, vertices.T, vertex_ids)


# Inside, coordinates are planar, (3, M): long rows of one coordinate fill SIMD lanes, and the
# matrix products come out in that order by themselves. On a CPU this is several times as fast
# as (M, 3) throughout; the transposes above and below fuse away.


def _rest_planar(body: BodyModel, params: BodyParams, rotations: jax.Array, vertex_ids: jax.Array | None) -> jax.Array:
    def rows(array: jax.Array) -> jax.Array:
        return array if vertex_ids is None else array[vertex_ids]

    num_betas = params.betas.shape[-1]
    check_num_betas(body, num_betas)
    num_expressions = min(body.num_expressions, params.expression.shape[-1])
    # One product for everything that is linear in the person: shape, expression, child, template.
    one = jnp.ones((1,), body.v_template.dtype)
    coefficients = jnp.concatenate([params.betas, params.expression[:num_expressions], params.kid_scale[None], one])
    dirs = jnp.concatenate(
        [
            rows(body.shape_dirs)[..., :num_betas],
            rows(body.expression_dirs)[..., :num_expressions],
            rows(body.kid_dir)[..., None],
            rows(body.v_template)[..., None],
        ],
        axis=-1,
    )
    count = dirs.shape[0]
    planar = (coefficients @ dirs.transpose(2, 1, 0).reshape(-1, 3 * count)).reshape(3, count)
    if body.pose_dirs is not None:
        feature = (rotations[1:] - jnp.eye(3, dtype=rotations.dtype)[None]).reshape(-1)
        # As stored: transposing this array would cost more than it saves.
        pose_dirs = rows(body.pose_dirs).reshape(3 * count, -1)
        planar = planar + (pose_dirs @ feature).reshape(count, 3).T
    return planar


def _skin_planar(body: BodyModel, transforms: jax.Array, planar: jax.Array, vertex_ids: jax.Array | None) -> jax.Array:
    weights = body.skin_weights if vertex_ids is None else body.skin_weights[vertex_ids]
    blended = jnp.einsum("jk,vj->kv", transforms.reshape(transforms.shape[0], 12), weights)
    x, y, z = planar[0], planar[1], planar[2]
    rows = [blended[4 * i] * x + blended[4 * i + 1] * y + blended[4 * i + 2] * z + blended[4 * i + 3] for i in range(3)]
    return jnp.stack(rows, axis=-1)


def pose_person(body: BodyModel, params: BodyParams, vertex_ids: jax.Array | None = None) -> PosedBody:
    """One person's posed vertices and joints; `pose_body` for P people."""
    posed: PosedBody = _pose_person(body, params, vertex_ids)
    return posed


def pose_body(body: BodyModel, params: BodyParams, vertex_ids: jax.Array | None = None) -> PosedBody:
    """Posed vertices and joints of P people.

    Args:
      body: the body model.
      params: parameters with a leading people axis P on every leaf.
      vertex_ids: (M,) int vertices to pose, the same for all people; None for all V.

    Returns:
      PosedBody with vertices (P, V or M, 3) and joints (P, J, 3), metres, camera frame.
    """
    # By default GPUs and TPUs multiply matrices with fewer digits: at metres that is millimetres.
    with jax.default_matmul_precision("highest"):
        posed: PosedBody = _pose_people(body, params, vertex_ids)
    return posed


# Compiled, also for callers who compile nothing: one by one the 280 operations are as many programs, some 8 s.
@jax.jit
def _pose_person(body: BodyModel, params: BodyParams, vertex_ids: jax.Array | None) -> PosedBody:
    joints, transforms, rotations = pose_joints(body, params)
    vertices = rest_vertices(body, params, rotations, vertex_ids)
    return PosedBody(vertices=skin(body, transforms, vertices, vertex_ids), joints=joints)


@jax.jit
def _pose_people(body: BodyModel, params: BodyParams, vertex_ids: jax.Array | None) -> PosedBody:
    return jax.vmap(lambda p: _pose_person(body, p, vertex_ids))(params)
