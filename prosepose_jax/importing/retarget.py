"""Another tool's person as parameters of the body in use (docs/method.md, "Import").

Shape coefficients belong to the body model they were estimated for: on another body they mean nothing, and its
skeleton differs even at equal shape. What carries over are the joints in space and, roughly, their rotations. So
pose, shape, kid scale and translation are solved for together: the joints of the body in use are to lie where the
tool's joints lie, in space and in the image, with rotations near the tool's and a shape near the mean.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.keypoints import keypoints_from_parts
from prosepose_jax.body.kinematics import joint_frames, rest_joints, skinning_transforms
from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.body.rotation import axis_angle_to_matrix
from prosepose_jax.body.skinning import rest_vertices
from prosepose_jax.camera import project
from prosepose_jax.importing.estimates import NUM_TREE_JOINTS, Estimate
from prosepose_jax.importing.matching import person_size
from prosepose_jax.importing.sources.rotations import matrix
from prosepose_jax.importing.swings import pose_from_joints

MAX_BETAS = 10
_MAX_ITERATIONS = 60
_KID = -4  # place of the kid scale among the unknowns
_SMALL_STEP = 3e-5  # rad, m: a step below it is the last one
# Hips, knees, ankles, neck, shoulders, elbows, wrists: what every skeleton means alike.
LIMB_JOINTS = (1, 2, 4, 5, 7, 8, 12, 16, 17, 18, 19, 20, 21)

# How far (m) a joint of one body model may lie from the other's at the same place in the body: limbs agree well,
# the spine, the collars and the balls of the feet are placed by convention.
_JOINT_SIGMA_M = np.array(
    [
        *(0.04, 0.05, 0.05, 0.15),  # pelvis, hips, spine1
        *(0.01, 0.01, 0.15),  # knees, spine2
        *(0.01, 0.01, 0.15),  # ankles, spine3
        *(0.03, 0.03),  # balls of the feet
        *(0.02, 0.06, 0.06, 0.03),  # neck, collars, head
        *(0.015, 0.015, 0.01, 0.01, 0.01, 0.01),  # shoulders, elbows, wrists
    ],
    dtype=np.float32,
)
_LANDMARK_SIGMA_M = np.array([0.02, 0.02, 0.02, 0.03, 0.03] + [0.03] * 6, dtype=np.float32)
# The same in the image, as a share of the person's size: the projection is what the scene must keep.
_IMAGE_SIGMA = 0.5 / 1.7
# Rotations (rad): the rest poses differ by some degrees. Where the tool gives none, they are swings of the bones.
_POSE_SIGMA = np.full((NUM_TREE_JOINTS, 1), 0.25, np.float32)
_NO_POSE_SIGMA = np.full((NUM_TREE_JOINTS, 1), 0.5, np.float32)
_NO_POSE_SIGMA[0] = 3.0  # the trunk as a whole may turn as it likes,
_NO_POSE_SIGMA[[3, 6, 9, 13, 14]] = 0.25  # spine and collars rather follow it: no joints tell their bends
# Kid scale: a hint near 0 means an adult and is to be trusted; a child's number belongs to another child template.
_ADULT_KID_SIGMA = 0.03
_CHILD_KID_SIGMA = 0.5  # times the hint, on top
_NO_HINT_KID_SIGMA = 0.15


@dataclasses.dataclass(frozen=True)
class Retargeted:
    """One person as the body in use takes over the estimate."""

    global_orient: np.ndarray  # (3,)
    body_pose: np.ndarray  # (21, 3)
    betas: np.ndarray  # (B,)
    kid_scale: float
    transl: np.ndarray  # (3,)
    keypoints_px: np.ndarray  # (25, 3) projected BODY_25, for matching
    reprojection_px: float | None  # mean distance to the tool's 2D joints (22); None when it has none
    limbs_px: float | None  # the same over LIMB_JOINTS
    size_px: float  # longer side of the person's box
    height_m: float  # of the shaped body at rest
    turned_deg: float | None  # mean angle between the tool's rotations and these; None where the tool has none

    def summary(self) -> str:
        """One line for the user: height, kid scale and how well the projection agrees."""
        text = f"height {self.height_m:.2f} m, kid scale {self.kid_scale:.2f}"
        if self.reprojection_px is not None:
            share = 100 * self.reprojection_px / self.size_px
            text += f", {self.reprojection_px:.1f} px ({share:.1f} % of its size) from the estimate's joints"
            text += f", {self.limbs_px:.1f} px at the limbs"
        return text


def retarget(
    body: BodyModel, estimate: Estimate, focal_px: np.ndarray, principal_px: np.ndarray, keep_betas: bool = False
) -> Retargeted:
    """One estimated person on the body in use.

    With joints in space: pose, shape, kid scale and translation that put the body's joints there; where the tool has
    no rotations, from the swings that point each bone as its joints lie. Without joints: the rotations as they are,
    the mean shape (or the given one), the pelvis where the tool has it.

    Args:
      body: the body in use.
      estimate: the person.
      focal_px: (2,) focal lengths.
      principal_px: (2,) principal point.
      keep_betas: the estimate was made with this very body: take shape, pose and translation as they are.

    Returns:
      The person's parameters with figures on how well they agree.
    """
    num_betas = min(MAX_BETAS, body.num_betas)
    focal, principal = np.asarray(focal_px, np.float32), np.asarray(principal_px, np.float32)
    solved = _start(body, estimate, num_betas, keep_betas)
    if estimate.joints is not None and not keep_betas:
        pose_sigma = _NO_POSE_SIGMA if estimate.pose is None else _POSE_SIGMA
        solved = np.asarray(_solve(body, solved, *_targets(estimate), pose_sigma, focal, principal))
    joints_px, projected = (np.asarray(px) for px in _projected(body, solved, focal, principal))
    keypoints_px = np.concatenate([projected, np.ones((25, 1))], axis=1)
    distance_px = None
    if estimate.joints_px is not None:
        distance_px = np.linalg.norm(joints_px - estimate.joints_px, axis=1)
    pose, betas, kid_scale, transl = _parts(solved)
    return Retargeted(
        global_orient=pose[0],
        body_pose=pose[1:],
        betas=betas,
        kid_scale=float(kid_scale),
        transl=transl,
        keypoints_px=keypoints_px.astype(np.float32),
        reprojection_px=None if distance_px is None else float(np.nanmean(distance_px)),
        limbs_px=None if distance_px is None else float(np.nanmean(distance_px[list(LIMB_JOINTS)])),
        size_px=person_size(np.concatenate([joints_px, np.ones((NUM_TREE_JOINTS, 1))], axis=1)),
        height_m=_rest_height(body, betas, float(kid_scale)),
        turned_deg=None if estimate.pose is None else _mean_angle(estimate.pose, pose),
    )


def _mean_angle(pose: np.ndarray, solved: np.ndarray) -> float:
    """Degrees by which rotations (22, 3) differ from others, on average."""
    turn = np.swapaxes(matrix(pose), 1, 2) @ matrix(solved)
    cosine = (np.trace(turn, axis1=1, axis2=2) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def has_kid_template(body: BodyModel) -> bool:
    """Whether `kid_scale` changes this body at all."""
    return bool(np.abs(np.asarray(body.joint_kid_dir)).max() > 1e-6)


def _start(body: BodyModel, estimate: Estimate, num_betas: int, keep_betas: bool) -> np.ndarray:
    """The solver's unknowns: pose (66), betas, kid scale, translation (3) in one vector."""
    betas = np.zeros(num_betas, np.float32)
    if keep_betas and estimate.betas is not None:
        given = np.asarray(estimate.betas, np.float32)[:num_betas]
        betas[: len(given)] = given
    kid = float(estimate.kid_scale or 0.0) if has_kid_template(body) else 0.0
    if keep_betas and estimate.transl is not None:
        transl = np.asarray(estimate.transl, np.float32)
    else:
        transl = np.asarray(estimate.root, np.float32) - np.asarray(_rest_pelvis(body, betas, np.float32(kid)))
    pose = estimate.pose
    if pose is None:
        pose = pose_from_joints(np.asarray(body.joint_template), body.parents, _joints_of(estimate))
    return np.concatenate([np.asarray(pose).reshape(-1), betas, [kid], transl]).astype(np.float32)


