"""CHI3D: the download and the files that BUDDI and ProsePose made of it (docs/datasets.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.datasets.files import read_object
from prosepose_jax.datasets.frames import axis_angle
from prosepose_jax.datasets.layout import Log, Request, existing, find_image, first_with, made, nothing_found
from prosepose_jax.datasets.people import INDICES, has_detection, read_person, split_people
from prosepose_jax.datasets.pickles import Node, read_pickle
from prosepose_jax.datasets.samples import Sample, Truth
from prosepose_jax.errors import InputError
from prosepose_jax.importing._foreign import float_array
from prosepose_jax.io.scenes import NUM_REGIONS
from prosepose_jax.untrusted import as_input_error

CAMERAS = ("50591643", "58860488", "60457274", "65906101")
IMAGE_SIZE = (900, 900)
SUBJECTS = {"train": ("s02", "s04"), "val": ("s02",), "test": ("s03",)}
"""BUDDI trains on s02 and s04; ProsePose tunes on s02; both report s03, the published test row."""

# joints3d_25 of the tree's joints: pelvis, hips, knees, ankles, head, shoulders, elbows, wrists.
_TREE = {0: 0, 1: 1, 4: 2, 7: 3, 2: 4, 5: 5, 8: 6, 15: 10, 16: 11, 18: 12, 20: 13, 17: 14, 19: 15, 21: 16}
_EXPECTED = (
    "train/sNN/{camera_parameters, smplx, interaction_contact_signature.json} (the download), in it or in "
    "original/CHI3D",
    "train/{images_contact_processed.pkl or …_optimization.pkl}, in it or in processed/CHI3D",
)


def samples(request: Request, log: Log) -> Iterator[Sample]:
    """The contact frames of a split's subjects, each seen by four cameras.

    Raises:
      InputError: no estimates are there, or the split is unknown.
    """
    root = request.root
    subjects = SUBJECTS.get(request.split, (request.split,))
    if request.split not in SUBJECTS and not re.fullmatch(r"s\d\d", request.split):
        raise InputError(f"--split={request.split}: CHI3D has {', '.join(SUBJECTS)}, or a subject such as s03")
    processed = first_with(
        [root / "train", root / "processed" / "CHI3D" / "train", root / "CHI3D" / "train", root],
        "images_contact_processed.pkl", "*_optimization.pkl",
    )  # fmt: skip
    download = first_with(
        [root / "train", root / "original" / "CHI3D" / "train", root / "CHI3D" / "train", root / "original" / "train"],
        "s[0-9][0-9]/interaction_contact_signature.json",
    )
    if processed is None:
        if download is not None:
            raise InputError(
                f"{root}: the download of CHI3D is there, but no estimates: expected images_contact_processed.pkl or "
                "…_optimization.pkl in processed/CHI3D/train"
            )
        raise nothing_found("CHI3D", root, _EXPECTED)
    log.note(f"CHI3D: split {request.split} = {', '.join(subjects)}")
    truths = _Truths(download, log)
    persons = processed / "images_contact_processed.pkl"
    if persons.is_file() and download is not None:
        log.note(f"CHI3D: people from {persons.name}, contacts and truth from the download")
        yield from _from_persons(read_pickle(persons), processed, subjects, truths, request, log)
        return
    files = sorted(processed.glob("*_optimization.pkl"))
    if not files:
        raise InputError(
            f"{processed}: {persons.name} needs the download of CHI3D for contacts and truth, and it is not there"
        )
    log.note(f"CHI3D: read from {', '.join(file.name for file in files)}")
    yield from _from_lists(files, processed, subjects, truths, request, log)


def _from_persons(
    content: Node, processed: Path, subjects: tuple[str, ...], truths: _Truths, request: Request, log: Log
) -> Iterator[Sample]:
    cameras = request.cameras or CAMERAS
    for subject in subjects:
        if not content.has(subject):
            log.note(f"CHI3D: subject {subject} is not in {Path(content.source).name}")
            continue
        images = content.get(subject)
        for action, contact in truths.annotated(subject).items():
            log.count("actions")
            for camera in cameras:
                log.count(f"contact frames × {len(cameras)} cameras")
                stem = f"{action}_{contact.frame:06d}_{camera}"
                key = f"{subject}_{stem}_0"
                place = (subject, action, contact.frame, camera)
                yield from made(log, key, _processed_sample, key, images, stem, place, contact, processed, truths)


def _from_lists(
    files: list[Path], processed: Path, subjects: tuple[str, ...], truths: _Truths, request: Request, log: Log
) -> Iterator[Sample]:
    cameras = request.cameras or CAMERAS
    done: set[str] = set()
    for file in files:
        for item in read_pickle(file).nodes():
            try:
                key = item.get("img_out_fn").text()
            except InputError as error:
                log.failures[f"{file.name}{item.where}"] = str(error)
                continue
            match = re.fullmatch(r"(s\d\d)_(.+)_(\d{6})_(\d+)_0", key)
            if match is None:
                log.failures[key] = f"{item.source}: img_out_fn: expected SUBJECT_action_frame_camera_0, found {key!r}"
                continue
            subject, action, frame, camera = match[1], match[2], int(match[3]), match[4]
            if subject not in subjects or camera not in cameras or key in done:
                continue

            def seen(key: str = key) -> None:
                done.add(key)
                log.count(f"contact frames × {len(cameras)} cameras")

            place = (subject, action, frame, camera)
            yield from made(log, key, _listed_sample, key, item, place, processed, truths, seen)
    # A clip that starts at its contact frame has lost it when the lists were made.
    for subject in subjects:
        for action, contact in truths.annotated(subject).items():
            lost = [c for c in cameras if f"{subject}_{action}_{contact.frame:06d}_{c}_0" not in done]
            if len(lost) == len(cameras):
                log.note(f"CHI3D: the contact frame {contact.frame} of {subject}, {action} is in none of the lists")


_Place = tuple[str, str, int, str]  # subject, action, frame, camera


def _processed_sample(
    key: str, images: Node, stem: str, place: _Place, contact: _Contact, processed: Path, truths: _Truths
) -> Sample | str:
    if not images.has(stem):
        return "not in the processed file"
    people = [images.get(stem).get(index) for index in (0, 1)]
    if not _complete(people):
        return _INCOMPLETE
    return Sample(
        key=key,
        people=tuple(read_person(person) for person in people),
        image_size=np.array(IMAGE_SIZE),
        image=find_image([processed / place[0] / "images"], stem),
        truth=truths.of(*place),
        region_pairs=contact.region_pairs,
    )


def _listed_sample(
    key: str, item: Node, place: _Place, processed: Path, truths: _Truths, seen: Callable[[], None]
) -> Sample | str | None:
    if not item.get("is_contact_frame").flag():
        return None
    seen()
    people = split_people(item)
    if not _complete(people):
        return _INCOMPLETE
    subject, action, frame, camera = place
    return Sample(
        key=key,
        people=tuple(read_person(person) for person in people),
        image_size=np.array(IMAGE_SIZE),
        image=find_image([processed / subject / "images"], f"{action}_{frame:06d}_{camera}"),
        truth=truths.of(*place) or _list_truth(item),
        region_pairs=_region_pairs(item),
    )


_INCOMPLETE = "a detector missed a person"


def _complete(people: list[Node]) -> bool:
    """The published rule: all four detectors found both people."""
    return all(has_detection(person, index) for person in people for index in INDICES)


def _list_truth(item: Node) -> Truth | None:
    """The truth that a cached list carries, in the camera's frame."""
    names = ("global_orient_cam", "transl_cam", "body_pose", "betas")
    if not all(item.has(name) for name in names):
        return None
    return Truth(
        np.eye(3), np.zeros(3), item.get(names[0]).floats((2, 1, 3))[:, 0],
        item.get(names[2]).floats((2, 1, 63)).reshape(2, 21, 3),
        item.get(names[3]).array().astype(np.float32).reshape(2, -1), item.get(names[1]).floats((2, 1, 3))[:, 0],
    )  # fmt: skip


