"""Miniatures of the tools' outputs: the same pair of people in every tool's layout, with what is to come out.

A tool with a focal length of its own sees each person where its pelvis keeps its pixel and its size: x and y as they
are, the depth as the focal lengths.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from foreign_containers import (
    tensors,
    write_joblib,
    write_npy,
    write_npz,
    write_pickle,
    write_pickle_with_tensors,
    write_torch,
)
from foreign_files import FOCAL, SIZE, People, bev_results, pose22, write_bev

from prosepose_jax.importing.sources.common import REST_PELVIS
from prosepose_jax.importing.sources.rotations import matrix

WIDTH, HEIGHT = SIZE
LONGER, DIAGONAL = float(max(SIZE)), float(np.hypot(*SIZE))
CENTRE = np.array(SIZE) / 2
HMR2_FOCAL = 5000 / 256 * LONGER
NLF_FOCAL = LONGER / (2 * np.tan(np.radians(27.5)))


@dataclasses.dataclass(frozen=True)
class Case:
    """A miniature on disk and what is to be read from it."""

    paths: tuple[Path, ...]
    focal: float  # of the image, px
    title: str  # a word of the tool's name
    frame: str | None = None
    given_focal: float | None = None
    people: int = 2
    centre: tuple[float, float] = (WIDTH / 2, HEIGHT / 2)


def roots(people: People, focal: float, centre: np.ndarray = CENTRE) -> np.ndarray:
    """(n, 3) pelvises for a camera of another focal length: pixel and size kept."""
    root = people.joints[:, 0].astype(np.float64)
    depth = root[:, 2] * focal / FOCAL
    pixel = root[:, :2] / root[:, 2:] * FOCAL + CENTRE
    return np.concatenate([(pixel - centre) * depth[:, None] / focal, depth[:, None]], axis=1)


def transl(people: People, focal: float, model: str, centre: np.ndarray = CENTRE) -> np.ndarray:
    return (roots(people, focal, centre) - REST_PELVIS[model]).astype(np.float32)


def points(people: People, focal: float) -> np.ndarray:
    """(n, 25, 3) BODY_25 about the pelvis, moved to the camera of another focal length."""
    return (people.body25 - people.joints[:, :1] + roots(people, focal)[:, None]).astype(np.float32)


def smpl24(people: People) -> np.ndarray:
    """(n, 24, 3) axis-angle."""
    pose = pose22(people)
    return np.concatenate([pose, np.zeros((len(pose), 2, 3))], axis=1).astype(np.float32)


def smplx_pose(people: People) -> dict[str, np.ndarray]:
    pose = pose22(people).astype(np.float32)
    return {"global_orient": pose[:, 0], "body_pose": pose[:, 1:].reshape(len(pose), 63)}


def crop_cameras(people: People, focal: float, model: str) -> dict[str, np.ndarray]:
    """Square boxes around the people and the crop cameras that stand for their translations."""
    place = transl(people, focal, model)
    centre = people.body25_px.mean(axis=1)
    side = np.ptp(people.body25_px, axis=1).max(axis=1) * 1.2
    scale = 2 * focal / (place[:, 2] * side)
    shift = place[:, :2] - 2 * (centre - CENTRE) / (side * scale)[:, None]
    cam = np.concatenate([scale[:, None], shift], axis=1)
    return {"cam": cam.astype(np.float32), "box_center": centre.astype(np.float32), "box_size": side.astype(np.float32)}


def frames_of(values: np.ndarray, at: int, count: int = 3, step: float = 0.3) -> np.ndarray:
    """(n, count, ...): the value at one frame, others before and after it moved by `step` a frame."""
    offsets = (np.arange(count) - at) * step
    return (values[:, None] + offsets.reshape(1, count, *[1] * (values.ndim - 1))).astype(np.float32)


# 4D-Humans, TokenHMR, PHALP, CameraHMR


def hmr2(people: People, full: bool) -> dict:
    place = transl(people, HMR2_FOCAL, "smpl")
    crop = crop_cameras(people, HMR2_FOCAL, "smpl")
    rotations = matrix(smpl24(people)).astype(np.float32)
    count = len(place)
    keypoints = np.full((count, 44, 3), 0.1, np.float32)
    keypoints[:, :25] = points(people, HMR2_FOCAL) - place[:, None]
    crop_depth = 2 * 5000 / (256 * crop["cam"][:, 0])
    fields = {
        "pred_cam": crop["cam"],
        "pred_cam_t": np.stack([crop["cam"][:, 1], crop["cam"][:, 2], crop_depth], 1).astype(np.float32),
        "focal_length": np.full((count, 2), 5000, np.float32),
        "pred_smpl_params": {
            "global_orient": rotations[:, :1],
            "body_pose": rotations[:, 1:],
            "betas": np.full((count, 10), 3, np.float32),
        },
        "pred_keypoints_3d": keypoints,
        "pred_keypoints_2d": np.zeros((count, 44, 2), np.float32),
        "box_center": crop["box_center"],
        "box_size": crop["box_size"],
        "img_size": np.tile(np.array(SIZE, np.float32), (count, 1)),
    }
    if full:
        fields |= {"pred_cam_t_full": place, "scaled_focal_length": np.float32(HMR2_FOCAL)}
    return fields


def one_each(fields: dict, index: int) -> dict:
    """The fields of one person, without the axis over people."""
    taken = {}
    for name, value in fields.items():
        taken[name] = one_each(value, index) if isinstance(value, dict) else value[index] if np.ndim(value) else value
    return taken


def phalp(people: People) -> dict:
    place, rotations = transl(people, HMR2_FOCAL, "smpl"), matrix(smpl24(people)).astype(np.float32)
    joints = points(people, HMR2_FOCAL) - place[:, None]
    count = len(place)

    def frame(shift: float) -> dict:
        persons = [*range(count), 0]  # the last one is carried over from an earlier frame
        return {
            "smpl": [
                {"global_orient": rotations[i, :1], "body_pose": rotations[i, 1:], "betas": np.zeros(10, np.float32)}
                for i in persons[:count]
            ],
            "camera": [place[i] + np.array([shift, 0, 0], np.float32) for i in persons[:count]],
            "3d_joints": [np.concatenate([joints[i], np.zeros((20, 3), np.float32)]) for i in persons[:count]],
            "size": [np.array([HEIGHT, WIDTH]) for _ in persons],
            "tracked_time": [0] * count + [3],
            "tid": np.arange(count + 1),
        }

    return {"img/000001.jpg": frame(0.0), "img/000002.jpg": frame(9.0)}


def camerahmr(people: People, crop: bool) -> dict:
    focal, count = 700.0, len(people.joints)
    rotations, cameras = matrix(smpl24(people)).astype(np.float32), crop_cameras(people, 700.0, "smpl")
    k = np.array([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]], np.float32)
    fields = {
        "global_orient": rotations[:, :1],
        "body_pose": rotations[:, 1:],
        "betas": np.zeros((count, 10), np.float32),
        "cam_int": np.tile(k, (count, 1, 1)),
        "box_center": cameras["box_center"],
        "box_size": cameras["box_size"],
        "img_size": np.tile(np.array([HEIGHT, WIDTH], np.float32), (count, 1)),  # height first
        "out_cam": cameras["cam"],
    }
    return fields if crop else fields | {"output_cam_trans": transl(people, focal, "smpl")}


# SMPL-X people of images


def prompthmr(people: People) -> dict:
    focal, scale, count = DIAGONAL, 896 / LONGER, len(people.joints)
    k = np.array([[focal * scale, 0, 448], [0, focal * scale, 448], [0, 0, 1]], np.float32)
    pose = pose22(people)
    return {
        "pose": np.random.default_rng(0).normal(size=(count, 132)).astype(np.float32),  # six numbers a joint
        "rotmat": matrix(pose).astype(np.float32),
        "betas": np.zeros((count, 10), np.float32),
        "transl": transl(people, focal, "smplx"),
        "cam_int": np.tile(k, (count, 1, 1)),
    }


def prompthmr_video(people: People) -> dict:
    pose = np.concatenate([pose22(people), np.zeros((len(people.joints), 33, 3))], axis=1).reshape(-1, 165)
    place = frames_of(transl(people, DIAGONAL / 2, "smplx"), 1)
    half = np.array(SIZE) / 4  # the video was read at half its size
    tracks = {
        i: {
            "track_id": i,
            "frames": np.array([3, 4, 5]),
            "smplx_cam": {
                "pose": np.tile(pose[i], (3, 1)).astype(np.float32),
                "shape": np.zeros((3, 10), np.float32),
                "trans": place[i],
            },
            "smplx_world": {"pose": np.zeros((3, 165), np.float32), "trans": np.zeros((3, 3), np.float32)},
        }
        for i in range(len(people.joints))
    }
    return {"people": tracks, "camera": {"img_focal": np.float32(DIAGONAL / 4), "img_center": half}}


def multihmr(people: People) -> list[dict]:
    rotvec = np.concatenate([pose22(people), np.zeros((len(people.joints), 31, 3))], axis=1).astype(np.float32)
    return [
        {
            "rotvec": rotvec[i],
            "shape": np.zeros(10, np.float32),
            "transl": (people.joints[i, 15]).astype(np.float32),  # the head
            "transl_pelvis": people.joints[i, :1].astype(np.float32),
            "loc": np.zeros(2, np.float32),
            "scores": np.float32(0.9),
        }
        for i in range(len(rotvec))
    ]


def nlf(people: People, camera: bool) -> dict:
    centre = (np.array(SIZE) - 1) / 2
    root = roots(people, NLF_FOCAL, centre)
    joints = people.joints[:, :24] - people.joints[:, :1] + root[:, None]
    fields = {
        "pose": smpl24(people).reshape(-1, 72),
        "betas": np.zeros((len(root), 10), np.float32),
        "trans": (root - REST_PELVIS["smpl"]).astype(np.float32),
        "joints3d": (1000 * joints).astype(np.float32),
        "joint_uncertainties": np.ones((len(root), 24), np.float32),
    }
    if camera:
        fields |= {"focal_length": np.float32(NLF_FOCAL), "img_size": np.array(SIZE)}
    return fields


def own_cameras(people: People) -> list[tuple[np.ndarray, float, np.ndarray]]:
    """For each person: translation, focal length and principal point of its box."""
    found = []
    for i, points_px in enumerate(people.body25_px):
        focal, centre = 5000.0 * (1 + 0.2 * i), points_px.mean(axis=0) + np.array([4, -7])
        found.append((transl(people, focal, "smplx", centre)[i], focal, centre))
    return found


def smplerx(people: People, folder: Path) -> tuple[Path, ...]:
    (folder / "smplx").mkdir(parents=True)
    (folder / "meta").mkdir()
    fields = smplx_pose(people)
    for i, (place, focal, centre) in enumerate(own_cameras(people)):
        np.savez(
            folder / "smplx" / f"00007_{i}.npz",
            global_orient=fields["global_orient"][i : i + 1],
            body_pose=fields["body_pose"][i].reshape(21, 3),
            transl=place[None],
            betas=np.zeros((1, 10), np.float32),
        )
        meta = {"focal": [focal, focal], "princpt": centre.tolist(), "bbox": [0, 0, 10, 10]}
        (folder / "meta" / f"00007_{i}.json").write_text(json.dumps(meta))
    return (folder / "smplx",)


def osx(people: People, folder: Path) -> tuple[Path, ...]:
    fields, paths = smplx_pose(people), []
    for i, (place, focal, centre) in enumerate(own_cameras(people)):
        body = {
            "root_pose": fields["global_orient"][i].tolist(),
            "body_pose": fields["body_pose"][i : i + 1].tolist(),
            "trans": place.tolist(),
            "shape": [0.0] * 10,
        }
        paths.append(folder / f"{500 + i}.json")
        cam = {"focal": [focal, focal], "princpt": centre.tolist()}
        paths[-1].write_text(json.dumps({"smplx_param": body, "cam_param": cam}))
    return tuple(paths)


def aios(people: People, folder: Path) -> tuple[Path, ...]:
    fields, place, paths = smplx_pose(people), transl(people, 900.0, "smplx"), []
    for i in range(len(place)):
        params = {n: fields[n][i : i + 1] for n in fields} | {"transl": place[i : i + 1], "betas": np.zeros((1, 10))}
        paths.append(write_pickle(folder / f"000004_personId_{i}.pkl", {"params": params, "joints": np.zeros((24, 2))}))
    return tuple(paths)


# Videos


def pymafx(people: People, by_hand: bool) -> dict:
    place = transl(people, 5000.0, "smplx")
    pose = smpl24(people).reshape(-1, 72)
    count = len(place)
    fields = {
        "pose": np.tile(pose, (2, 1)),
        "betas": np.zeros((2 * count, 10), np.float32),
        "orig_cam_t": np.concatenate([place + np.float32(5), place]),
        "joints3d": np.random.default_rng(0).normal(size=(2 * count, 49, 3)).astype(np.float32),  # SPIN's order
        "frame_ids": np.repeat([0, 1], count),
        "person_ids": [f"f{f}_p{p}" for f in (0, 1) for p in range(count)],
    }
    if by_hand:
        fields |= {"transl": fields["orig_cam_t"], "focal_length": 5000.0, "img_size": np.array(SIZE)}
    return fields


def wham(people: People) -> dict:
    place, pose = frames_of(transl(people, DIAGONAL, "smpl"), 1), smpl24(people).reshape(-1, 72)
    return {
        track: {
            "pose": np.tile(pose[i], (3, 1)),
            "trans": place[i],
            "pose_world": np.zeros((3, 72), np.float32),
            "trans_world": np.zeros((3, 3), np.float32),
            "betas": np.zeros((3, 10), np.float32),
            "frame_ids": np.array([7, 8, 9]),
        }
        for i, track in enumerate((0, 4))
    }


def cliff(people: People) -> dict:
    """Three rows: the two people of a photograph and somebody in another one, with another focal length."""
    pose = smpl24(people).reshape(-1, 72)
    return {
        "imgname": np.array(["in/other.png", "in/photo.png", "in/photo.png"]),
        "pose": np.concatenate([pose[:1], pose]),
        "shape": np.zeros((3, 10), np.float32),
        "global_t": np.concatenate([[[1.0, 1.0, 9.0]], transl(people, DIAGONAL, "smpl")]).astype(np.float32),
        "pred_joints": np.zeros((3, 24, 3), np.float32),
        "focal_l": np.array([333.0, DIAGONAL, DIAGONAL], np.float32),
        "detection_all": np.zeros((3, 7), np.float32),
    }


def vibe(people: People) -> dict:
    """Weak-perspective cameras of the whole image: (sx, sy, tx, ty)."""
    place, pose = transl(people, FOCAL, "smpl"), smpl24(people).reshape(-1, 72)
    scales = 2 * FOCAL / (np.array(SIZE) * place[:, 2:])
    cams = np.concatenate([scales, place[:, :2]], axis=1)
    return {
        track: {
            "pred_cam": np.ones((3, 3), np.float32),
            "orig_cam": frames_of(cams, 1, step=0.05)[i],
            "pose": np.tile(pose[i], (3, 1)),
            "betas": np.zeros((3, 10), np.float32),
            "joints3d": np.zeros((3, 49, 3), np.float32),
            "bboxes": np.zeros((3, 4), np.float32),
            "frame_ids": np.array([7, 8, 9]),
        }
        for i, track in enumerate((1, 3))
    }


def gvhmr(people: People) -> dict:
    one = {name: np.tile(values[:1], (3, 1)) for name, values in smplx_pose(people).items()}
    k = np.array([[DIAGONAL, 0, WIDTH / 2], [0, DIAGONAL, HEIGHT / 2], [0, 0, 1]], np.float32)
    incam = one | {"betas": np.zeros((3, 10), np.float32), "transl": frames_of(transl(people, DIAGONAL, "smplx"), 1)[0]}
    world = {n: np.zeros_like(v) for n, v in incam.items()}
    return {"smpl_params_global": world, "smpl_params_incam": incam, "K_fullimg": np.tile(k, (3, 1, 1))}


def tram(people: People) -> tuple[list[dict], dict]:
    rotations = matrix(smpl24(people)).astype(np.float32)
    place = frames_of(transl(people, 800.0, "smpl"), 1)
    tracks = [
        {
            "pred_rotmat": np.tile(rotations[i], (3, 1, 1, 1)),
            "pred_pose": np.zeros((3, 144), np.float32),
            "pred_trans": place[i][:, None],
            "pred_shape": np.zeros((3, 10), np.float32),
            "frame": np.array([2, 3, 4]),
        }
        for i in range(len(place))
    ]
    return tracks, {"img_focal": np.float32(800), "img_center": CENTRE}


# Optimisations


def smplifyx(people: People, folder: Path, latent: bool = False) -> tuple[Path, ...]:
    fields, place, paths = smplx_pose(people), transl(people, 5000.0, "smplx"), []
    for i in range(len(place)):
        person = {
            "camera_rotation": np.eye(3, dtype=np.float32)[None],
            "camera_translation": place[i : i + 1],
            "global_orient": fields["global_orient"][i : i + 1],
            "body_pose": np.zeros((1, 32), np.float32) if latent else fields["body_pose"][i : i + 1],
            "betas": np.zeros((1, 10), np.float32),
        }
        paths.append(write_pickle(folder / f"{i:03d}.pkl", person, protocol=2))
    return tuple(paths)


def buddi(people: People) -> dict:
    count = len(people.joints)
    humans = smplx_pose(people) | {
        "transl": transl(people, FOCAL, "smplx"),
        "betas": np.zeros((count, 10), np.float32),
        "scale": np.zeros((count, 1), np.float32),
    }
    numbers = {"pitch": 0, "yaw": 0, "roll": 180, "tx": 0, "ty": 0, "tz": 0, "fl": FOCAL}
    return {"humans": humans, "cam": {n: np.full((1, 1), v, np.float32) for n, v in numbers.items()}}


def easymocap(people: People, folder: Path) -> tuple[Path, ...]:
    turn, root = pose22(people)[:, 0], people.joints[:, 0]
    persons = [
        {
            "id": i,
            "Rh": turn[i : i + 1].tolist(),
            "Th": (root[i] - matrix(turn[i]) @ REST_PELVIS["smpl"])[None].tolist(),
            "poses": [[0.0] * 3 + smpl24(people)[i, 1:].reshape(-1).tolist()],
            "shapes": [[0.0] * 10],
        }
        for i in range(len(root))
    ]
    path = folder / "000000.json"
    path.write_text(json.dumps(persons))
    return (path,)


def sam3dbody(people: People) -> list[dict]:
    from prosepose_jax.importing.keypoints.layouts import LAYOUTS

    focal = 750.0
    body25 = points(people, focal)
    joints = np.zeros((len(body25), 70, 3), np.float32)
    for target, source in enumerate(LAYOUTS["mhr70"].sources):
        if len(source) == 1:
            joints[:, source[0]] = body25[:, target]
    place = body25.mean(axis=1) + np.array([0.1, 0.2, 0.0], np.float32)
    return [
        {
            "pred_keypoints_3d": joints[i] - place[i],
            "pred_cam_t": place[i],
            "focal_length": np.float32(focal),
            "mhr_model_params": np.zeros(204, np.float32),
            "body_pose_params": np.zeros(133, np.float32),
        }
        for i in range(len(body25))
    ]


def romp(people: People) -> dict:
    """Joints that are not about the hips; `pj2d_org` is weak perspective and a few pixels off."""
    fields = bev_results(people)
    place = people.joints[:, 0] + np.array([0.01, 0.02, 0.0])
    joints = fields["joints"].copy()
    joints[:, :24] = people.joints[:, [*range(22), 20, 21]]
    joints[:, 24:35] = people.body25[:, [0, *range(15, 25)]]
    return fields | {
        "joints": (joints - place[:, None]).astype(np.float32),
        "cam_trans": place.astype(np.float32),
        "smpl_betas": np.full((len(place), 10), 2.0, np.float32),
        "pj2d_org": fields["pj2d_org"] + np.float32(5),
        "center_preds": np.zeros((len(place), 2)),
    }


def make(name: str, people: People, folder: Path) -> Case:
    """Writes a miniature; `name` is one of MINIATURES."""
    folder.mkdir(parents=True, exist_ok=True)
    return MINIATURES[name](people, folder)


MINIATURES: dict[str, Callable[[People, Path], Case]] = {
    "bev": lambda p, f: Case((write_bev(f / "a_0.1.npz", bev_results(p)),), FOCAL, "BEV"),
    "bev video": lambda p, f: Case(
        (write_npz(f / "v.npz", {"results": {"a.png": bev_results(p), "b.png": bev_results(p)}}),),
        FOCAL, "BEV", frame="b.png",
    ),
    "romp": lambda p, f: Case((write_bev(f / "a.npz", romp(p)),), FOCAL, "ROMP"),
    "hmr2 full": lambda p, f: Case((write_npz(f / "a.npz", hmr2(p, True)),), HMR2_FOCAL, "4D-Humans"),
    "hmr2 crop": lambda p, f: Case((write_npz(f / "a.npz", hmr2(p, False)),), HMR2_FOCAL, "4D-Humans"),
    "hmr2 torch": lambda p, f: Case((write_torch(f / "a.pt", hmr2(p, True)),), HMR2_FOCAL, "4D-Humans"),
    "hmr2 tensors in a pickle": lambda p, f: Case(
        (write_pickle_with_tensors(f / "a.pkl", {"out": hmr2(p, False)}),), HMR2_FOCAL, "4D-Humans"
    ),
    "hmr2 flattened": lambda p, f: Case(
        (write_npz(f / "a.npz", {k: v for k, v in hmr2(p, True).items() if k != "pred_smpl_params"} | {
            f"pred_smpl_params/{k}": v for k, v in hmr2(p, True)["pred_smpl_params"].items()}),),
        HMR2_FOCAL, "4D-Humans",
    ),
    "hmr2 a file each": lambda p, f: Case(
        tuple(write_pickle(f / f"{i}.pkl", one_each(hmr2(p, True), i)) for i in range(2)), HMR2_FOCAL, "4D-Humans"
    ),
    "hmr2 list of batches": lambda p, f: Case(
        (write_joblib(f / "a.pkl", [one_each(hmr2(p, False), slice(i, i + 1)) for i in range(2)]),),
        HMR2_FOCAL, "4D-Humans",
    ),
    "phalp": lambda p, f: Case((write_joblib(f / "a.pkl", phalp(p), packed=True),), HMR2_FOCAL, "PHALP", frame="0"),
    "camerahmr": lambda p, f: Case((write_npz(f / "a.npz", camerahmr(p, False)),), 700.0, "CameraHMR"),
    "camerahmr crop": lambda p, f: Case((write_npz(f / "a.npz", camerahmr(p, True)),), 700.0, "CameraHMR"),
    "prompthmr": lambda p, f: Case((write_torch(f / "output.pt", prompthmr(p)),), DIAGONAL, "PromptHMR"),
    "prompthmr numpy": lambda p, f: Case((write_npz(f / "o.npz", prompthmr(p)),), DIAGONAL, "PromptHMR"),
    "prompthmr video": lambda p, f: Case(
        (write_joblib(f / "results.pkl", prompthmr_video(p)),), DIAGONAL / 2, "PromptHMR (video)", frame="4"
    ),
    "multihmr": lambda p, f: Case((write_pickle(f / "h.pkl", multihmr(p)),), FOCAL, "Multi-HMR"),
    "multihmr tensors": lambda p, f: Case(
        (write_pickle_with_tensors(f / "h.pkl", {"humans": multihmr(p)}),), FOCAL, "Multi-HMR"
    ),
    "nlf": lambda p, f: Case(
        (write_npz(f / "a.npz", nlf(p, False)),), NLF_FOCAL, "NLF", centre=tuple((np.array(SIZE) - 1) / 2)
    ),
    "nlf with camera": lambda p, f: Case(
        (write_pickle_with_tensors(f / "a.pkl", nlf(p, True)),), NLF_FOCAL, "NLF",
        centre=tuple((np.array(SIZE) - 1) / 2),
    ),
    "nlf joints alone": lambda p, f: Case(
        (write_npz(f / "a.npz", {"joints3d_nonparam": nlf(p, False)["joints3d"], "boxes": np.zeros((2, 5))}),),
        NLF_FOCAL, "NLF", centre=tuple((np.array(SIZE) - 1) / 2),
    ),
    "multihmr of older versions": lambda p, f: Case(
        (write_pickle(f / "h.pkl", [{n: v for n, v in person.items() if n != "transl_pelvis"} | {"j3d": joints}
                                    for person, joints in zip(multihmr(p), p.joints, strict=True)]),),
        FOCAL, "Multi-HMR",
    ),
    "cliff": lambda p, f: Case((write_npz(f / "c.npz", cliff(p)),), DIAGONAL, "CLIFF", frame="in/photo.png"),
    "cliff by the photograph": lambda p, f: Case((write_npz(f / "c.npz", cliff(p)),), DIAGONAL, "CLIFF"),
    "cliff of one image": lambda p, f: Case(
        (write_npz(f / "c.npz", {n: v[1:] for n, v in cliff(p).items() if n != "imgname"}),), DIAGONAL, "CLIFF"
    ),
    "vibe": lambda p, f: Case((write_joblib(f / "v.pkl", vibe(p)),), FOCAL, "VIBE", frame="8"),
    "smplerx": lambda p, f: Case(smplerx(p, f), FOCAL, "SMPLer-X"),
    "osx": lambda p, f: Case(osx(p, f), FOCAL, "OSX"),
    "aios": lambda p, f: Case(aios(p, f), 900.0, "AiOS", given_focal=900.0),
    "pymafx": lambda p, f: Case((write_joblib(f / "o.pkl", pymafx(p, False)),), 5000.0, "PyMAF-X", frame="1"),
    "pymafx by hand": lambda p, f: Case((write_pickle(f / "o.pkl", pymafx(p, True)),), 5000.0, "PyMAF-X", frame="1"),
    "wham": lambda p, f: Case((write_joblib(f / "w.pkl", wham(p)),), DIAGONAL, "WHAM", frame="8"),
    "wham numpy": lambda p, f: Case((write_pickle(f / "w.pkl", wham(p)),), DIAGONAL, "WHAM", frame="8"),
    "gvhmr": lambda p, f: Case((write_torch(f / "g.pt", gvhmr(p)),), DIAGONAL, "GVHMR", frame="1", people=1),
    "gvhmr npz": lambda p, f: Case((write_npz(f / "g.npz", gvhmr(p)),), DIAGONAL, "GVHMR", frame="1", people=1),
    "gvhmr flattened": lambda p, f: Case(
        (write_npz(f / "g.npz", {"K_fullimg": gvhmr(p)["K_fullimg"]} | {
            f"smpl_params_incam_{k}": v for k, v in gvhmr(p)["smpl_params_incam"].items()}),),
        DIAGONAL, "GVHMR", frame="1", people=1,
    ),
    "tram": lambda p, f: Case(
        (*(write_npy(f / f"hps_track_{i}.npy", tensors(t)) for i, t in enumerate(tram(p)[0])),
         write_npy(f / "camera.npy", tensors(tram(p)[1]))),
        800.0, "TRAM", frame="3",
    ),
    "tram npz": lambda p, f: Case(
        tuple(write_npz(f / f"track_{i}.npz", t | tram(p)[1]) for i, t in enumerate(tram(p)[0])),
        800.0, "TRAM", frame="3",
    ),
    "smplifyx": lambda p, f: Case(smplifyx(p, f), 5000.0, "SMPLify-X"),
    "buddi": lambda p, f: Case((write_pickle(f / "a_0.pkl", buddi(p)),), FOCAL, "BUDDI"),
    "easymocap": lambda p, f: Case(easymocap(p, f), FOCAL, "EasyMocap"),
    "sam3dbody": lambda p, f: Case((write_pickle(f / "o.pkl", sam3dbody(p)),), 750.0, "SAM 3D Body"),
}  # fmt: skip