def _joints_of(estimate: Estimate) -> np.ndarray:
    if estimate.joints is None:
        raise ValueError("an estimate without rotations and without joints")
    return estimate.joints


@jax.jit
def _rest_pelvis(body: BodyModel, betas: jax.Array, kid_scale: jax.Array) -> jax.Array:
    return rest_joints(body, betas, kid_scale=kid_scale)[0]


def _targets(estimate: Estimate) -> tuple[np.ndarray, ...]:
    """Joints (33, 3) in space (22 of the tree, 11 landmarks) with their mask, and the kid scale's prior."""
    joints = np.full((NUM_TREE_JOINTS + 11, 3), np.nan, np.float32)
    joints[:NUM_TREE_JOINTS] = estimate.joints
    if estimate.landmarks is not None:
        joints[NUM_TREE_JOINTS:] = estimate.landmarks
    mask = np.asarray(np.isfinite(joints).all(axis=1), np.float32)
    joints[mask == 0] = 0.0
    hint = estimate.kid_scale
    kid_sigma = _NO_HINT_KID_SIGMA if hint is None else _ADULT_KID_SIGMA + _CHILD_KID_SIGMA * hint
    kid_prior = np.array([hint or 0.0, kid_sigma], np.float32)
    return joints, mask, kid_prior


