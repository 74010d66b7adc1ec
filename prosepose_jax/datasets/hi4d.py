"""Hi4D: the download (`pairPP/actionPP/…`) and the files that BUDDI and ProsePose made of it (docs/datasets.md)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prosepose_jax.body.keypoints import BODY25_SOURCE
from prosepose_jax.datasets.files import read_archive
from prosepose_jax.datasets.frames import HI4D_UNIT
from prosepose_jax.datasets.layout import Log, Request, existing, first_with, made, nothing_found, numbered_images
from prosepose_jax.datasets.people import (
    guess_keypoints,
    has_detection,
    read_detections,
    read_guesses,
    read_person,
    split_people,
)
from prosepose_jax.datasets.pickles import Node, read_pickle
from prosepose_jax.datasets.samples import Guess, Person, Sample, Truth
from prosepose_jax.errors import InputError
from prosepose_jax.importing.matching import ESTIMATE_LIMIT, match_people
from prosepose_jax.io._npz import FieldReader, read_npz
from prosepose_jax.untrusted import as_input_error

SPLITS = ("train", "val", "test")
PUBLISHED_CAMERAS = ("4",)
IMAGE_SIZE = (940, 1280)
_PAIR = re.compile(r"pair(\d\d)(?:_\d+)?")
_PROCESSED = ("processed.pkl", "processed_single_camera.pkl", "*_optimization.pkl")
_EXPECTED = (
    "pairPP/actionPP/{meta.npz, cameras, images, smpl} (the download), in it or in original/Hi4D",
    "processed.pkl or processed_single_camera.pkl with train_val_test_split.npz, in it or in processed/Hi4D",
)


@dataclasses.dataclass(frozen=True)
class _Sequence:
    """An action of the download."""

    pair: str
    action: str
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.pair}_{self.action}"


def samples(request: Request, log: Log) -> Iterator[Sample]:
    """The scenes of a split: every 5th contact frame of each action, seen by camera 4.

    The processed files are read where they are there, else the download with detector files beside its images.

    Raises:
      InputError: neither is there, or the split is unknown.
    """
    root = request.root
    places = (root, root / "processed" / "Hi4D", root / "Hi4D", root / "processed")
    processed = first_with(places, *_PROCESSED)
    originals = first_with((root, root / "original" / "Hi4D", root / "Hi4D", root / "original"), "pair[0-9][0-9]*/*")
    actions = {} if originals is None else _sequences(originals)
    actions = {name: one for name, one in actions.items() if (one.folder / "meta.npz").is_file()}
    if processed is None and not actions:
        raise nothing_found("Hi4D", root, _EXPECTED)
    if request.split not in SPLITS:
        raise InputError(f"--split={request.split}: Hi4D has {', '.join(SPLITS)}")
    file = None
    if processed is not None:
        file = existing(processed / name for name in ("processed_single_camera.pkl", "processed.pkl"))
        if file is not None and file.stem == "processed_single_camera" and request.cameras not in (None, ("4",)):
            file = existing([processed / "processed.pkl"])
        cached = existing([processed / f"{request.split}_optimization.pkl"])
        if file is not None:
            log.note(f"Hi4D: read from {file.name}" + ("" if actions else "; the download is not there"))
            pairs = _pairs_of_split(processed, request.split)
            yield from _from_processed(read_pickle(file), pairs, actions, request, log)
            return
        if cached is not None:
            log.note(f"Hi4D: read from {cached.name}, made by the release: its truth is in a turned frame")
            yield from _from_list(read_pickle(cached), request, log)
            return
    log.note("Hi4D: read from the download; there is no processed.pkl")
    split_file = first_with((root, *places[1:]), "train_val_test_split.npz")
    chosen = None if split_file is None else _pairs_of_split(split_file, request.split)
    if chosen is None:
        log.note("Hi4D: train_val_test_split.npz is missing: every pair is read, whatever its split")
    yield from _from_download(actions, chosen, request, log)


def _pairs_of_split(folder: Path, split: str) -> frozenset[str]:
    """The pairs of a split, as two digits."""
    file = existing(folder / name for name in ("train_val_test_split.npz", "train_val_split.npz"))
    if file is None:
        raise InputError(f"{folder}: train_val_test_split.npz is missing: it says which pairs are in which split")
    fields = read_npz(file)
    if split not in fields:
        raise InputError(f"{file}: field {split!r} is missing; found {', '.join(sorted(fields))}")
    return frozenset(str(name).removeprefix("pair").zfill(2) for name in fields[split].reshape(-1))


def _sequences(root: Path) -> dict[str, _Sequence]:
    """The actions by `PP_action`; of pairs that came as two archives, both parts."""
    found: dict[str, _Sequence] = {}
    for folder in sorted(root.iterdir()):
        match = _PAIR.fullmatch(folder.name)
        if match is None or not folder.is_dir():
            continue
        inner = folder / f"pair{match[1]}"
        for action in sorted((inner if inner.is_dir() else folder).iterdir()):
            if action.is_dir():
                one = _Sequence(match[1], action.name, action)
                found.setdefault(one.name, one)
    return found


def _from_processed(
    content: Node, pairs: frozenset[str], actions: dict[str, _Sequence], request: Request, log: Log
) -> Iterator[Sample]:
    cameras = request.cameras or PUBLISHED_CAMERAS
    absent = sorted(pair for pair in pairs if not content.has(f"pair{pair}"))
    if absent:
        log.note(f"Hi4D: of the split's {len(pairs)} pairs the file lacks {', '.join(absent)}")
    for pair_name in content.names():
        pair = str(pair_name).removeprefix("pair")
        if pair not in pairs:
            continue
        log.count("pairs")
        for action in content.get(pair_name).names():
            fields = content.get(pair_name).get(action)
            log.count("actions")
            name = f"{pair}_{action}"
            try:
                with as_input_error(name):
                    truth = _ProcessedTruth(fields)
                    frames = [Path(str(path)).stem for path in fields.get("action_path").items()]
                    images = fields.get("image_data").nodes()
                    if not len(frames) == len(images) == truth.count:
                        raise fields.fail(
                            f"expected one entry a contact frame in every field, found {len(frames)} in action_path, "
                            f"{len(images)} in image_data and {truth.count} in the SMPL fields"
                        )
            except InputError as error:
                log.failures[name] = str(error)
                continue
            log.count("contact frames", len(frames))
            to_camera = _Cameras(actions.get(name), log)
            for place in range(0, len(frames), request.every):
                for camera in cameras:
                    log.count(f"every {request.every}th contact frame, camera {' '.join(cameras)}")
                    stem = frames[place]
                    key = f"{name}_{camera}_{stem}0"
                    yield from made(
                        log, key, _processed_sample, key, images[place], camera, stem, truth, place, to_camera
                    )


class _ProcessedTruth:
    """The SMPL-X arrays of an action, checked against its frames."""

    def __init__(self, fields: Node) -> None:
        self._fields = fields
        self.count = len(fields.get("transl").array())
        # A frame whose SMPL-X fit failed was left out when the lists were made: every later index would be off.
        lengths = {name: len(fields.get(name).array()) for name in
                   ("smplx_betas", "smplx_global_orient", "smplx_body_pose", "smplx_transl")}  # fmt: skip
        short = {name: length for name, length in lengths.items() if length != self.count}
        if short:
            listed = ", ".join(f"{name} {length}" for name, length in short.items())
            raise fields.fail(
                f"expected {self.count} frames in the SMPL-X fields as in the SMPL fields, found {listed}: "
                "a missing fit shifts all later frames, so none can be used"
            )
        self._orient = fields.get("smplx_global_orient").floats((self.count, 2, 1, 3)).reshape(-1, 2, 3)
        self._pose = fields.get("smplx_body_pose").floats((self.count, 2, 21, 3))
        self._transl = fields.get("smplx_transl").floats((self.count, 2, 3))
        self._betas = fields.get("smplx_betas").array().astype(np.float32)

    def at(self, place: int, rotation: np.ndarray, translation: np.ndarray) -> Truth:
        """The truth of a frame.

        The arrays are in the "unit" frame, also those that aren't called so: the script that made them changed both
        in place.
        """
        return Truth(
            rotation=rotation @ HI4D_UNIT, translation=translation, global_orient=self._orient[place],
            body_pose=self._pose[place], betas=self._betas[place], transl=self._transl[place],
        )  # fmt: skip


class _Cameras:
    """World to camera of an action of the download; without it, the world as it is."""

    def __init__(self, action: _Sequence | None, log: Log) -> None:
        self._known: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        if action is not None:
            self._known, _ = read_cameras(action.folder)
        else:
            log.note(
                "Hi4D: without the download's cameras the truth stays in the world's frame: errors after alignment "
                "are right, MPJPE, vertex error and depth are not"
            )
        self.folder = None if action is None else action.folder

    def of(self, camera: str) -> tuple[np.ndarray, np.ndarray]:
        return self._known.get(camera, (np.eye(3), np.zeros(3)))


def _processed_sample(
    key: str, frame: Node, camera: str, stem: str, truth: _ProcessedTruth, place: int, cameras: _Cameras
) -> Sample | str:
    if not frame.has(camera):
        return f"camera {camera} is not in the file"
    named = frame.get(camera)
    if not named.has(stem):
        raise named.fail(f"expected frame {stem}, found {', '.join(map(str, named.names()[:5]))}")
    people = [named.get(stem).get(index) for index in (0, 1)]
    reason = _reason_to_drop(people)
    if reason:
        return reason
    image = None if cameras.folder is None else numbered_images(cameras.folder / "images" / camera).get(int(stem))
    return Sample(
        key=key, people=tuple(read_person(person) for person in people), image_size=np.array(IMAGE_SIZE),
        image=image, truth=truth.at(place, *cameras.of(camera)),
    )  # fmt: skip


def _reason_to_drop(people: list[Node]) -> str:
    """Why the published evaluation leaves a scene out; "" where it does not."""
    if not all(has_detection(person, "bev_human_idx") for person in people):
        return "a person without a BEV estimate"
    if not all(any(has_detection(p, f"{name}_human_idx") for name in ("vitpose", "openpose")) for p in people):
        return "a person without keypoints"
    return ""


def _from_list(content: Node, request: Request, log: Log) -> Iterator[Sample]:
    cameras = request.cameras or PUBLISHED_CAMERAS
    for item in content.nodes():
        try:
            name = Path(item.get("imgname").text()).stem
        except InputError as error:
            log.failures[f"item {item.where}"] = str(error)
            continue
        match = re.fullmatch(r"(\d\d)_(.+)_(\d+)_(\d{6})", name)
        if match is None:
            log.failures[name] = f"{item.source}: imgname {name!r}: expected PP_action_camera_frame"
            continue
        log.count("in the file")
        if match[3] not in cameras:
            continue
        log.count(f"camera {' '.join(cameras)}")
        key = f"{name}0"
        yield from made(log, key, _listed_sample, key, item)


def _listed_sample(key: str, item: Node) -> Sample | str:
    people = split_people(item)
    reason = _reason_to_drop(people)
    if reason:
        return reason
    size = np.array([item.get("img_width").integer(), item.get("img_height").integer()])
    truth = None
    if item.has("global_orient_cam_smplx") and item.has("body_pose_smplx"):
        truth = Truth(
            np.eye(3), np.zeros(3), item.get("global_orient_cam_smplx").floats((2, 3)),
            item.get("body_pose_smplx").floats((2, 63)).reshape(2, 21, 3),
            item.get("betas_smplx").array().astype(np.float32).reshape(2, -1),
            item.get("transl_cam_smplx").floats((2, 3)),
        )  # fmt: skip
    return Sample(key, tuple(read_person(person) for person in people), size, truth=truth)


def read_cameras(action: Path) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, np.ndarray]]:
    """The calibrated cameras of an action of the download.

    Returns:
      {camera: (rotation (3, 3), translation (3,))} with x_cam = R·x + t, and {camera: intrinsics (3, 3)}.
    """
    file = action / "cameras" / "rgb_cameras.npz"
    reader = FieldReader(file, read_npz(file))
    extrinsics, intrinsics = reader.floats("extrinsics", ("n", 3, 4)), reader.floats("intrinsics", ("n", 3, 3))
    ids = [str(int(name)) for name in reader.raw("ids").reshape(-1)]
    if not len(ids) == len(extrinsics) == len(intrinsics):
        raise reader.fail("ids", f"expected one name a camera, found {len(ids)} for {len(extrinsics)}")
    poses = {name: (e[:, :3].astype(np.float64), e[:, 3].astype(np.float64))
             for name, e in zip(ids, extrinsics, strict=True)}  # fmt: skip
    return poses, dict(zip(ids, intrinsics.astype(np.float64), strict=True))


def _from_download(
    actions: dict[str, _Sequence], pairs: frozenset[str] | None, request: Request, log: Log
) -> Iterator[Sample]:
    cameras = request.cameras or PUBLISHED_CAMERAS
    if pairs is not None:
        absent = sorted(pairs - {one.pair for one in actions.values()})
        if absent:
            log.note(f"Hi4D: of the split's {len(pairs)} pairs the download lacks {', '.join(absent)}")
    log.count("pairs", len({one.pair for one in actions.values() if pairs is None or one.pair in pairs}))
    for name, action in actions.items():
        if pairs is not None and action.pair not in pairs:
            continue
        log.count("actions")
        try:
            with as_input_error(name):
                frames = _contact_frames(action.folder)
                poses, intrinsics = read_cameras(action.folder)
        except InputError as error:
            log.failures[name] = str(error)
            continue
        log.count("contact frames", len(frames))
        images = {camera: numbered_images(action.folder / "images" / camera) for camera in cameras}
        for frame in frames[:: request.every]:
            for camera in cameras:
                log.count(f"every {request.every}th contact frame, camera {' '.join(cameras)}")
                key = f"{name}_{camera}_{frame:06d}0"
                calibrated = (poses.get(camera), intrinsics.get(camera))
                image = images[camera].get(frame)
                yield from made(log, key, _download_sample, key, action.folder, frame, camera, *calibrated, image)


def _contact_frames(action: Path) -> list[int]:
    file = action / "meta.npz"
    meta = read_archive(file)
    people = meta.get("num_persons").integer() if meta.has("num_persons") else 2
    if people != 2:
        raise InputError(f"{file}: field 'num_persons': expected 2, found {people}")
    return sorted(int(frame) for frame in meta.get("contact_ids").array().reshape(-1))


def _download_sample(
    key: str,
    action: Path,
    frame: int,
    camera: str,
    pose: tuple[np.ndarray, np.ndarray] | None,
    intrinsics: np.ndarray | None,
    image: Path | None,
) -> Sample | str:
    if pose is None or intrinsics is None:
        raise InputError(f"{action}: camera {camera} is not calibrated")
    file = action / "smpl" / f"{frame:06d}.npz"
    reader = FieldReader(file, read_npz(file))
    joints = reader.floats("joints_3d", (2, 24, 3))[:, :22]
    poses = np.concatenate(
        [
            reader.floats("global_orient", (2, 3))[:, None],
            reader.floats("body_pose", (2, 69)).reshape(2, 23, 3)[:, :21],
        ],
        axis=1,
    )
    rotation, translation = pose
    truth = Truth(rotation, translation, joints=joints, pose=poses)
    # The SMPL file says who is person 0: detections are told apart by where the true joints are seen.
    seen = joints @ rotation.T + translation
    projected = seen @ intrinsics.T
    pixels = np.concatenate([projected[..., :2] / projected[..., 2:], np.ones((2, 22, 1))], axis=-1)
    wanted = np.zeros((2, 25, 3), np.float32)
    wanted[:, BODY25_SOURCE >= 0] = pixels[:, BODY25_SOURCE[BODY25_SOURCE >= 0]]
    stem = f"{frame:06d}"
    bev = action / "bev" / camera / f"{stem}_0.08.npz"
    if not bev.is_file():
        return f"no detector files beside the images (bev/{camera}/FRAME_0.08.npz, vitpose/{camera}/…)"
    keypoint_files = [action / "vitpose" / camera / f"{stem}_keypoints.json",
                      action / "openpose" / camera / f"{stem}.json"]  # fmt: skip
    people = match_detections(wanted, read_guesses(bev), read_detections(keypoint_files))
    if any(person.guess is None for person in people):
        return "a person without a BEV estimate"
    if any(person.keypoints is None for person in people):
        return "a person without keypoints"
    return Sample(key, tuple(people), np.array(IMAGE_SIZE), image=image, truth=truth)


def match_detections(wanted: np.ndarray, guesses: list[Guess], detections: np.ndarray) -> list[Person]:
    """The estimates and keypoints of people whose places (P, 25, 3) in the image are known."""
    shown = [guess_keypoints(guess) for guess in guesses]
    seen = np.array([points if points is not None else np.zeros((25, 3)) for points in shown]).reshape(-1, 25, 3)
    guess_of = dict(match_people(wanted, seen, ESTIMATE_LIMIT))
    keypoints_of = dict(match_people(wanted, detections, ESTIMATE_LIMIT)) if len(detections) else {}
    return [
        Person(
            guesses[guess_of[i]] if i in guess_of else None, detections[keypoints_of[i]] if i in keypoints_of else None
        )
        for i in range(len(wanted))
    ]
