"""The fields of one person in processed files, and the detector files behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from prosepose_jax.body.keypoints import BODY25_SOURCE
from prosepose_jax.datasets.files import clean_keypoints, merge_keypoints, merge_people, read_archive
from prosepose_jax.datasets.pickles import Node
from prosepose_jax.datasets.samples import Guess, Person
from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints import read_keypoints

DETECTORS = ("vitpose", "openpose")  # the more trusted first
INDICES = ("openpose_human_idx", "vitpose_human_idx", "vitposeplus_human_idx", "bev_human_idx")
_TREE = 22
_HIP_POINTS = (45, 46)


def has_detection(person: Node, index: str) -> bool:
    """Whether a detector found the person: a missing one has zeros in its fields and the index -1, nothing else."""
    return person.has(index) and person.get(index).integer() != -1


def read_person(person: Node) -> Person:
    """A person of a processed file: fields `openpose`, `vitpose`, `bev_smpl_…`, `bev_smplx_…`, `…_human_idx`."""
    seen = []
    for detector in DETECTORS:
        if has_detection(person, f"{detector}_human_idx") and person.has(detector):
            keypoints = person.get(detector).floats((135, 3))[:25]
            if (keypoints[:, 2] > 0).any():
                seen.append(clean_keypoints(keypoints))
    return Person(_read_guess(person), merge_keypoints(seen))


def split_people(item: Node, count: int = 2) -> list[Node]:
    """The people of a cached list's item, whose fields are stacked on a leading axis."""
    people: list[dict[str, object]] = [{} for _ in range(count)]
    for name in item.names():
        if not isinstance(name, str) or not (name.startswith(("bev_", *DETECTORS)) or name == "flickr_bbox"):
            continue
        value = item.get(name).plain()
        if isinstance(value, (list, tuple, np.ndarray)) and len(np.shape(value)) and len(value) == count:
            for person, part in zip(people, value, strict=True):
                person[name] = part
    return [Node(item.source, person, f"{item.where}, person {i}") for i, person in enumerate(people)]


def read_guesses(path: Path) -> list[Guess]:
    """All people of a BEV result file (`results` of an `.npz`); HMR2's in the same layout, with fewer fields.

    Raises:
      InputError: names the field that is missing or has the wrong shape.
    """
    results = read_archive(path).get("results")
    content = results.plain()
    if isinstance(content, (list, np.ndarray)) and np.size(content) == 1:
        results = Node(str(path), np.reshape(np.asarray(content, object), -1)[0], "results")
    if not isinstance(results.plain(), Mapping):
        raise InputError(f"{path}: field 'results': expected BEV's dictionary with smpl_thetas and cam_trans")
    thetas = _rows(results, "smpl_thetas", (72,))
    count = len(thetas)
    places = _rows(results, "cam_trans", (3,), count)
    joints = _rows(results, "joints", (71, 3), count) if results.has("joints") else None
    joints_px = _rows(results, "pj2d_org", (71, 2), count) if results.has("pj2d_org") else None
    betas = results.get("smpl_betas").array() if results.has("smpl_betas") else None
    if betas is not None and (betas.ndim != 2 or len(betas) != count):
        raise InputError(f"{path}: field 'smpl_betas': expected {count} rows as in smpl_thetas, found {betas.shape}")
    return [
        Guess(
            pose=thetas[i].reshape(24, 3)[:_TREE],
            cam_trans=places[i],
            joints=None if joints is None else joints[i],
            joints_px=None if joints_px is None else joints_px[i],
            kid_scale=float(np.clip(betas[i, 10], 0, 1)) if betas is not None and betas.shape[1] > 10 else 0.0,
        )
        for i in range(count)
    ]


def read_detections(files: Sequence[Path]) -> np.ndarray:
    """(n, 25, 3) the people of those keypoint files of an image that are there, the most trusted first."""
    # ViTPose's exports have OpenPose's layout too.
    return merge_people([read_keypoints(file, layout="body25").keypoints for file in files if file.is_file()])


def joints_cam(guess: Guess) -> np.ndarray | None:
    """(71, 3) joints in the camera frame: the midpoint of 45 and 46 is where `cam_trans` points."""
    if guess.joints is None:
        return None
    return guess.joints - guess.joints[list(_HIP_POINTS)].mean(axis=0) + guess.cam_trans


def guess_keypoints(guess: Guess) -> np.ndarray | None:
    """(25, 3) BODY_25 of a guess in the image, for telling people apart."""
    if guess.joints_px is None:
        return None
    order = np.where(BODY25_SOURCE >= 0, BODY25_SOURCE, 24 - 1 - BODY25_SOURCE)
    return np.concatenate([guess.joints_px[order], np.ones((25, 1), np.float32)], axis=1)


def _read_guess(person: Node) -> Guess | None:
    if not has_detection(person, "bev_human_idx"):
        return None
    pose = np.concatenate(
        [person.get("bev_smpl_global_orient").floats((3,)), person.get("bev_smpl_body_pose").floats((69,))[:63]]
    )
    scale = next((name for name in ("bev_smplx_scale", "bev_smpl_scale") if person.has(name)), None)
    return Guess(
        pose=pose.reshape(_TREE, 3),
        cam_trans=person.get("bev_cam_trans").floats((3,)),
        joints=person.get("bev_smpl_joints").floats((71, 3)) if person.has("bev_smpl_joints") else None,
        joints_px=person.get("bev_smpl_joints_2d").floats((71, 2)) if person.has("bev_smpl_joints_2d") else None,
        smplx_betas=person.get("bev_smplx_betas").floats((10,)) if person.has("bev_smplx_betas") else None,
        kid_scale=float(np.clip(person.get(scale).floats((1,))[0], 0, 1)) if scale else 0.0,
    )


def _rows(fields: Node, name: str, shape: tuple[int, ...], count: int | None = None) -> np.ndarray:
    """A field of n people, (n, *shape) finite float32."""
    field = fields.get(name)
    found = len(field.array()) if count is None and field.array().ndim else count
    return field.floats((found or 0, *shape))