def _parts(x: Any) -> tuple[Any, ...]:
    """Pose (22, 3), betas, kid scale and translation (3,) of the unknowns in one vector."""
    return x[: 3 * NUM_TREE_JOINTS].reshape(NUM_TREE_JOINTS, 3), x[3 * NUM_TREE_JOINTS : _KID], x[_KID], x[-3:]


def _unpack(x: jax.Array) -> BodyParams:
    pose, betas, kid_scale, transl = _parts(x)
    zeros = BodyParams.zeros(num_people=1, num_betas=betas.shape[0], num_expressions=0)
    person = jax.tree.map(lambda leaf: leaf[0], zeros)
    return person.replace(global_orient=pose[0], body_pose=pose[1:], betas=betas, kid_scale=kid_scale, transl=transl)


def _points(body: BodyModel, x: jax.Array) -> jax.Array:
    """(33, 3) the body's counterparts of the targets, of the unknowns: tree joints and landmark vertices.

    Only the 22 joints of the tree are posed: hands, jaw and eyes are at rest and move with the joint they hang on.
    """
    params = _unpack(x)
    pose, *_ = _parts(x)
    parents = body.parents[:NUM_TREE_JOINTS]
    local = axis_angle_to_matrix(pose)
    rest = rest_joints(body, params.betas, kid_scale=params.kid_scale)[:NUM_TREE_JOINTS]
    turned, placed = joint_frames(parents, local, rest)
    at_rest = jnp.broadcast_to(jnp.eye(3, dtype=x.dtype), (body.num_joints - NUM_TREE_JOINTS, 3, 3))
    vertices = rest_vertices(body, params, jnp.concatenate([local, at_rest]), body.keypoint_vertices)
    weights = body.skin_weights[body.keypoint_vertices] @ _carried_by(body.parents)
    transforms = skinning_transforms(turned, placed, rest)
    moved = jnp.einsum("vj,jab,vb->va", weights, transforms[..., :3], vertices) + weights @ transforms[..., 3]
    return jnp.concatenate([placed, moved]) + params.transl[None, :]


def _carried_by(parents: tuple[int, ...]) -> np.ndarray:
    """(J, 22) 1 where a joint is, or hangs on, the joint of the tree."""
    carried = np.zeros((len(parents), NUM_TREE_JOINTS), np.float32)
    for joint in range(len(parents)):
        above = joint
        while above >= NUM_TREE_JOINTS:
            above = parents[above]
        carried[joint, above] = 1.0
    return carried


