"""Writes files as the other tools write them, from people of a body whose parameters are known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from prosepose_jax.body import BodyModel, BodyParams, keypoints, pose_body
from prosepose_jax.camera import focal_from_image_size
from prosepose_jax.scene import Scene

_pose = jax.jit(pose_body)

_SCENE_FIELDS = ("global_orient", "body_pose", "betas", "transl", "kid_scale")
SIZE = (640, 480)
FOCAL = focal_from_image_size(*SIZE)


@dataclasses.dataclass(frozen=True)
class People:
    """Posed people with everything the files are made from; n people, camera frame."""

    params: BodyParams
    joints: np.ndarray  # (n, 55, 3)
    body25: np.ndarray  # (n, 25, 3) m
    body25_px: np.ndarray  # (n, 25, 2)

    def detections(self, order: list[int], shift_px: float = 0.0, confidence: float = 0.9) -> np.ndarray:
        people = np.concatenate([self.body25_px + shift_px, np.full((len(self.joints), 25, 1), confidence)], axis=2)
        return people[order].astype(np.float32)


def project(points: np.ndarray) -> np.ndarray:
    return points[..., :2] / points[..., 2:] * FOCAL + np.array(SIZE) / 2


def make_people(body: BodyModel, places: list[tuple[float, float]], kid_scales: list[float], seed: int = 0) -> People:
    """Upright people at (x, z), in slightly random poses and shapes, facing the camera."""
    rng = np.random.default_rng(seed)
    count = len(places)
    params = BodyParams.zeros(count, 10, 0).replace(
        global_orient=jnp.asarray(rng.normal((np.pi, 0, 0), 0.1, (count, 3)), jnp.float32),
        body_pose=jnp.asarray(rng.normal(0, 0.15, (count, 21, 3)), jnp.float32),
        betas=jnp.asarray(rng.normal(0, 0.7, (count, 10)), jnp.float32),
        transl=jnp.asarray([[x, -0.2, z] for x, z in places], jnp.float32),
        kid_scale=jnp.asarray(kid_scales, jnp.float32),
    )
    posed = _pose(body, params)
    body25 = np.asarray(jax.jit(keypoints)(body, posed))
    return People(params, np.asarray(posed.joints), body25, project(body25))


def joints_of(body: BodyModel, scene: Scene) -> np.ndarray:
    """(P, 55, 3) joints of a scene's people."""
    params = BodyParams.zeros(scene.num_people, 10, 0).replace(
        **{name: jnp.asarray(getattr(scene, name)) for name in _SCENE_FIELDS}
    )
    return np.asarray(_pose(body, params).joints)


def pose22(people: People) -> np.ndarray:
    """(n, 22, 3) axis-angle."""
    return np.concatenate([np.asarray(people.params.global_orient)[:, None], np.asarray(people.params.body_pose)], 1)


def bev_results(people: People) -> dict[str, np.ndarray]:
    """BEV's dictionary: 71 body-centred joints, translations, 2D joints, 72 pose numbers, 11 shape numbers."""
    count = len(people.joints)
    joints = np.zeros((count, 71, 3), np.float32)
    joints[:, :22] = people.joints[:, :22]
    joints[:, 22:24] = people.joints[:, 20:22]
    joints[:, 24:35] = people.body25[:, [0, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]]
    joints[:, 35:] = people.joints[:, :1]
    joints[:, 45], joints[:, 46] = people.joints[:, 2] + [0, -0.05, 0], people.joints[:, 1] + [0, -0.05, 0]
    cam_trans = joints[:, [45, 46]].mean(axis=1)
    thetas = np.zeros((count, 24, 3), np.float32)
    thetas[:, :22] = pose22(people)
    betas = np.full((count, 11), 3.0, np.float32)  # of another body model: must not be used
    betas[:, 10] = np.asarray(people.params.kid_scale)
    # The body-centred joints may lie anywhere: only their place relative to the two hip points counts.
    return {
        "smpl_thetas": thetas.reshape(count, 72),
        "smpl_betas": betas,
        "cam_trans": cam_trans,
        "joints": joints - cam_trans[:, None] + np.array([0.3, -0.2, 0.1], np.float32),
        "pj2d_org": project(joints).astype(np.float32),
    }


def write_bev(path: Path, results: dict[str, np.ndarray]) -> Path:
    np.savez(path, results=np.array(results, dtype=object))
    return path


def write_openpose(path: Path, people: np.ndarray) -> Path:
    entries = [{"pose_keypoints_2d": [float(v) for v in person.reshape(-1)]} for person in people]
    path.write_text(json.dumps({"version": 1.3, "people": entries}))
    return path


def write_image(path: Path, size: tuple[int, int] = SIZE) -> Path:
    Image.new("RGB", size, (40, 80, 120)).save(path)
    return path


def box_of(people: People, index: int, margin: float = 3.0) -> list[float]:
    points = people.body25_px[index]
    return [float(v) for v in (*(points.min(axis=0) - margin), *(points.max(axis=0) + margin))]


def write_annotations(path: Path, key: str, boxes: list[list[float]], signs: list[dict]) -> Path:
    path.write_text(json.dumps({key: {"bbxes": boxes, "ci_sign": signs, "license": {}}}))
    return path


def sign(ids: list[int], regions: list[list[int]]) -> dict:
    return {"person_ids": ids, "smplx": {"region_id": regions}, "ghum": {"region_id": [[74, 74]]}}
