"""MOYO: single yoga poses, the middle frame of every clip as camera 5 sees it (docs/datasets.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prosepose_jax.datasets.files import read_object
from prosepose_jax.datasets.layout import Log, Request, existing, find_image, first_with, made, nothing_found
from prosepose_jax.datasets.people import guess_keypoints, read_detections, read_guesses
from prosepose_jax.datasets.samples import Guess, Person, Sample, Truth
from prosepose_jax.errors import InputError
from prosepose_jax.importing._foreign import float_array
from prosepose_jax.importing.matching import ESTIMATE_LIMIT, match_people, person_box
from prosepose_jax.io._npz import FieldReader, read_npz
from prosepose_jax.io.pictures import picture_size
from prosepose_jax.untrusted import read_json

SPLITS = {"test": "test", "val": "trainval", "trainval": "trainval", "train": "trainval"}
HALF_SIZE = (2056, 1504)
_SUBSET = "moyo_cam05_centerframe"
_KEY = re.compile(r"(.+)_YOGI_Cam_(\d\d)_(\d+)")
_SEQUENCE = re.compile(r"(\d{6})_.*?_(\d{5})_(.+?)(?:_stageii)?")
# Two keys carry the name that a script gave their files instead of the pose's.
_RENAMED = {"RENAME_A1": "Koundinyanasana_I_and_II-b", "RENAME_A2": "Koundinyanasana_I_and_II-a"}
_BETAS = 10  # the protocol's, of the 16 in the file
_TRAIN_FIRST = ("train", "val")
_EXPECTED = (
    f"original/{_SUBSET}/{{trainval,test}}/{{images, hmr2, vitpose, openpose}} with "
    f"processed/{_SUBSET}/{{trainval,test}}_keys.json",
    "…_stageii.npz of AMASS anywhere below, for the truth",
)


def samples(request: Request, log: Log) -> Iterator[Sample]:
    """The frames of a split's list of keys.

    Raises:
      InputError: the folders are not there, or the split is unknown.
    """
    root = request.root
    if request.split not in SPLITS:
        raise InputError(f"--split={request.split}: MOYO has test and val (the released list trainval)")
    split = SPLITS[request.split]
    folder = first_with(
        [root / split, root / _SUBSET / split, root / "original" / _SUBSET / split], "hmr2/*", "vitpose/*", "images/*"
    )
    if folder is None:
        raise nothing_found("MOYO", root, _EXPECTED)
    file = existing(
        place / f"{split}_keys.json"
        for place in (root, root / "processed" / _SUBSET, root / _SUBSET, folder, folder.parent)
    )
    if file is not None:
        keys = read_json(file)
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise InputError(f"{file}: expected a list of keys POSE_YOGI_Cam_05_FRAME")
        log.note(f"MOYO: {len(keys)} keys of {file.name}")
    else:
        keys = sorted(p.stem for p in (folder / "images").iterdir() if _KEY.fullmatch(p.stem))
        log.note(f"MOYO: {split}_keys.json is missing: the images of the folder are read")
    truths = _Truths(root, request.mocap_frames, log)
    for name in keys:
        log.count("keys")
        key = f"{name}_0"
        yield from made(log, key, _sample, key, name, folder, truths)


def _sample(key: str, name: str, folder: Path, truths: _Truths) -> Sample | str:
    match = _KEY.fullmatch(name)
    if match is None:
        raise InputError(f"{folder}: key {name!r}: expected POSE_YOGI_Cam_NN_FRAME")
    image = find_image([folder / "images"], name)
    size = np.array(picture_size(image) if image is not None else HALF_SIZE)
    file = existing([folder / "hmr2" / f"{name}_0.08.npz"])
    if file is None:
        return "no HMR2 file"
    guesses = read_guesses(file)
    detections = read_detections([folder / "vitpose" / f"{name}_keypoints.json", folder / "openpose" / f"{name}.json"])
    if not len(detections):
        return "no keypoints"
    # The largest detected person, and the estimate of the same one.
    sizes = [float(np.prod(np.maximum(person_box(one)[2:] - person_box(one)[:2], 0.0))) for one in detections]
    person = detections[int(np.argmax(sizes))]
    shown = [guess_keypoints(guess) for guess in guesses]
    if len(guesses) == 1 and shown[0] is None:
        chosen: int | None = 0
    else:
        seen = np.array([points if points is not None else np.zeros((25, 3)) for points in shown]).reshape(-1, 25, 3)
        chosen = dict(match_people(person[None], seen, ESTIMATE_LIMIT)).get(0)
    if chosen is None:
        return "no HMR2 estimate where the keypoints are"
    truth = truths.of(match[1], match[2], int(match[3]))
    if truth is None:
        return "no truth"
    return Sample(
        key, (Person(guesses[chosen], person),), size, image=image, focal=_focal(guesses[chosen], size), truth=truth
    )


def _focal(guess: Guess, size: np.ndarray) -> float | None:
    """The focal length under which a guess's joints are projected to where it says; None where it can't be told."""
    if guess.joints is None or guess.joints_px is None:
        return None
    points = (guess.joints - guess.joints[[45, 46]].mean(axis=0) + guess.cam_trans).astype(np.float64)
    if not (points[:, 2] > 0).all():
        return None
    ratio = points[:, :2] / points[:, 2:]
    offset = guess.joints_px - np.asarray(size) / 2
    focal = float(np.sum(ratio * offset) / np.sum(ratio * ratio))
    residual = float(np.abs(ratio * focal - offset).max())
    return focal if focal > 0 and residual < 0.02 * float(np.max(size)) else None


class _Truths:
    """Motion capture and cameras, found below the dataset's folder."""

    def __init__(self, root: Path, mocap_frames: str, log: Log) -> None:
        if mocap_frames not in ("published", "toolkit"):
            raise InputError(f"mocap_frames: expected published or toolkit, found {mocap_frames!r}")
        self._rule, self._log = mocap_frames, log
        self._sequences: dict[str, list[Path]] = {}
        for file in sorted(root.rglob("*_stageii.npz"), key=_train_first):
            match = _SEQUENCE.fullmatch(file.stem)
            if match:
                self._sequences.setdefault(match[3], []).append(file)
        self._cameras = sorted(root.rglob("cameras_param.json"))
        if not self._sequences:
            log.note("MOYO: no …_stageii.npz of AMASS was found: no truth, and no scene without")

    def of(self, pose: str, camera: str, image: int) -> Truth | None:
        """The truth of a frame; None where the pose has no motion capture."""
        for mark, name in _RENAMED.items():
            pose = pose.replace(mark, name)
        # Whole names only: one pose's name may begin another's.
        files = self._sequences.get(pose, [])
        if not files:
            self._log.note(f"MOYO: no motion capture of {pose}")
            return None
        if len(files) > 1:
            self._log.note(f"MOYO: {len(files)} recordings of {pose}; the first is taken, the train folder before val")
        file = files[0]
        reader = FieldReader(file, read_npz(file))
        poses = reader.floats("poses", ("N", 165))
        frame = self._mocap_frame(image, reader, len(poses))
        rotation, translation = self._camera(file, camera)
        betas = reader.floats("betas", ("B",))[:_BETAS]
        return Truth(
            rotation, translation, global_orient=poses[frame, None, :3],
            body_pose=poses[frame, 3:66].reshape(1, 21, 3), betas=betas[None],
            transl=reader.floats("trans", (len(poses), 3))[frame, None],
        )  # fmt: skip

    def _mocap_frame(self, image: int, reader: FieldReader, count: int) -> int:
        rate = 60.0
        if reader.has("mocap_frame_rate"):
            rate = float(np.asarray(reader.raw("mocap_frame_rate")).reshape(-1)[0])
        if abs(rate - 60.0) > 0.5:
            raise reader.fail("mocap_frame_rate", f"expected 60 (images come at 30), found {rate:g}")
        frame = 2 * image if self._rule == "published" else 2 * (image - 1)
        if not 0 <= frame < count:
            raise InputError(f"{reader.path}: image {image} is mocap frame {frame}, but there are {count}")
        return frame

    def _camera(self, sequence: Path, camera: str) -> tuple[np.ndarray, np.ndarray]:
        """World to camera: x_cam = R (x - position), the position in the file in millimetres."""
        match = _SEQUENCE.fullmatch(sequence.stem)
        date = match[1] if match else ""
        files = [file for file in self._cameras if any(part.startswith(date) for part in file.parts[-3:-1])]
        if not files:
            self._log.note(
                "MOYO: cameras_param.json of a day is missing: the truth stays in the world's frame; errors after "
                "alignment are right, MPJPE and vertex error are not"
            )
            return np.eye(3), np.zeros(3)
        if len(files) > 1:
            self._log.note(f"MOYO: {len(files)} calibrations of {date} (morning, afternoon); the first is taken")
        data = read_object(files[0], "{cam_N: {rotation, position}}")
        name = next((n for n in (f"cam_{int(camera)}", f"cam_{camera}") if n in data), None)
        if name is None:
            raise InputError(f"{files[0]}: no cam_{int(camera)}; found {', '.join(sorted(data))}")
        rotation = float_array(files[0], f"{name}.rotation", data[name].get("rotation"), (3, 3)).astype(np.float64)
        position = float_array(files[0], f"{name}.position", data[name].get("position"), (3,)).astype(np.float64)
        return rotation, -rotation @ (position / 1000.0)


def _train_first(file: Path) -> tuple[int, str]:
    folder = next((part for part in reversed(file.parts[:-1]) if part in _TRAIN_FIRST), "")
    return (_TRAIN_FIRST.index(folder) if folder else len(_TRAIN_FIRST), str(file))
