"""Shape to joints, joints to posed frames: the part of SMPL-X that needs no mesh.

Linear blend skinning as in SMPL-X (Pavlakos et al. 2019, §3; docs/method.md, "Body model").
All functions are written for one person; vmap for more.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.body.rotation import axis_angle_to_matrix
from prosepose_jax.errors import InputError


def tree_levels(parents: tuple[int, ...]) -> list[list[int]]:
    """Joints grouped by depth: each level needs only the one before it."""
    depth = [0] * len(parents)
    for joint, parent in enumerate(parents):
        depth[joint] = 0 if parent < 0 else depth[parent] + 1
    return [[j for j, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]


def full_pose(body: BodyModel, params: BodyParams) -> jax.Array:
    """One person's axis-angle pose of every joint of the model, (J, 3), mean hands added."""
    parts = [params.global_orient[None], params.body_pose]
    if body.num_joints == 55:
        parts += [params.jaw_pose[None], params.leye_pose[None], params.reye_pose[None]]
    if body.num_joints >= 52:
        parts += [
            params.left_hand_pose + body.left_hand_mean,
            params.right_hand_pose + body.right_hand_mean,
        ]
    if body.num_joints == 24:  # SMPL: one hand joint a side, left at rest
        parts += [jnp.zeros((2, 3), params.body_pose.dtype)]
    return jnp.concatenate(parts, axis=0)


def check_num_betas(body: BodyModel, num_betas: int) -> None:
    """InputError when there are more betas than the body has: dropping some would change the person."""
    if num_betas > body.num_betas:
        raise InputError(f"betas: expected at most {body.num_betas}, as the body model has, found {num_betas}")


def rest_joints(
    body: BodyModel, betas: jax.Array, expression: jax.Array | None = None, kid_scale: jax.Array | None = None
) -> jax.Array:
    """Joints (J, 3) of the shaped body in rest pose, without touching the mesh.

    Fewer betas than the body has stand for zeros after them; expressions it has none of are ignored.

    Raises:
      InputError: more betas than the body has.
    """
    check_num_betas(body, betas.shape[-1])
    joints = body.joint_template + body.joint_shape_dirs[..., : betas.shape[-1]] @ betas
    if expression is not None and body.num_expressions:
        count = min(body.num_expressions, expression.shape[-1])
        joints = joints + body.joint_expression_dirs[..., :count] @ expression[:count]
    if kid_scale is not None:
        joints = joints + body.joint_kid_dir * kid_scale
    return joints


def joint_frames(parents: tuple[int, ...], rotations: jax.Array, joints: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Forward kinematics by tree depth.

    Args:
      parents: parent of each joint, -1 for the root.
      rotations: (J, 3, 3) rotation of each joint relative to its parent.
      joints: (J, 3) rest joints, m.

    Returns:
      (J, 3, 3) global rotations and (J, 3) posed joints, root at its rest place.
    """
    levels = tree_levels(parents)
    order: list[int] = [j for level in levels for j in level]
    position = {j: i for i, j in enumerate(order)}
    global_rotations = rotations[jnp.array(levels[0])]
    global_joints = joints[jnp.array(levels[0])]
    done_rotations, done_joints = [global_rotations], [global_joints]
    first_of_level = 0
    for level in levels[1:]:
        above = [position[parents[j]] - first_of_level for j in level]
        ids = jnp.array(level)
        parent_ids = jnp.array([parents[j] for j in level])
        parent_rotations = done_rotations[-1][jnp.array(above)]
        parent_joints = done_joints[-1][jnp.array(above)]
        offsets = joints[ids] - joints[parent_ids]
        first_of_level += done_rotations[-1].shape[0]
        done_rotations.append(_matmul3(parent_rotations, rotations[ids]))
        done_joints.append(parent_joints + jnp.sum(parent_rotations * offsets[:, None, :], axis=-1))
    back = jnp.array([position[j] for j in range(len(parents))])
    return jnp.concatenate(done_rotations)[back], jnp.concatenate(done_joints)[back]


def _matmul3(a: jax.Array, b: jax.Array) -> jax.Array:
    """3×3 products as fused elementwise sums: batched tiny dots are slow on CPU."""
    return jnp.sum(a[..., :, :, None] * b[..., None, :, :], axis=-2)


def skinning_transforms(rotations: jax.Array, posed_joints: jax.Array, joints: jax.Array) -> jax.Array:
    """(J, 3, 4) transforms from the rest pose: x ↦ R x + (t - R j)."""
    offset = posed_joints - jnp.sum(rotations * joints[:, None, :], axis=-1)
    return jnp.concatenate([rotations, offset[..., None]], axis=-1)


def pose_joints(body: BodyModel, params: BodyParams) -> tuple[jax.Array, jax.Array, jax.Array]:
    """One person's kinematics: (J, 3) posed joints, (J, 3, 4) skinning transforms, (J, 3, 3) local rotations.

    Joints and transforms include the translation.
    """
    rotations = axis_angle_to_matrix(full_pose(body, params))
    joints = rest_joints(body, params.betas, params.expression, params.kid_scale)
    global_rotations, posed = joint_frames(body.parents, rotations, joints)
    transforms = skinning_transforms(global_rotations, posed, joints)
    transforms = transforms.at[..., 3].add(params.transl[None, :])
    return posed + params.transl[None, :], transforms, rotations
