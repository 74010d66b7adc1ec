"""The bodies that a scene's numbers describe: the initial estimate, the ground truth."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body import BodyModel, BodyParams, PosedBody, keypoints_from_parts, pose_person
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Scene

# One person at a time: compiled once for scenes of any number of people.
_pose_person = jax.jit(pose_person)


def initial_people(body: BodyModel, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (P, V, 3) and joints (P, J, 3) of the scene's initial estimate, m, camera frame."""
    return _posed(body, scene, scene.global_orient, scene.body_pose, scene.betas, scene.transl)


def true_people(body: BodyModel, scene: Scene) -> tuple[np.ndarray, np.ndarray] | None:
    """Vertices and joints of the ground truth; None when the scene has none.

    Hands, jaw and expression are the scene's own: ground truth doesn't include them, and no metric reads them.

    Raises:
      InputError: some of the four gt_ fields are missing.
    """
    names = ("gt_global_orient", "gt_body_pose", "gt_betas", "gt_transl")
    fields = [getattr(scene, name) for name in names]
    if all(field is None for field in fields):
        return None
    missing = [name for name, field in zip(names, fields, strict=True) if field is None]
    if missing:
        raise InputError(f"scene {scene.key}: ground truth lacks {', '.join(missing)}")
    return _posed(body, scene, *fields)


def body25(body: BodyModel, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """BODY_25 keypoints (P, 25, 3) of posed people."""
    chosen = np.asarray(vertices, np.float32)[:, np.asarray(body.keypoint_vertices)]
    return np.asarray(keypoints_from_parts(jnp.asarray(joints, jnp.float32), jnp.asarray(chosen)))


def _posed(
    body: BodyModel,
    scene: Scene,
    global_orient: np.ndarray,
    body_pose: np.ndarray,
    betas: np.ndarray,
    transl: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    people = len(global_orient)
    zero = BodyParams.zeros(people, body.num_betas, body.num_expressions)
    given = {
        "global_orient": global_orient,
        "body_pose": np.reshape(body_pose, (people, 21, 3)),
        "betas": _as_many(betas, body.num_betas),
        "transl": transl,
        "left_hand_pose": scene.left_hand_pose,
        "right_hand_pose": scene.right_hand_pose,
        "jaw_pose": scene.jaw_pose,
        "expression": None if scene.expression is None else _as_many(scene.expression, body.num_expressions),
        "kid_scale": scene.kid_scale,
    }
    arrays: dict[str, Any] = {k: np.asarray(v, np.float32) for k, v in given.items() if v is not None}
    params = dataclasses.replace(zero, **arrays)
    posed: list[PosedBody] = [
        jax.device_get(_pose_person(body, jax.tree.map(lambda leaf, p=p: leaf[p], params))) for p in range(people)
    ]
    return np.stack([one.vertices for one in posed]), np.stack([one.joints for one in posed])


def _as_many(coefficients: np.ndarray, count: int) -> np.ndarray:
    """Coefficients (P, n) cut or padded with zeros to (P, count)."""
    kept = np.asarray(coefficients)[:, :count]
    return np.pad(kept, ((0, 0), (0, count - kept.shape[1])))
