"""Chosen points of posed bodies and how they move with the parameters, in closed form and stated once.

A joint's rotation turns everything below it about the joint: a skinned point moves by the cross product of the
joint's axis with the lever from the joint to the point, weighted by how much of the point's skinning hangs below
the joint. So the derivatives cost a few small matrix products instead of one forward pass per parameter, and only
the directions that a residual looks along are pushed through them (docs/method.md, "Levenberg–Marquardt").
All functions are written for one person; tests compare them with jax.jacfwd.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.kinematics import full_pose, joint_frames, rest_joints, skinning_transforms
from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.body.rotation import axis_angle_to_matrix, left_jacobian

# The root and the 21 body joints: those whose rotations a fit may move.
NUM_MOVABLE = 22
# What a fit may move, in the order of the columns of every derivative.
MOVABLE = ("betas", "body_pose", "global_orient", "transl")


@struct.dataclass
class Rows:
    """What posing M chosen points reads, gathered once."""

    base: jax.Array  # (M, 3) rest points without the terms below
    shape_dirs: jax.Array | None  # (M, 3, B); None when base holds the shape already
    pose_dirs: jax.Array | None  # (M, 3, 9 (J - 1)); None when absent or held in base
    skin_weights: jax.Array  # (M, J)


def gather_rows(body: BodyModel, params: BodyParams, vertex_ids: jax.Array) -> Rows:
    """Rows of one person's vertices that stay exact while pose and betas move.

    Args:
      body: the body model.
      params: one person's; only expression and child scale are read.
      vertex_ids: (M,) int.
    """
    base = body.v_template[vertex_ids] + body.kid_dir[vertex_ids] * params.kid_scale
    num_expressions = params.expression.shape[-1]
    if num_expressions:
        base = base + body.expression_dirs[vertex_ids][..., :num_expressions] @ params.expression
    return Rows(
        base=base,
        shape_dirs=body.shape_dirs[vertex_ids][..., : params.betas.shape[-1]],
        pose_dirs=None if body.pose_dirs is None else body.pose_dirs[vertex_ids],
        skin_weights=body.skin_weights[vertex_ids],
    )


def joint_rows(body: BodyModel, params: BodyParams, joint_ids: np.ndarray) -> Rows:
    """Joints as rows that hang on themselves alone, so that joints and vertices are posed alike."""
    base = body.joint_template + body.joint_kid_dir * params.kid_scale
    num_expressions = params.expression.shape[-1]
    if num_expressions:
        base = base + body.joint_expression_dirs[..., :num_expressions] @ params.expression
    one_hot = jnp.eye(body.num_joints, dtype=base.dtype)[joint_ids]
    return Rows(
        base=base[joint_ids],
        shape_dirs=body.joint_shape_dirs[joint_ids][..., : params.betas.shape[-1]],
        pose_dirs=None
        if body.pose_dirs is None
        else jnp.zeros((len(joint_ids), *body.pose_dirs.shape[1:]), base.dtype),
        skin_weights=one_hot,
    )


@struct.dataclass
class Kinematics:
    """One person's posed tree with what its derivatives need. J joints, B betas."""

    rotations: jax.Array  # (J, 3, 3) local
    transforms: jax.Array  # (J, 3, 4) skinning transforms, translation included
    pivots: jax.Array  # (22, 3) posed joints, translation included
    axes: jax.Array  # (22, 3, 3) column i: the axis in space about which rotation parameter i turns
    shape_offsets: jax.Array  # (J, 3, B) derivative of the transforms' last column
    feature_dirs: jax.Array  # (21, 9, 3) derivative of the pose blend shapes' feature
    betas: jax.Array  # (B,)


def _subtree(parents: tuple[int, ...]) -> np.ndarray:
    """(22, J) 1 where a joint hangs below (or is) a movable joint."""
    below = np.zeros((NUM_MOVABLE, len(parents)), np.float32)
    for joint in range(len(parents)):
        ancestor = joint
        while ancestor >= 0:
            if ancestor < NUM_MOVABLE:
                below[ancestor, joint] = 1.0
            ancestor = parents[ancestor]
    return below


def make_kinematics(body: BodyModel, params: BodyParams) -> Kinematics:
    """Poses one person's tree and prepares its derivatives (unread ones cost nothing inside a jit)."""
    pose = full_pose(body, params)
    rotations = axis_angle_to_matrix(pose)
    joints = rest_joints(body, params.betas, params.expression, params.kid_scale)
    world, posed = joint_frames(body.parents, rotations, joints)
    transforms = skinning_transforms(world, posed, joints)
    transforms = transforms + jnp.pad(params.transl[None, :, None], ((0, 0), (0, 0), (3, 0)))

    num_betas = params.betas.shape[-1]
    shape_dirs = body.joint_shape_dirs[..., :num_betas]
    # Posed joints are linear in the rest joints, so their derivatives by betas are posed directions.
    moved = jax.vmap(lambda d: joint_frames(body.parents, rotations, d)[1], in_axes=-1, out_axes=-1)(shape_dirs)
    turned = jnp.einsum("jxy,jyb->jxb", world, shape_dirs)

    spin = left_jacobian(pose[:NUM_MOVABLE])
    above = jnp.array([max(p, 0) for p in body.parents[1:NUM_MOVABLE]])
    axes = jnp.concatenate([spin[:1], jnp.einsum("jxy,jyi->jxi", world[above], spin[1:])])
    # d R / d theta_i = [spin_i]x R for the local rotations.
    turned_rows = jnp.cross(
        spin[1:].transpose(0, 2, 1)[:, :, None, :], rotations[1:NUM_MOVABLE].transpose(0, 2, 1)[:, None]
    )
    feature_dirs = turned_rows.transpose(0, 3, 2, 1).reshape(NUM_MOVABLE - 1, 9, 3)
    return Kinematics(
        rotations=rotations,
        transforms=transforms,
        pivots=posed[:NUM_MOVABLE] + params.transl[None, :],
        axes=axes,
        shape_offsets=moved - turned,
        feature_dirs=feature_dirs,
        betas=params.betas,
    )