def _region_pairs(item: Node) -> np.ndarray | None:
    """(C, 2) from the contact map [region of person 0, region of person 1]."""
    if item.has("contact_map"):
        table = item.get("contact_map").array()
        if table.shape != (NUM_REGIONS, NUM_REGIONS):
            raise item.fail(f"contact_map: expected shape {(NUM_REGIONS, NUM_REGIONS)}, found {table.shape}")
        return np.argwhere(table.astype(bool)).astype(np.int32)
    if item.has("hhc_contacts_region_ids"):
        return item.get("hhc_contacts_region_ids").array().astype(np.int32).reshape(-1, 2)
    return None


class _Contact:
    """An annotated contact of an action."""

    def __init__(self, path: Path, action: str, entry: Any) -> None:
        if not isinstance(entry, dict) or not isinstance(entry.get("fr_id"), int):
            raise InputError(f"{path}: action {action!r}: field 'fr_id': expected the number of the annotated frame")
        self.frame: int = entry["fr_id"]
        signature = entry.get("smplx_signature")
        regions = signature.get("region_id") if isinstance(signature, dict) else None
        if not isinstance(regions, list):
            raise InputError(f"{path}: action {action!r}: field 'smplx_signature.region_id': expected pairs of regions")
        table = float_array(path, f"{action}.smplx_signature.region_id", regions or np.zeros((0, 2)), ("C", 2))
        if (table < 0).any() or (table >= NUM_REGIONS).any():
            raise InputError(f"{path}: action {action!r}: expected region ids from 0 to {NUM_REGIONS - 1}")
        self.region_pairs = table.astype(np.int32)


