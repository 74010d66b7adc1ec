"""A fit's people as skeletons: what a mesh, a skinned body and a motion are written from."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body import (
    BodyModel,
    BodyParams,
    axis_angle_to_matrix,
    full_pose,
    pose_person,
    rest_joints,
    rest_vertices,
)
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Fit, Scene

MOST_APART_M = 1e-4
"""By which the skeleton's mesh may differ from the fit's own vertices."""

TO_Y_UP = np.diag([1.0, -1.0, -1.0])
"""Camera frame (x right, y down, z forward) to the frame of exports: half a turn about x, so y is up."""

JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye_smplhf",
    "right_eye_smplhf",
    *(f"{side}_{finger}{k}" for side in ("left", "right") for finger in ("index", "middle", "pinky", "ring", "thumb")
      for k in (1, 2, 3)),
)  # fmt: skip
"""Of a model of 55 joints, as SMPL-X and its Blender add-on call them."""


@dataclasses.dataclass(frozen=True)
class PosedPerson:
    """One person of a fit. Body frame: SMPL-X's own, y up; camera frame as in scenes. Metres, radians."""

    name: str
    vertices_cam: np.ndarray  # (V, 3) as fitted
    faces: np.ndarray  # (F, 3)
    parents: tuple[int, ...]
    joint_names: tuple[str, ...]
    rotations: np.ndarray  # (J, 3, 3) local, of the root to the camera frame
    joints_rest: np.ndarray  # (J, 3) of the shaped body, body frame
    vertices_rest: np.ndarray  # (V, 3) of the shaped body without pose corrections, body frame
    pose_corrections: np.ndarray  # (V, 3) added to them in this pose
    skin_weights: np.ndarray  # (V, J)
    transl: np.ndarray  # (3,)
    pose: np.ndarray  # (J, 3) axis-angle, mean hands added
    betas: np.ndarray  # (B,)
    expression: np.ndarray  # (E,)
    kid_scale: float


def posed_people(body: BodyModel, fit: Fit, scene: Scene | None = None) -> list[PosedPerson]:
    """The people of a fit.

    Args:
      body: the body that was fitted.
      fit: a fit with vertices.
      scene: its scene, which holds hands and face; needed where they are not at rest.

    Raises:
      InputError: the fit failed, or body and parameters do not give its vertices.
    """
    if fit.vertices is None or fit.global_orient is None or fit.body_pose is None:
        raise InputError(f"{fit.key}: nothing to export, its status is {fit.status!r}")
    people = []
    for index in range(len(fit.vertices)):
        params = _params(body, fit, scene, index)
        stages: _Stages = jax.device_get(_stages_of(body, params))
        shaped, corrected = (np.asarray(x, np.float64) for x in (stages.shaped, stages.corrected))
        found = np.asarray(pose_person(body, params).vertices)
        if found.shape != fit.vertices[index].shape:
            raise InputError(
                f"{fit.key}: the fit has {fit.vertices.shape[1]} vertices, the body {len(found)}: give --body"
            )
        apart = float(np.abs(found - fit.vertices[index]).max())
        if not apart <= MOST_APART_M:
            what = "give the --body of the run" if scene is not None else "give the --scenes of the run (hands, face)"
            raise InputError(
                f"{fit.key}: person {index}: the pose gives other vertices, {1e3 * apart:.1f} mm apart; {what}"
            )
        names = JOINT_NAMES[: body.num_joints] if body.num_joints in (22, 55) else ()
        people.append(
            PosedPerson(
                name=f"person {index}",
                vertices_cam=np.asarray(fit.vertices[index], np.float64),
                faces=np.asarray(body.faces),
                parents=body.parents,
                joint_names=names or tuple(f"joint_{k}" for k in range(body.num_joints)),
                rotations=np.asarray(stages.rotations, np.float64),
                joints_rest=np.asarray(stages.joints_rest, np.float64),
                vertices_rest=shaped,
                pose_corrections=corrected - shaped,
                skin_weights=np.asarray(body.skin_weights, np.float64),
                transl=np.asarray(params.transl, np.float64),
                pose=np.asarray(stages.pose, np.float64),
                betas=np.asarray(params.betas, np.float64),
                expression=np.asarray(params.expression, np.float64),
                kid_scale=float(params.kid_scale),
            )
        )
    return people


class _Stages(NamedTuple):
    """One person on the way from the template to the pose."""

    pose: jax.Array  # (J, 3)
    rotations: jax.Array  # (J, 3, 3)
    shaped: jax.Array  # (V, 3)
    corrected: jax.Array  # (V, 3), with pose blend shapes
    joints_rest: jax.Array  # (J, 3)


@jax.jit
def _stages_of(body: BodyModel, params: BodyParams) -> _Stages:
    pose = full_pose(body, params)
    rotations = axis_angle_to_matrix(pose)
    at_rest = jnp.broadcast_to(jnp.eye(3), rotations.shape)
    return _Stages(
        pose=pose,
        rotations=rotations,
        shaped=rest_vertices(body, params, at_rest),
        corrected=rest_vertices(body, params, rotations),
        joints_rest=rest_joints(body, params.betas, params.expression, params.kid_scale),
    )


def _params(body: BodyModel, fit: Fit, scene: Scene | None, index: int) -> BodyParams:
    assert fit.global_orient is not None and fit.body_pose is not None and fit.transl is not None
    betas = np.zeros(0) if fit.betas is None else fit.betas[index]
    params = BodyParams.zeros(1, len(betas), min(10, body.num_expressions))
    fields = {"global_orient": fit.global_orient, "body_pose": fit.body_pose, "transl": fit.transl}
    given = {name: jnp.asarray(value[index], jnp.float32) for name, value in fields.items()}
    given["betas"] = jnp.asarray(betas, jnp.float32)
    if fit.kid_scale is not None:
        given["kid_scale"] = jnp.asarray(fit.kid_scale[index], jnp.float32)
    for name in ("left_hand_pose", "right_hand_pose", "jaw_pose"):
        value = getattr(scene, name) if scene is not None else None
        if value is not None:
            given[name] = jnp.asarray(value[index], jnp.float32)
    if scene is not None and scene.expression is not None:
        count = min(scene.expression.shape[1], params.expression.shape[-1])
        given["expression"] = params.expression[0].at[:count].set(scene.expression[index, :count])
    alone = {field.name: getattr(params, field.name)[0] for field in dataclasses.fields(params)}
    return BodyParams(**{**alone, **given})