def _rest(rows: Rows, kin: Kinematics) -> jax.Array:
    rest = rows.base
    if rows.shape_dirs is not None:
        rest = rest + rows.shape_dirs @ kin.betas
    if rows.pose_dirs is not None:
        feature = (kin.rotations[1:] - jnp.eye(3, dtype=rest.dtype)[None]).reshape(-1)
        rest = rest + rows.pose_dirs @ feature
    return rest


def pose_rows(rows: Rows, kin: Kinematics) -> jax.Array:
    """Posed points (M, 3) of one person in the camera frame, m."""
    blended = (rows.skin_weights @ kin.transforms.reshape(kin.transforms.shape[0], 12)).reshape(-1, 3, 4)
    return jnp.sum(blended[..., :3] * _rest(rows, kin)[:, None, :], axis=-1) + blended[..., 3]


@struct.dataclass
class Levers:
    """Posed points and their levers about every movable joint. M points."""

    points: jax.Array  # (M, 3)
    levers: jax.Array  # (22, 3, M)
    blended: jax.Array  # (3, 3, M) blended rotation of each point


# Inside, points are the last axis: long rows of one coordinate fill SIMD lanes (`body/skinning.py`).


def make_levers(parents: tuple[int, ...], rows: Rows, kin: Kinematics) -> Levers:
    """Poses rows and measures their levers.

    Args:
      parents: of the body's joints.
      rows: M gathered rows.
      kin: the person's posed tree.
    """
    rest, weights = _rest(rows, kin).T, rows.skin_weights.T  # (3, M), (J, M)
    num_joints = kin.transforms.shape[0]
    # A matrix of the person, so that each has a product of its own: in one of all scenes of a call, the last digits of
    # a sum depend on which columns are whose.
    below = jnp.asarray(_subtree(parents)) + 0.0 * kin.pivots[0, 0]
    blended = (kin.transforms.reshape(num_joints, 12).T @ weights).reshape(3, 4, -1)
    points = _along(blended[:, :3], rest) + blended[:, 3]
    # What each joint contributes to a point: its skinning weight times the point as that joint alone would pose it.
    alone = _along(kin.transforms[..., :3, None], rest[None]) + kin.transforms[..., 3, None]  # (J, 3, M)
    parts = jnp.concatenate([alone * weights[:, None], weights[:, None]], axis=1)
    gathered = (below @ parts.reshape(num_joints, -1)).reshape(NUM_MOVABLE, 4, -1)
    levers = gathered[:, :3] - gathered[:, 3:] * kin.pivots[..., None]
    return Levers(points=points.T, levers=levers, blended=blended[:, :3])


def _along(columns: jax.Array, vectors: jax.Array) -> jax.Array:
    """Σ over k of columns (..., n, 3, M) times vectors (..., 3, M); (..., n, M). Also where M is 1 of either."""
    products = [columns[..., k, :] * vectors[..., None, k, :] for k in range(3)]
    return products[0] + products[1] + products[2]


def directed_gradient(rows: Rows, kin: Kinematics, levers: Levers, directions: jax.Array) -> jax.Array:
    """Derivatives (D, M) of each point's coordinate along its own direction, by the fields of MOVABLE, flattened.

    Args:
      rows: M rows.
      kin: the person's posed tree.
      levers: of the rows.
      directions: (3, M).
    """
    count = directions.shape[1]
    lever, along = jnp.moveaxis(levers.levers, 1, 0), directions[:, None]  # x, y, z first
    moments = jnp.stack(
        [lever[a] * along[b] - lever[b] * along[a] for a, b in ((1, 2), (2, 0), (0, 1))], axis=1
    )  # n · (a × l) = a · (l × n)
    turn = _along(kin.axes.transpose(0, 2, 1)[..., None], moments)  # (22, 3, M)
    rest = _along(levers.blended.transpose(1, 0, 2), directions)  # turned back to the rest pose
    pose = turn[1:]
    if rows.pose_dirs is not None:
        num = 9 * (NUM_MOVABLE - 1)
        bent = jnp.einsum("ym,myf->fm", rest, rows.pose_dirs[..., :num]).reshape(NUM_MOVABLE - 1, 9, count)
        pose = pose + jnp.einsum("jfm,jfi->jim", bent, kin.feature_dirs)
    num_joints = kin.transforms.shape[0]
    offsets = (kin.shape_offsets.reshape(num_joints, -1).T @ rows.skin_weights.T).reshape(3, -1, count)
    betas = _along(offsets.transpose(1, 0, 2), directions)
    if rows.shape_dirs is not None:
        betas = betas + jnp.einsum("ym,myb->bm", rest, rows.shape_dirs)
    return jnp.concatenate([betas, pose.reshape(-1, count), turn[0], directions], axis=0)
