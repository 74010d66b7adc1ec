"""The bodies that a scene's numbers describe: the initial estimate, the ground truth."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body import BodyModel, BodyParams, PosedBody, keypoints_from_parts, pose_person
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Scene

# One person at a time: compiled once for scenes of any number of people.
_pose_person = jax.jit(pose_person)
_pose_people = jax.jit(jax.vmap(pose_person, in_axes=(None, 0)))


def initial_people(body: BodyModel, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (P, V, 3) and joints (P, J, 3) of the scene's initial estimate, m, camera frame."""
    return _posed(body, scene, scene.global_orient, scene.body_pose, scene.betas, scene.transl)


def true_people(body: BodyModel, scene: Scene) -> tuple[np.ndarray, np.ndarray] | None:
    """Vertices and joints of the ground truth; None when the scene has none.

    Hands, jaw and expression are the scene's own: ground truth doesn't include them, and no metric reads them.

    Raises:
      InputError: some of the four gt_ fields are missing.
    """
    params = _truth_params(body, scene)
    return None if params is None else _posed_params(body, params)


def true_people_of(body: BodyModel, scenes: Sequence[Scene]) -> list[tuple[np.ndarray, np.ndarray] | InputError | None]:
    """`true_people` of many scenes, posed in one call; where one fails, its error stands in its place."""
    people: list[BodyParams] = []
    counts: list[int | InputError | None] = []
    for scene in scenes:
        try:
            found = _truth_params(body, scene)
        except InputError as error:
            counts.append(error)
            continue
        counts.append(None if found is None else scene.num_people)
        if found is not None:
            people.append(found)
    if not people:
        return [count if isinstance(count, InputError) else None for count in counts]
    stacked = jax.tree.map(lambda *leaves: np.concatenate(leaves), *people)
    size = len(stacked.transl)
    padding = (1 << (size - 1).bit_length()) - size  # few shapes are compiled
    full = jax.tree.map(lambda leaf: np.concatenate([leaf, np.repeat(leaf[-1:], padding, axis=0)]), stacked)
    posed = jax.device_get(_pose_people(body, full))
    out: list[tuple[np.ndarray, np.ndarray] | InputError | None] = []
    start = 0
    for count in counts:
        if isinstance(count, int):
            out.append((posed.vertices[start : start + count], posed.joints[start : start + count]))
            start += count
        else:
            out.append(count)
    return out


def body25(body: BodyModel, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """BODY_25 keypoints (..., 25, 3) of posed people with vertices (..., V, 3) and joints (..., J, 3)."""
    chosen = np.asarray(vertices, np.float32)[..., np.asarray(body.keypoint_vertices), :]
    return np.asarray(keypoints_from_parts(jnp.asarray(joints, jnp.float32), jnp.asarray(chosen)))


def _truth_params(body: BodyModel, scene: Scene) -> BodyParams | None:
    names = ("gt_global_orient", "gt_body_pose", "gt_betas", "gt_transl")
    fields = [getattr(scene, name) for name in names]
    if all(field is None for field in fields):
        return None
    missing = [name for name, field in zip(names, fields, strict=True) if field is None]
    if missing:
        raise InputError(f"scene {scene.key}: ground truth lacks {', '.join(missing)}")
    kid_scale = scene.kid_scale if scene.gt_kid_scale is None else scene.gt_kid_scale
    return _params(body, dataclasses.replace(scene, kid_scale=kid_scale), *fields)


def _posed(
    body: BodyModel,
    scene: Scene,
    global_orient: np.ndarray,
    body_pose: np.ndarray,
    betas: np.ndarray,
    transl: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    return _posed_params(body, _params(body, scene, global_orient, body_pose, betas, transl))


def _params(
    body: BodyModel,
    scene: Scene,
    global_orient: np.ndarray,
    body_pose: np.ndarray,
    betas: np.ndarray,
    transl: np.ndarray,
) -> BodyParams:
    people = len(global_orient)
    zero = _no_params(people, body.num_betas, body.num_expressions)
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
    return dataclasses.replace(zero, **arrays)


@functools.lru_cache(32)
def _no_params(people: int, num_betas: int, num_expressions: int) -> BodyParams:
    """Zeros, as NumPy has them: JAX takes its time over small arrays."""
    return jax.tree.map(np.asarray, BodyParams.zeros(people, num_betas, num_expressions))


def _posed_params(body: BodyModel, params: BodyParams) -> tuple[np.ndarray, np.ndarray]:
    people = len(params.transl)
    posed: list[PosedBody] = [
        jax.device_get(_pose_person(body, jax.tree.map(lambda leaf, p=p: leaf[p], params))) for p in range(people)
    ]
    return np.stack([one.vertices for one in posed]), np.stack([one.joints for one in posed])


def _as_many(coefficients: np.ndarray, count: int) -> np.ndarray:
    """Coefficients (P, n) cut or padded with zeros to (P, count)."""
    kept = np.asarray(coefficients)[:, :count]
    return np.pad(kept, ((0, 0), (0, count - kept.shape[1])))