class _Truths:
    """Contacts, parameters and cameras of the download, an action at a time."""

    def __init__(self, folder: Path | None, log: Log) -> None:
        self._folder, self._log = folder, log
        self._contacts: dict[str, dict[str, _Contact]] = {}
        self._action: tuple[str, str] | None = None
        self._fields: dict[str, np.ndarray] | None = None

    def annotated(self, subject: str) -> dict[str, _Contact]:
        """{action: its annotated contact} of a subject; empty without the download."""
        if subject not in self._contacts:
            found: dict[str, _Contact] = {}
            file = None if self._folder is None else self._folder / subject / "interaction_contact_signature.json"
            if file is not None and file.is_file():
                entries = read_object(file, "{action: {fr_id, smplx_signature}}")
                for action, entry in entries.items():
                    try:
                        with as_input_error(file):
                            found[action] = _Contact(file, action, entry)
                    except InputError as error:
                        self._log.failures[f"{subject}_{action}"] = str(error)
            elif self._folder is not None:
                self._log.note(f"CHI3D: {subject}/interaction_contact_signature.json is missing")
            self._contacts[subject] = found
        return self._contacts[subject]

    def of(self, subject: str, action: str, frame: int, camera: str) -> Truth | None:
        """The truth of a frame in a camera; None without the download's files."""
        if self._folder is None:
            return None
        base = self._folder / subject
        parameters, place = base / "smplx" / f"{action}.json", base / "camera_parameters" / camera / f"{action}.json"
        missing = [file for file in (parameters, place) if not file.is_file()]
        if missing:
            self._log.note(f"CHI3D: {subject}: {missing[0].relative_to(base)} and perhaps others are missing: no truth")
            return None
        if self._action != (subject, action):
            self._action, self._fields = (subject, action), self._read(parameters, base, action)
        fields = self._fields
        assert fields is not None
        if not 0 <= frame < fields["transl"].shape[1]:
            raise InputError(f"{parameters}: frame {frame} is beyond its {fields['transl'].shape[1]} frames")
        extrinsics = read_object(place, "{extrinsics, …}").get("extrinsics", {})
        rotation = float_array(place, "extrinsics.R", extrinsics.get("R"), (3, 3)).astype(np.float64)
        centre = np.asarray(extrinsics.get("T"), np.float64).reshape(3)
        joints = fields.get("joints")
        return Truth(
            # T is where the camera stands: x_cam = R (x - T).
            rotation=rotation, translation=-rotation @ centre,
            global_orient=axis_angle(fields["global_orient"][:, frame, 0]),
            body_pose=axis_angle(fields["body_pose"][:, frame]),
            betas=fields["betas"][:, frame], transl=fields["transl"][:, frame],
            joints=None if joints is None else joints[:, frame],
            pose=axis_angle(np.concatenate([fields["global_orient"], fields["body_pose"]], axis=2)[:, frame]),
        )  # fmt: skip

    def _read(self, file: Path, base: Path, action: str) -> dict[str, np.ndarray]:
        data = read_object(file, "{transl, global_orient, …}")
        transl = float_array(file, "transl", data.get("transl"), (2, "T", 3))
        count = transl.shape[1]
        fields = {
            "transl": transl,
            # Rotation matrices, not axis-angle.
            "global_orient": float_array(file, "global_orient", data.get("global_orient"), (2, count, 1, 3, 3)),
            "body_pose": float_array(file, "body_pose", data.get("body_pose"), (2, count, 21, 3, 3)),
            "betas": float_array(file, "betas", data.get("betas"), (2, count, "B")),
        }
        skeleton = existing([base / "joints3d_25" / f"{action}.json"])
        if skeleton is not None:
            content = read_object(skeleton, "{joints3d_25}")
            points = float_array(skeleton, "joints3d_25", content.get("joints3d_25"), (2, count, 25, 3))
            joints = np.full((2, count, 22, 3), np.nan, np.float32)
            for joint, place in _TREE.items():
                joints[:, :, joint] = points[:, :, place]
            fields["joints"] = joints
        return fields