@jax.jit
def _projected(body: BodyModel, x: jax.Array, focal: jax.Array, principal: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Joints of the tree (22, 2) and BODY_25 (25, 2) of the unknowns, px."""
    points = _points(body, x)
    keypoints = keypoints_from_parts(points[:NUM_TREE_JOINTS], points[NUM_TREE_JOINTS:])
    return project(points[:NUM_TREE_JOINTS], focal, principal), project(keypoints, focal, principal)


def _rest_height(body: BodyModel, betas: np.ndarray, kid_scale: float) -> float:
    """Height (m) of the shaped body at rest."""
    up = np.asarray(body.v_template)[:, 1] + np.asarray(body.shape_dirs)[:, 1, : len(betas)] @ betas
    return float(np.ptp(up + np.asarray(body.kid_dir)[:, 1] * kid_scale))


def _bounded_step(system: jax.Array, gradient: jax.Array, kid: jax.Array) -> jax.Array:
    """The step that solves `system @ step = -gradient` while the kid scale stays in [0, 1].

    Where the kid scale meets a bound, the others are solved for with it held there. Cutting it off afterwards would
    leave them where they belong to another kid scale: such steps lower nothing and the search stands still.
    """
    step = -jax.scipy.linalg.solve(system, gradient, assume_a="pos")
    wanted = kid + step[_KID]
    held = jnp.clip(wanted, 0.0, 1.0) - kid
    rest = (-gradient - system[:, _KID] * held).at[_KID].set(held)
    others = system.at[_KID, :].set(0.0).at[:, _KID].set(0.0).at[_KID, _KID].set(1.0)
    inside = (wanted >= 0.0) & (wanted <= 1.0)
    return jnp.where(inside, step, jax.scipy.linalg.solve(others, rest, assume_a="pos"))


@jax.jit
def _solve(
    body: BodyModel,
    start: jax.Array,
    targets: jax.Array,
    mask: jax.Array,
    kid_prior: jax.Array,
    pose_sigma: jax.Array,
    focal: jax.Array,
    principal: jax.Array,
) -> jax.Array:
    """Levenberg–Marquardt over the unknowns of `_start`; kid scale held in [0, 1]."""
    sigma = jnp.concatenate([jnp.asarray(_JOINT_SIGMA_M), jnp.asarray(_LANDMARK_SIGMA_M)])
    weight = (mask / sigma)[:, None]
    targets_px = project(targets, focal, principal)
    seen = mask[:, None] > 0
    low = jnp.min(jnp.where(seen, targets_px, jnp.inf), axis=0)
    high = jnp.max(jnp.where(seen, targets_px, -jnp.inf), axis=0)
    size_px = jnp.maximum(jnp.max(high - low), 1.0)
    start_pose = _parts(start)[0]

    def residuals(x: jax.Array) -> jax.Array:
        params = _unpack(x)
        points = _points(body, x)
        in_space = weight * (points - targets)
        in_image = weight / _IMAGE_SIGMA * (project(points, focal, principal) - targets_px) / size_px
        rotations = (_parts(x)[0] - start_pose) / pose_sigma
        kid = (params.kid_scale - kid_prior[0]) / kid_prior[1]
        return jnp.concatenate(
            [in_space.reshape(-1), in_image.reshape(-1), rotations.reshape(-1), params.betas, kid[None]]
        )

    def goes_on(state: tuple[jax.Array, ...]) -> jax.Array:
        *_, moved, count = state
        return (moved > _SMALL_STEP) & (count <= _MAX_ITERATIONS)

    def step(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        # The residuals are traced once: value and Jacobian at the candidate serve the next step if it is taken.
        x, value, gradient, normal, damping, _, count = state
        candidate = x + _bounded_step(normal + jnp.diag(damping * (jnp.diag(normal) + 1e-3)), gradient, x[_KID])
        jacobian, r = jax.jacfwd(lambda y: (residuals(y),) * 2, has_aux=True)(candidate)
        candidate_value = jnp.sum(r * r)
        better = candidate_value < value  # False for NaN: the step is not taken
        damping = jnp.clip(jnp.where(better, damping * 0.3, damping * 4.0), 1e-6, 1e6)
        moved = jnp.where(count > 0, jnp.max(jnp.abs(candidate - x)), jnp.inf)
        taken = (candidate, candidate_value, jacobian.T @ r, jacobian.T @ jacobian)
        kept = (x, value, gradient, normal)
        new = (jnp.where(better, one, other) for one, other in zip(taken, kept, strict=True))
        return *new, damping, jnp.where(jnp.isnan(moved), jnp.inf, moved), count + 1

    size, far = start.shape[0], jnp.float32(jnp.inf)
    # No value yet: the first step goes nowhere and is taken.
    state: tuple[jax.Array, ...] = (
        start.at[_KID].set(jnp.clip(start[_KID], 0.0, 1.0)),
        far,
        jnp.zeros(size, start.dtype),
        jnp.zeros((size, size), start.dtype),
        jnp.float32(1e-2),
        far,
        jnp.int32(0),
    )
    return jax.lax.while_loop(goes_on, step, state)[0]
