"""Miniatures of the datasets' layouts: the documented names, folders, types and pickling, with people made here.

    python tests/datasets/miniatures.py --out=DIR

writes one folder a dataset. People are the small test body's, posed at random; its parameters stand in for SMPL-X's
(`--betas=keep` when they are imported). What a file says is worked out from the people by formulas of its own, not by
the reader's code.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from prosepose_jax.body import BodyModel, BodyParams, load_body, pose_body
from prosepose_jax.body import keypoints as body_keypoints

_pose, _keypoints = jax.jit(pose_body), jax.jit(body_keypoints)
UPRIGHT = np.array([np.pi, 0.0, 0.0])


# --- Tensors inside ordinary pickles -----------------------------------------------------------------------------


class Tensor:
    """Is pickled as torch.Tensor is: its storage as a byte blob of torch.save's older kind."""

    def __init__(self, array: Any) -> None:
        self.array = np.ascontiguousarray(array)

    def __reduce__(self) -> tuple[Any, ...]:
        flat = self.array.reshape(-1)
        steps = tuple(int(s // flat.itemsize) for s in self.array.strides)
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (_Storage(flat), 0, tuple(self.array.shape), steps, False, OrderedDict())


class _Storage:
    def __init__(self, flat: np.ndarray) -> None:
        self.flat = flat

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch.storage"]._load_from_bytes, (_blob(self.flat),)


_KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage", "b1": "BoolStorage", "u1": "ByteStorage"}


def _blob(flat: np.ndarray) -> bytes:
    kind = getattr(sys.modules["torch"], _KINDS[flat.dtype.str[1:]])

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            return ("storage", kind, "94101", "cpu", len(flat), None) if isinstance(thing, _Storage) else None

    out = io.BytesIO()
    pickle.dump(0x1950A86A20F9469CFC6C, out, protocol=2)
    pickle.dump(1001, out, protocol=2)
    sizes = {"short": 2, "int": 4, "long": 4}
    pickle.dump({"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}, out, protocol=2)
    Pickler(out, protocol=2).dump(_Storage(flat))
    pickle.dump(["94101"], out, protocol=2)
    out.write(len(flat).to_bytes(8, "little") + flat.tobytes())
    return out.getvalue()


@contextlib.contextmanager
def torch_names() -> Iterator[None]:
    """While pickling, modules of PyTorch's names: a pickle refers to functions and classes by where they are."""
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils", "torch.storage")}
    for name in _KINDS.values():
        setattr(modules["torch"], name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_: Any) -> None: ...
    def _load_from_bytes(*_: Any) -> None: ...

    for function, module in ((_rebuild_tensor_v2, "torch._utils"), (_load_from_bytes, "torch.storage")):
        function.__module__, function.__qualname__ = module, function.__name__
        setattr(modules[module], function.__name__, function)
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def write_pickle(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with torch_names():
        file.write_bytes(pickle.dumps(value, protocol=4))


def write_json(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, default=lambda array: np.asarray(array).tolist()))


def write_npz(file: Path, **arrays: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **arrays)


def write_image(file: Path, size: tuple[int, int]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 90)).save(file)


# --- People --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class People:
    """People in the camera's frame, as a scene should have them."""

    global_orient: np.ndarray  # (P, 3)
    body_pose: np.ndarray  # (P, 21, 3)
    betas: np.ndarray  # (P, 10)
    transl: np.ndarray  # (P, 3)
    joints: np.ndarray  # (P, 22, 3)
    landmarks: np.ndarray  # (P, 11, 3)
    body25: np.ndarray  # (P, 25, 3)
    pelvis: np.ndarray  # (P, 3) at rest


def posed(body: BodyModel, orient: np.ndarray, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray) -> People:
    zero = BodyParams.zeros(len(orient), body.num_betas, body.num_expressions)
    arrays = {"global_orient": orient, "body_pose": pose, "betas": betas, "transl": transl}
    full = dataclasses.replace(zero, **{k: np.asarray(v, np.float32) for k, v in arrays.items()})
    found = _pose(body, full)
    vertices, joints = np.asarray(found.vertices, np.float64), np.asarray(found.joints, np.float64)
    rest = _pose(body, dataclasses.replace(zero, betas=np.asarray(betas, np.float32)))
    return People(
        *(np.asarray(a, np.float64) for a in (orient, pose, betas, transl)), joints[:, :22],
        vertices[:, np.asarray(body.keypoint_vertices)], np.asarray(_keypoints(body, found), np.float64),
        np.asarray(rest.joints, np.float64)[:, 0],
    )  # fmt: skip


def some_people(body: BodyModel, seed: int, count: int = 2) -> People:
    """People 4 m away, 0.5 m apart, each in a pose and shape of its own."""
    rng = np.random.default_rng(seed)
    orient = (Rotation.from_rotvec(UPRIGHT) * Rotation.from_rotvec(0.3 * rng.normal(size=(count, 3)))).as_rotvec()
    pose = 0.15 * rng.normal(size=(count, 21, 3))
    betas = 0.5 * rng.normal(size=(count, body.num_betas))
    transl = np.array([[0.5 * (p - (count - 1) / 2), 0.0, 4.0] for p in range(count)]) + 0.05 * rng.normal(
        size=(count, 3)
    )
    return posed(body, orient, pose, betas, transl)


def nearby(body: BodyModel, people: People, seed: int) -> People:
    """What a regressor makes of people: near them, and not them."""
    rng = np.random.default_rng(1000 + seed)
    turn = Rotation.from_rotvec(0.05 * rng.normal(size=people.global_orient.shape))
    orient = (turn * Rotation.from_rotvec(people.global_orient)).as_rotvec()
    pose = people.body_pose + 0.05 * rng.normal(size=people.body_pose.shape)
    transl = people.transl + [[0.0, 0.0, 0.1], [0.0, 0.0, -0.1]][: len(orient)]
    return posed(body, orient, pose, people.betas, transl)


def in_world(people: People, rotation: np.ndarray, translation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Global orientation and translation in a world from which x_cam = rotation · x + translation."""
    orient = (Rotation.from_matrix(rotation.T) * Rotation.from_rotvec(people.global_orient)).as_rotvec()
    return orient, (people.pelvis + people.transl - translation) @ rotation - people.pelvis


def focal_60(size: tuple[int, int]) -> float:
    return max(size) / 2 / np.tan(np.pi / 6)


def pixels(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return points[..., :2] / points[..., 2:] * focal_60(size) + np.array(size) / 2


def bev_joints(people: People) -> tuple[np.ndarray, np.ndarray]:
    """(P, 71, 3) body-centred joints as BEV has them, and cam_trans (P, 3), where the midpoint of 45 and 46 goes."""
    points = np.zeros((len(people.joints), 71, 3))
    points[:, :22], points[:, 22:24] = people.joints, people.joints[:, 20:22]
    points[:, 24:35] = people.landmarks
    hips = people.joints[:, 1:3] + [0.0, -0.02, 0.0]
    points[:, 45], points[:, 46] = hips[:, 0], hips[:, 1]
    points[:, 35:45], points[:, 47:] = people.joints[:, :1], people.joints[:, :1]
    place = hips.mean(axis=1)
    centre = people.joints[:, 0] + [0.01, 0.02, 0.03]  # BEV's own origin: not the pelvis
    return (points - centre[:, None]).astype(np.float32), place.astype(np.float32)


def person_fields(found: People, index: int, keypoints: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
    """The fields of one person in a processed file."""
    points, place = bev_joints(found)
    body25 = np.zeros((135, 3), np.float32)
    body25[:25] = np.concatenate([keypoints[index], np.full((25, 1), 0.9)], axis=1)
    joints_cam = points[index] - points[index, [45, 46]].mean(axis=0) + place[index]
    pose = np.zeros(69, np.float32)
    pose[:63] = found.body_pose[index].reshape(-1)
    return {
        "openpose_human_idx": index, "vitpose_human_idx": index, "vitposeplus_human_idx": index, "bev_human_idx": index,
        "openpose": body25 + np.array([0.5, 0.5, 0.0], np.float32), "vitpose": body25, "vitposeplus": body25,
        "bev_smpl_global_orient": found.global_orient[index].astype(np.float32), "bev_smpl_body_pose": pose,
        "bev_smpl_betas": np.ones(10, np.float32), "bev_smpl_scale": np.float32(0.1),
        "bev_smplx_betas": found.betas[index].astype(np.float32), "bev_smplx_scale": np.float32(0.0),
        "bev_cam_trans": place[index], "bev_smpl_joints": points[index],
        "bev_smpl_vertices": np.zeros((6890, 3), np.float32),
        "bev_smpl_joints_2d": pixels(joints_cam, size).astype(np.float32),
    }  # fmt: skip


def without_bev(person: dict[str, Any]) -> dict[str, Any]:
    """A person that BEV missed: float64 zeros, a plain 0 as scale, the index -1, and nothing else that says so."""
    out = {k: np.zeros(np.shape(v)) if k.startswith("bev_") else v for k, v in person.items()}
    return out | {"bev_smpl_scale": 0, "bev_smplx_scale": 0, "bev_human_idx": -1}


def without_keypoints(person: dict[str, Any], *detectors: str) -> dict[str, Any]:
    """A person that detectors missed."""
    missing = {name: np.zeros((135, 3)) for name in detectors}
    return person | missing | {f"{name}_human_idx": -1 for name in detectors}


def stacked(people: list[dict[str, Any]]) -> dict[str, Any]:
    """Fields of people on a leading axis, as the cached lists have them; some of them PyTorch tensors."""
    out: dict[str, Any] = {name: np.stack([np.asarray(p[name]) for p in people]) for name in people[0]}
    out["bev_smplx_global_orient"] = Tensor(out["bev_smpl_global_orient"].astype(np.float32))
    out["bev_smplx_vertices"] = Tensor(np.zeros((len(people), 4, 3), np.float32))
    return out


def openpose_json(keypoints: list[np.ndarray]) -> dict[str, Any]:
    people = [np.concatenate([k, np.full((25, 1), 0.9)], axis=1).reshape(-1).tolist() for k in keypoints]
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": one} for one in people]}


def write_bev(file: Path, found: People, order: list[int], size: tuple[int, int]) -> None:
    """A BEV result file with people in an order of its own."""
    points, place = bev_joints(found)
    cam = points - points[:, [45, 46]].mean(axis=1, keepdims=True) + place[:, None]
    thetas = np.zeros((len(points), 72), np.float32)
    thetas[:, :3], thetas[:, 3:66] = found.global_orient, found.body_pose.reshape(-1, 63)
    results = {
        "smpl_thetas": thetas[order], "smpl_betas": np.zeros((len(order), 11), np.float32), "cam_trans": place[order],
        "joints": points[order], "pj2d_org": pixels(cam, size).astype(np.float32)[order],
        "verts": np.zeros((len(order), 6890, 3), np.float32),
    }  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, results=np.array(results, dtype=object))


# --- Hi4D ----------------------------------------------------------------------------------------------------------

HI4D_SIZE = (940, 1280)
HI4D_CAMERAS = (4, 16)
HI4D_FRAMES = (11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 30)  # contact frames; every 5th: 11, 18, 30


def hi4d_camera(camera: int) -> tuple[np.ndarray, np.ndarray]:
    rotation = Rotation.from_euler("yx", [0.4 + camera / 10, 0.2]) * Rotation.from_rotvec(UPRIGHT)
    return rotation.as_matrix(), np.array([0.1, 0.2, 3.0 + camera / 100])


def hi4d_people(body: BodyModel, place: int, seed: int = 0) -> People:
    """The people of a contact frame as camera 4 sees them."""
    return some_people(body, seed + 10 * place)


def make_hi4d(
    root: Path,
    body: BodyModel,
    *,
    processed: bool = True,
    download: bool = True,
    detectors: bool = False,
    drop: bool = True,
    short: bool = False,
    two_archives: bool = False,
) -> dict[str, People]:
    """Pair 00 of the test split and pair 01 of train, one action each. Returns {scene key: its people}.

    Args:
      processed: write processed_single_camera.pkl and the split.
      download: write the original folders.
      detectors: write detector files beside the download's images, people in another order.
      drop: BEV misses a person in the second kept frame, and the third has OpenPose keypoints alone.
      short: the SMPL-X lists of pair 00 lack a frame.
      two_archives: pair 00 lies in pair00_1 and pair00_2.
    """
    truths: dict[str, People] = {}
    content: dict[str, Any] = {}
    for pair, action in (("00", "dance00"), ("01", "hug01")):
        folder = root / "original" / "Hi4D" / ("pair00_2" if two_archives and pair == "00" else f"pair{pair}") / action
        rotation, translation = hi4d_camera(4)
        unit = np.diag([1.0, -1.0, -1.0])
        fields: dict[str, list[Any]] = {name: [] for name in (
            "action_path", "betas", "global_orient", "body_pose", "transl", "smplx_betas", "smplx_global_orient",
            "smplx_body_pose", "smplx_transl", "image_data")}  # fmt: skip
        for place, frame in enumerate(HI4D_FRAMES):
            people = hi4d_people(body, place, 500 * int(pair))
            found = nearby(body, people, place)
            stem = f"{frame:06d}"
            truths[f"{pair}_{action}_4_{stem}0"] = people
            orient, transl = in_world(people, rotation, translation)
            # The script turns the arrays in place: also those that aren't called "unit" are in that frame.
            unit_orient = (Rotation.from_matrix(unit) * Rotation.from_rotvec(orient)).as_rotvec()
            unit_transl = (people.pelvis + transl) @ unit.T - people.pelvis
            keypoints = pixels(people.body25, HI4D_SIZE)
            persons = [person_fields(found, index, keypoints, HI4D_SIZE) for index in (0, 1)]
            if drop and place == 5:
                persons[1] = without_bev(persons[1])
            if drop and place == 10:
                persons[0] = without_keypoints(persons[0], "vitpose")
            fields["action_path"].append(f"somewhere/pair{pair}/{action}/smpl/{stem}.npz")
            fields["betas"].append(np.zeros((2, 10)))
            fields["global_orient"].append(unit_orient)
            fields["body_pose"].append(np.concatenate([people.body_pose.reshape(2, 63), np.zeros((2, 6))], axis=1))
            fields["transl"].append(unit_transl)
            if not (short and pair == "00" and place == 3):
                fields["smplx_betas"].append(
                    np.concatenate([people.betas, np.zeros((2, 16 - people.betas.shape[1]))], 1)
                )
                fields["smplx_global_orient"].append(unit_orient[:, None])
                fields["smplx_body_pose"].append(people.body_pose)
                fields["smplx_transl"].append(unit_transl)
            fields["image_data"].append({"4": {stem: {0: persons[0], 1: persons[1]}}})
            if download:
                joints = np.concatenate([people.joints, people.joints[:, 20:22]], axis=1)
                world_joints = (joints - translation) @ rotation
                write_npz(
                    folder / "smpl" / f"{stem}.npz", betas=np.zeros((2, 10), np.float32),
                    body_pose=fields["body_pose"][-1].astype(np.float32), global_orient=orient.astype(np.float32),
                    transl=transl.astype(np.float32), joints_3d=world_joints.astype(np.float32),
                    contact=np.zeros((2, 6890), np.float32),
                )  # fmt: skip
                for camera in HI4D_CAMERAS:
                    write_image(folder / "images" / str(camera) / f"{stem}.jpg", HI4D_SIZE)
                if detectors:
                    write_bev(folder / "bev" / "4" / f"{stem}_0.08.npz", found, [1, 0], HI4D_SIZE)
                    write_json(
                        folder / "vitpose" / "4" / f"{stem}_keypoints.json", openpose_json(list(keypoints[::-1]))
                    )
        if download:
            write_npz(
                folder / "meta.npz", start=np.array(11), end=np.array(30), num_persons=np.array(2),
                genders=np.array(["male", "female"], dtype=object), betas=np.zeros((2, 10)),
                contact_ids=np.array(HI4D_FRAMES), mono_cam=np.array(4),
            )  # fmt: skip
            size = np.array([[focal_60(HI4D_SIZE), 0, 470], [0, focal_60(HI4D_SIZE), 640], [0, 0, 1]])
            poses = [hi4d_camera(camera) for camera in HI4D_CAMERAS]
            write_npz(
                folder / "cameras" / "rgb_cameras.npz", ids=np.array(HI4D_CAMERAS),
                intrinsics=np.stack([size] * len(poses)), dist_coeffs=np.zeros((len(poses), 5)),
                extrinsics=np.stack([np.concatenate([r, t[:, None]], axis=1) for r, t in poses]),
            )  # fmt: skip
            (folder / "images" / "4" / f"{action}_cam4.mp4").write_bytes(b"a stray film")
            if two_archives and pair == "00":
                (root / "original" / "Hi4D" / "pair00_1" / "fight00").mkdir(parents=True)
        arrays: dict[str, Any] = {
            name: values if name in ("action_path", "image_data") else np.array(values)
            for name, values in fields.items()
        }
        arrays["smplx_global_orient_unit"] = arrays["smplx_global_orient"]
        arrays["smplx_transl_unit"] = arrays["smplx_transl"]
        content[f"pair{pair}"] = {action: arrays}
    if processed:
        place = root / "processed" / "Hi4D"
        write_pickle(place / "processed_single_camera.pkl", content)
        write_npz(
            place / "train_val_test_split.npz", train=np.array(["01"]), val=np.array(["02"]), test=np.array(["00"])
        )
    return truths


# --- CHI3D ---------------------------------------------------------------------------------------------------------

CHI3D_SIZE = (900, 900)
CHI3D_CAMERAS = ("50591643", "65906101")
CHI3D_ACTIONS = {"Grab 10": (81, 81), "Hug 3": (40, 10)}  # annotated frame, first frame of the clip


def chi3d_camera(camera: str) -> tuple[np.ndarray, np.ndarray]:
    rotation = Rotation.from_euler("y", CHI3D_CAMERAS.index(camera) * 1.2) * Rotation.from_rotvec([np.pi / 2, 0, 0])
    return rotation.as_matrix(), np.array([0.3, -4.0, 1.2 + CHI3D_CAMERAS.index(camera)])  # and where it stands


def make_chi3d(
    root: Path, body: BodyModel, *, persons: bool = True, lists: bool = False, download: bool = True
) -> dict[str, People]:
    """Subject s03, two actions, two cameras. The ViTPose+ detection of one image is missing.

    Args:
      persons: write images_contact_processed.pkl.
      lists: write testval_full_optimization.pkl, which lost the frame of the clip that begins at its contact.
      download: write the original folders.
    """
    truths: dict[str, People] = {}
    images: dict[str, Any] = {}
    items: list[dict[str, Any]] = []
    base = root / "original" / "CHI3D" / "train" / "s03"
    contacts: dict[str, Any] = {}
    for number, (action, (frame, start)) in enumerate(CHI3D_ACTIONS.items()):
        rotation, centre = chi3d_camera(CHI3D_CAMERAS[0])
        seen = some_people(body, 70 + number)
        orient, transl = in_world(seen, rotation, -rotation @ centre)
        pairs = [[26, 7], [3, 70 + number]]
        contacts[action] = {
            "fr_id": frame, "start_fr": start, "end_fr": frame + 9,
            "smplx_signature": {"region_id": pairs, "face_id": [], "vertex_id": []},
            "ghum_signature": {"region_id": []},
        }  # fmt: skip
        count = frame + 10
        frames: dict[str, Any] = {
            "transl": np.zeros((2, count, 3)),
            "betas": np.zeros((2, count, 10)),
            "global_orient": np.tile(np.eye(3), (2, count, 1, 1, 1)),
            "body_pose": np.tile(np.eye(3), (2, count, 21, 1, 1)),
            "expression": np.zeros((2, count, 10)),
        }
        frames["transl"][:, frame], frames["betas"][:, frame, : seen.betas.shape[1]] = transl, seen.betas
        frames["global_orient"][:, frame, 0] = Rotation.from_rotvec(orient).as_matrix()
        frames["body_pose"][:, frame] = (
            Rotation.from_rotvec(seen.body_pose.reshape(-1, 3)).as_matrix().reshape(2, 21, 3, 3)
        )
        skeleton = np.zeros((2, count, 25, 3))
        world_joints = (seen.joints + rotation @ centre) @ rotation
        order = {
            0: 0,
            1: 1,
            2: 4,
            3: 7,
            4: 2,
            5: 5,
            6: 8,
            8: 12,
            10: 15,
            11: 16,
            12: 18,
            13: 20,
            14: 17,
            15: 19,
            16: 21,
        }
        for place, joint in order.items():
            skeleton[:, frame, place] = world_joints[:, joint]
        if download:
            write_json(base / "smplx" / f"{action}.json", frames)
            write_json(base / "joints3d_25" / f"{action}.json", {"joints3d_25": skeleton})
        for camera in CHI3D_CAMERAS:
            turn, place = chi3d_camera(camera)
            there = posed(
                body, (Rotation.from_matrix(turn) * Rotation.from_rotvec(orient)).as_rotvec(),
                seen.body_pose, seen.betas, (seen.pelvis + transl - place) @ turn.T - seen.pelvis,
            )  # fmt: skip
            stem = f"{action}_{frame:06d}_{camera}"
            truths[f"s03_{stem}_0"] = there
            # What detectors say is made up in front of the fit's camera: the two needn't agree for this.
            shown = some_people(body, 70 + number)
            keypoints = pixels(shown.body25, CHI3D_SIZE)
            people = [person_fields(nearby(body, shown, 3), index, keypoints, CHI3D_SIZE) for index in (0, 1)]
            if (action, camera) == ("Hug 3", CHI3D_CAMERAS[1]):
                people[0] = without_keypoints(people[0], "vitposeplus")
            images[stem] = {0: people[0], 1: people[1]}
            if download:
                write_json(
                    base / "camera_parameters" / camera / f"{action}.json",
                    {"extrinsics": {"R": turn, "T": place[None]},
                     "intrinsics_wo_distortion": {"f": [1145.0, 1143.0], "c": [512.5, 515.4]}},
                )  # fmt: skip
            if start < frame:  # else the list lost it
                contact_map = np.zeros((75, 75), bool)
                contact_map[tuple(np.array(pairs).T)] = True
                items.append(stacked(people) | {
                    "imgname": f"{stem}.png", "img_out_fn": f"s03_{stem}_0", "is_contact_frame": True,
                    "contact_map": Tensor(contact_map), "hhc_contacts_region_ids": np.array(pairs),
                    "global_orient_cam": Tensor(there.global_orient.astype(np.float32)[:, None]),
                    "transl_cam": Tensor(there.transl.astype(np.float32)[:, None]),
                    "global_orient_orig": Tensor(orient.astype(np.float32)[:, None]),
                    "transl_orig": Tensor(transl.astype(np.float32)[:, None]),
                    "body_pose": Tensor(seen.body_pose.reshape(2, 1, 63).astype(np.float32)),
                    "betas": Tensor(seen.betas.astype(np.float32)[:, None]),
                    "information_missing": False,
                })  # fmt: skip
                items.append({"imgname": f"{action}_{frame - 5:06d}_{camera}.png", "is_contact_frame": False,
                              "img_out_fn": f"s03_{action}_{frame - 5:06d}_{camera}_0"})  # fmt: skip
    processed = root / "processed" / "CHI3D" / "train"
    if persons:
        write_pickle(processed / "images_contact_processed.pkl", {"s03": images})
    if lists:
        write_pickle(processed / "testval_full_optimization.pkl", items)
    for stem in images:
        write_image(processed / "s03" / "images" / f"{stem}.jpg", CHI3D_SIZE)
    if download:
        write_json(base / "interaction_contact_signature.json", contacts)
    return truths


# --- FlickrCI3D ----------------------------------------------------------------------------------------------------

FLICKR_SIZE = (640, 480)


def make_flickrci3d(
    root: Path,
    body: BodyModel,
    *,
    lists: bool = True,
    persons: bool = False,
    detectors: bool = False,
    fits: bool = True,
    name: str = "FlickrCI3D_Signatures",
) -> dict[str, People]:
    """Test: `park_1` with two pairs of three people (the second named in the order [2, 1]), `beach_2` with one.

    Args:
      lists: write test_bev_optimization.pkl.
      persons: write processed.pkl.
      detectors: write detector files beside the download's images.
      fits: write pseudo ground truth, of which that of beach_2 is a bad fit.
      name: of the folder, which differs between tools.
    """
    truths: dict[str, People] = {}
    items: list[dict[str, Any]] = []
    content: dict[str, Any] = {}
    annotations: dict[str, Any] = {}
    test = root / "original" / name / "test"
    for number, (image, pairs) in enumerate({"park_1": [[0, 1], [2, 1]], "beach_2": [[0, 1]]}.items()):
        three = some_people(body, 300 + number, 3)
        keypoints = pixels(three.body25, FLICKR_SIZE)
        boxes = np.concatenate([keypoints.min(axis=1) - 5, keypoints.max(axis=1) + 5], axis=1)
        signs = []
        content[image] = {"img_height": FLICKR_SIZE[1], "img_width": FLICKR_SIZE[0],
                          "ci_sign_openpose_bbox_iou_best_match": 0.9}  # fmt: skip
        for person in range(3):
            content[image][person] = person_fields(three, person, keypoints, FLICKR_SIZE) | {
                "flickr_bbox": boxes[person]
            }
        for index, ids in enumerate(pairs):
            key = f"{image}_{index}"
            regions = [[26, 7], [3, 70 - index]]
            signs.append(
                {"person_ids": ids, "smplx": {"region_id": regions, "face_id": [], "vertex_id": []}, "ghum": {}}
            )
            chosen = People(*(getattr(three, field.name)[ids] for field in dataclasses.fields(People)))
            truths[key] = chosen
            contact_map = np.zeros((75, 75), bool)
            contact_map[tuple(np.array(regions).T)] = True
            items.append(stacked([content[image][i] for i in ids]) | {
                "imgname": f"{image}.png", "contact_index": index, "hhc_contacts_human_ids": np.array(ids),
                "hhc_contacts_region_ids": np.array(regions), "contact_map": Tensor(contact_map), "has_infant": False,
                "bev_missing": False, "information_missing": False, "img_height": FLICKR_SIZE[1],
                "img_width": FLICKR_SIZE[0],
            })  # fmt: skip
            if fits:
                write_pickle(root / "pgt" / "pkl" / f"{key}.pkl", {
                    "humans": {"betas": chosen.betas.astype(np.float32), "scale": np.zeros((2, 1), np.float32),
                               "global_orient": chosen.global_orient.astype(np.float32),
                               "body_pose": chosen.body_pose.reshape(2, 63).astype(np.float32),
                               "transl": chosen.transl.astype(np.float32)},
                    "cam": {"pitch": 0.0, "yaw": 0.0, "roll": 180.0},
                })  # fmt: skip
        annotations[image] = {"bbxes": boxes, "license": 4, "ci_sign": signs}
        write_image(test / "images" / f"{image}.png", FLICKR_SIZE)
        if detectors:
            write_bev(test / "bev" / f"{image}_0.08.npz", three, [2, 0, 1], FLICKR_SIZE)
            write_json(test / "vitpose" / f"{image}_keypoints.json", openpose_json([keypoints[i] for i in (1, 2, 0)]))
    if fits:
        write_image(root / "pgt" / "bad_fits" / "beach_2_0.png", (8, 8))
    write_json(test / "interaction_contact_signature.json", annotations)
    processed = root / "processed" / name / "test"
    if lists:
        write_pickle(processed / "test_bev_optimization.pkl", items)
    if persons:
        write_pickle(processed / "processed.pkl", content)
    return truths


# --- MOYO ----------------------------------------------------------------------------------------------------------

MOYO_SIZE = (2056, 1504)
MOYO_POSES = {"Boat_Pose_or_Paripurna_Navasana_-a": 12, "Boat_Pose_or_Paripurna_Navasana_-a-wide": 9,
              "Eka_Pada_Koundinyanasana_I_and_II-b": 7}  # fmt: skip


def moyo_camera() -> tuple[np.ndarray, np.ndarray]:
    return (Rotation.from_euler("y", 0.7) * Rotation.from_rotvec([np.pi / 2, 0, 0])).as_matrix(), np.array(
        [0.4, -5.0, 1.1]
    )


def make_moyo(root: Path, body: BodyModel, *, cameras: bool = True, joints: bool = True) -> dict[str, People]:
    """Three poses of the test list: one's name begins another's, one was renamed; and a key without truth.

    Args:
      cameras: write the calibration.
      joints: HMR2's file has joints and their projection, as BEV's has.
    """
    truths: dict[str, People] = {}
    keys = []
    subset = root / "original" / "moyo_cam05_centerframe" / "test"
    rotation, centre = moyo_camera()
    for number, (pose, frame) in enumerate(MOYO_POSES.items()):
        people = some_people(body, 900 + number, 1)
        orient, transl = in_world(people, rotation, -rotation @ centre)
        count = 2 * frame + 5
        rng = np.random.default_rng(number)
        poses, trans = 0.5 * rng.normal(size=(count, 165)), rng.normal(size=(count, 3))
        poses[2 * frame] = 0.0
        poses[2 * frame, :3], poses[2 * frame, 3:66] = orient[0], people.body_pose.reshape(-1)
        trans[2 * frame] = transl[0]
        betas = np.concatenate([people.betas[0], np.full(16 - people.betas.shape[1], 3.0)])
        # The longer name comes first in the alphabet of its number: a wildcard on the shorter one finds both.
        write_npz(
            root / "AMASS" / "train" / f"220923_yogi_body_hands_{3590 - number:05d}_{pose}_stageii.npz", poses=poses,
            trans=trans, betas=betas, gender=np.array("neutral"), mocap_frame_rate=np.array(60.0),
        )  # fmt: skip
        name = pose.replace("Koundinyanasana_I_and_II-b", "RENAME_A1")
        key = f"{name}_YOGI_Cam_05_{frame:04d}"
        keys.append(key)
        truths[f"{key}_0"] = people
        found = nearby(body, people, number)
        write_image(subset / "images" / f"{key}.jpg", MOYO_SIZE)
        bev = subset / "hmr2" / f"{key}_0.08.npz"
        write_bev(bev, found, [0], MOYO_SIZE)
        if not joints:
            with np.load(bev, allow_pickle=True) as file:
                results = file["results"].item()
            np.savez(bev, results=np.array({k: results[k] for k in ("smpl_thetas", "smpl_betas", "cam_trans")}, object))
        keypoints = pixels(people.body25, MOYO_SIZE)[0]
        small = keypoints * 0.1 + 20.0  # somebody in the background
        write_json(subset / "vitpose" / f"{key}_keypoints.json", openpose_json([small, keypoints]))
    lost = "Camel_Pose_or_Ustrasana_-b_YOGI_Cam_05_0468"
    write_bev(subset / "hmr2" / f"{lost}_0.08.npz", some_people(body, 999, 1), [0], MOYO_SIZE)
    write_json(
        subset / "vitpose" / f"{lost}_keypoints.json",
        openpose_json([pixels(some_people(body, 999, 1).body25, MOYO_SIZE)[0]]),
    )
    write_json(root / "processed" / "moyo_cam05_centerframe" / "test_keys.json", [*keys, lost])
    if cameras:
        write_json(
            root / "cameras" / "220923" / "220923_Morning_PROCESSED_CAMERA_PARAMS" / "cameras_param.json",
            {"cam_5": {"focal": [5000.0, 5000.0], "princpt": [2056.0, 1504.0], "rotation": rotation,
                       "position": centre * 1000.0}},
        )  # fmt: skip
    return truths


def main() -> None:
    """Writes one miniature of each dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the miniatures")
    out = parser.parse_args().out
    body = load_body(Path(__file__).resolve().parents[1] / "data" / "small_body.npz")
    for name, make in (
        ("hi4d", make_hi4d),
        ("chi3d", make_chi3d),
        ("flickrci3d", make_flickrci3d),
        ("moyo", make_moyo),
    ):
        keys = make(out / name, body)
        print(f"{name}: {len(keys)} scenes in {out / name}")


if __name__ == "__main__":
    main()
