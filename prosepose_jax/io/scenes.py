"""Scene files: `SCENES/<key>.npz`, read with every field checked, written in one step.

docs/formats.md ("Scenes") lists the fields. A bad scene is reported by name and never stops the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.io._npz import FieldReader, read_npz
from prosepose_jax.io.atomic import write_npz
from prosepose_jax.io.image_paths import ANYWHERE, INSIDE, ImageRefused, ImageRule, image_path
from prosepose_jax.scene import Scene
from prosepose_jax.untrusted import as_input_error, budgets, shown

MAX_BETAS = 10
NUM_REGIONS = 75
MAX_KEY_BYTES = 200
"""Names of files have 255 bytes; endings and the marks of temporary files are added to a key."""

# Detectors write confidences in float32: what rounding adds above 1 is not an error.
_CONFIDENCE_SLACK = 1e-4
# A keypoint farther from the origin than this many times the larger image side is no detection.
_FAR_SIDES = 100.0
# Metres, radians and shape units of people, and pixels of cameras. No photograph of people comes near; far beyond, the
# squares of distances leave the range of floats.
_LARGEST, _LARGEST_PX = 1e6, 1e9
_OF_CAMERAS = ("focal_length", "principal_point", "image_size")
_HANDS = ("left_hand_pose", "right_hand_pose")
_OPTIONAL_POSES: dict[str, tuple[int | str, ...]] = {
    "left_hand_pose": (15, 3),
    "right_hand_pose": (15, 3),
    "jaw_pose": (3,),
    "expression": ("E",),
}
_TRUTH = ("gt_global_orient", "gt_body_pose", "gt_betas", "gt_transl")

# What is read: a further field is ignored, whatever it holds.
_FIELDS = frozenset(
    ("global_orient", "body_pose", "betas", "transl", "keypoints", "focal_length", "principal_point", "image_size",
     "kid_scale", "keypoints_hands", "agreement", "image", "gt_contacts", "gt_region_pairs", "gt_kid_scale",
     *_OPTIONAL_POSES, *_TRUTH)
)  # fmt: skip

# Part names that gt_contacts may use: the parts of the contact vocabulary, the side named where there are two.
_SIDED = ("hand", "arm", "foot", "leg", "shoulder", "shoulder (front)", "shoulder (back)")
_UNSIDED = ("back", "head", "neck", "butt", "waist", "waist (back)", "waist (front)", "chest", "stomach")
CONTACT_PART_NAMES: tuple[str, ...] = (
    *(f"{side} {part}" for part in _SIDED for side in ("left", "right")),
    *_UNSIDED,
)


class SceneSet(Sequence[Scene]):
    """The scenes of a folder in the order of their keys, and why others could not be read.

    Attributes:
      failures: {key: reason} of the scene files that could not be used.
      notes: {key: reason} of the scenes that are used without their picture.
    """

    def __init__(
        self, scenes: Iterable[Scene], failures: dict[str, str] | None = None, notes: dict[str, str] | None = None
    ):
        self._scenes = tuple(scenes)
        self.failures: dict[str, str] = dict(failures or {})
        self.notes: dict[str, str] = dict(notes or {})

    @overload
    def __getitem__(self, index: int) -> Scene: ...
    @overload
    def __getitem__(self, index: slice) -> SceneSet: ...
    def __getitem__(self, index: int | slice) -> Scene | SceneSet:
        if isinstance(index, slice):
            return SceneSet(self._scenes[index], self.failures, self.notes)
        return self._scenes[index]

    def __len__(self) -> int:
        return len(self._scenes)

    def __iter__(self) -> Iterator[Scene]:
        return iter(self._scenes)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the readable scenes."""
        return tuple(scene.key for scene in self._scenes)

    def __repr__(self) -> str:
        return f"SceneSet({len(self)} scenes, {len(self.failures)} failures)"


def load_scenes(folder: str | os.PathLike[str], images: ImageRule = INSIDE) -> SceneSet:
    """All scenes of a folder (`*.npz`, sorted by name; hidden and temporary files are left out).

    Args:
      folder: the folder of the scene files.
      images: where their pictures may lie; a scene that names another one is read without it (`.notes`).

    Returns:
      The readable scenes; the others are in `.failures` with their reason.

    Raises:
      InputError: there is no such folder, or no scene file in it.
    """
    scenes, failures, notes = [], {}, {}
    for file in scene_files(folder):
        try:
            scene, note = load_scene_noted(file, images)
        except InputError as error:
            failures[shown(file.stem)] = str(error)
            continue
        scenes.append(scene)
        if note:
            notes[file.stem] = note
    return SceneSet(scenes, failures, notes)


def load_scene_noted(file: str | os.PathLike[str], images: ImageRule = INSIDE) -> tuple[Scene, str]:
    """`load_scene`; a scene whose picture lies elsewhere is read without it, and a note says so, else "".

    Raises:
      InputError: as `load_scene`, besides pictures.
    """
    try:
        return load_scene(file, images), ""
    except ImageRefused as error:
        return load_scene(file, None), str(error)


def scene_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The scene files of a folder in the order of their keys; hidden and temporary files are left out.

    What is called like one and is none (a folder, a pipe, a link to nowhere) is among them: reading names it.

    Raises:
      InputError: there is no such folder, or no scene file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of scene files (<key>.npz), found {_what_is(folder)}")
    files = sorted(p for p in folder.glob("*.npz") if not p.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: no scene files; expected at least one <key>.npz")
    return files


def load_scene(file: str | os.PathLike[str], images: ImageRule | None = INSIDE) -> Scene:
    """One scene file, every field checked (docs/formats.md, "Scenes").

    Shape coefficients are padded with zeros to ten. The image path is resolved against the file's folder.

    Args:
      file: the scene's file.
      images: where its picture may lie; None: the field `image` is not read.

    Raises:
      InputError: the message names the file, the field, what was expected and what was found.
    """
    file = Path(file)
    check_key(file.stem)
    with as_input_error(file, "not a readable scene"):
        return _scene_from_arrays(file, read_npz(file, _FIELDS, budgets.SCENE_BYTES), images)


def _scene_from_arrays(file: Path, arrays: dict[str, np.ndarray], images: ImageRule | None) -> Scene:
    reader = FieldReader(file, arrays)
    _check_sizes(reader)
    global_orient = reader.floats("global_orient", ("P", 3))
    num_people = global_orient.shape[0]
    if num_people < 1:
        raise reader.fail("global_orient", "expected at least one person, found shape (0, 3)")
    focal = reader.floats("focal_length", () if reader.raw("focal_length").ndim == 0 else (2,))
    if not (focal > 0).all():
        raise reader.fail("focal_length", f"expected a positive number of pixels, found {focal.tolist()}")
    image_size = reader.floats("image_size", (2,))
    if not (image_size > 0).all():
        raise reader.fail("image_size", f"expected positive (width, height), found {image_size.tolist()}")
    principal = reader.floats("principal_point", (2,)) if reader.has("principal_point") else image_size / 2.0

    optional: dict[str, Any] = {
        name: _pose(reader, name, (num_people, *shape)) for name, shape in _OPTIONAL_POSES.items() if reader.has(name)
    }
    if reader.has("kid_scale"):
        optional["kid_scale"] = reader.floats("kid_scale", (num_people,))
    if reader.has("agreement"):
        optional["agreement"] = reader.floats("agreement", (num_people,), finite=False)
    larger_side = float(image_size.max())
    if reader.has("keypoints_hands"):
        optional["keypoints_hands"] = _points(reader, "keypoints_hands", (num_people, 2, 21, 3), larger_side)
    if images is not None and reader.has("image") and reader.text("image"):
        optional["image"] = image_path(file, reader.text("image"), images)
    optional |= _truth(reader, num_people)
    if reader.has("gt_contacts"):
        optional["gt_contacts"] = _contacts(reader)
    if reader.has("gt_region_pairs"):
        optional["gt_region_pairs"] = _region_pairs(reader)

    return Scene(
        key=file.stem,
        global_orient=global_orient,
        body_pose=reader.floats("body_pose", (num_people, 21, 3)),
        betas=_betas(reader, "betas", num_people),
        transl=reader.floats("transl", (num_people, 3)),
        keypoints=_keypoints(reader, num_people, larger_side),
        focal_length=np.broadcast_to(focal, (2,)).copy(),
        principal_point=principal,
        image_size=image_size,
        **optional,
    )


def _check_sizes(reader: FieldReader) -> None:
    """Raises InputError for numbers that no people and no camera have; others look at NaN and at keypoints."""
    for name, array in reader.arrays.items():
        if array.dtype.kind in "fiu" and array.size and not name.startswith(("keypoints", "gt_region")):
            most = _LARGEST_PX if name in _OF_CAMERAS else _LARGEST
            largest = float(np.abs(np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)).max())
            if largest > most:
                raise reader.fail(name, f"expected numbers of finite size, at most {most:g}, found {largest:g}")


def _pose(reader: FieldReader, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
    if name in _HANDS and reader.raw(name).ndim == 2:  # as SMPL-X files write hands: 15 joints in one row
        return reader.floats(name, (shape[0], 45)).reshape(-1, 15, 3)
    return reader.floats(name, shape)


def _keypoints(reader: FieldReader, num_people: int, larger_side: float) -> np.ndarray:
    keypoints = _points(reader, "keypoints", (num_people, 25, 3), larger_side)
    for person in range(num_people):
        if not (keypoints[person, :, 2] > 0).any():
            raise reader.fail(
                "keypoints", f"no visible keypoints for person {person}; expected at least one with confidence > 0"
            )
    return keypoints


def _points(reader: FieldReader, name: str, shape: tuple[int, ...], larger_side: float) -> np.ndarray:
    """Image points (…, 3): x, y, confidence."""
    points = reader.floats(name, shape, finite=False)
    # Confidence 0 means missing: some detectors write NaN as the position then.
    points[..., :2][points[..., 2] == 0] = 0.0
    reader.check_finite(name, points)
    confidence = points[..., 2]
    if (confidence < 0).any() or (confidence > 1 + _CONFIDENCE_SLACK).any():
        low, high = float(confidence.min()), float(confidence.max())
        raise reader.fail(name, f"expected confidences in [0, 1], found values from {low:g} to {high:g}")
    farthest, limit = float(np.abs(points[..., :2]).max()), _FAR_SIDES * larger_side
    if farthest > limit:
        raise reader.fail(name, f"expected positions in pixels, at most {limit:g} from 0; found {farthest:g}")
    points[..., 2] = np.clip(confidence, 0.0, 1.0)
    return points


def _betas(reader: FieldReader, name: str, num_people: int) -> np.ndarray:
    betas = reader.floats(name, (num_people, "B"))
    if betas.shape[1] > MAX_BETAS:
        raise reader.fail(name, f"expected at most {MAX_BETAS} shape coefficients, found {betas.shape[1]}")
    return np.pad(betas, ((0, 0), (0, MAX_BETAS - betas.shape[1])))


def _truth(reader: FieldReader, num_people: int) -> dict[str, np.ndarray]:
    present = [name for name in _TRUTH if reader.has(name)]
    if not present:
        return {}
    missing = [name for name in _TRUTH if name not in present]
    if missing:
        raise reader.fail(present[0], f"ground truth needs all of {', '.join(_TRUTH)}; missing: {', '.join(missing)}")
    return {
        "gt_global_orient": reader.floats("gt_global_orient", (num_people, 3)),
        "gt_body_pose": reader.floats("gt_body_pose", (num_people, 21, 3)),
        "gt_betas": _betas(reader, "gt_betas", num_people),
        "gt_transl": reader.floats("gt_transl", (num_people, 3)),
        **({"gt_kid_scale": reader.floats("gt_kid_scale", (num_people,))} if reader.has("gt_kid_scale") else {}),
    }


def _contacts(reader: FieldReader) -> tuple[tuple[str, str], ...]:
    array = reader.raw("gt_contacts")
    if array.ndim != 2 or array.shape[1] != 2:
        raise reader.fail("gt_contacts", f"expected shape (C, 2), found {array.shape}")
    if array.size and array.dtype.kind != "U":
        raise reader.fail("gt_contacts", f"expected strings, found dtype {array.dtype}")
    pairs = tuple((str(a), str(b)) for a, b in array)
    for name in sorted({name for pair in pairs for name in pair}):
        if name not in CONTACT_PART_NAMES:
            raise reader.fail(
                "gt_contacts", f"unknown part name {name!r}; expected one of: {', '.join(CONTACT_PART_NAMES)}"
            )
    return pairs


def _region_pairs(reader: FieldReader) -> np.ndarray:
    array = reader.raw("gt_region_pairs")
    if array.ndim != 2 or array.shape[1] != 2:
        raise reader.fail("gt_region_pairs", f"expected shape (C, 2), found {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise reader.fail("gt_region_pairs", f"expected integers, found dtype {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= NUM_REGIONS):
        raise reader.fail(
            "gt_region_pairs",
            f"expected region ids from 0 to {NUM_REGIONS - 1}, found {int(array.min())} to {int(array.max())}",
        )
    return array.astype(np.int32)


def save_scene(folder: str | os.PathLike[str], scene: Scene) -> Path:
    """Writes `folder/<key>.npz` in one step, after the checks that `load_scene` makes.

    The image is stored relative to the folder, so that folder and images can be moved together.

    Returns:
      The path of the written file.

    Raises:
      InputError: the scene could not be read back (the message names the field), or its key is no file name.
    """
    folder = Path(folder)
    check_key(scene.key)
    path = folder / f"{scene.key}.npz"
    arrays = scene_arrays(scene, folder)
    _scene_from_arrays(path, {name: np.asarray(value) for name, value in arrays.items()}, ANYWHERE)
    write_npz(path, arrays)
    return path


def scene_arrays(scene: Scene, folder: Path) -> dict[str, Any]:
    """The arrays of a scene file that lies in `folder`."""
    arrays: dict[str, Any] = {}
    for name in ("global_orient", "body_pose", "betas", "transl", "keypoints", "focal_length", "principal_point"):
        arrays[name] = _stored(getattr(scene, name))
    size = np.asarray(scene.image_size)
    arrays["image_size"] = size.astype(np.int32) if (size == np.round(size)).all() else _stored(size)
    for name in (*_OPTIONAL_POSES, "keypoints_hands", "kid_scale", "agreement", *_TRUTH, "gt_kid_scale"):
        value = getattr(scene, name)
        if value is not None:
            arrays[name] = _stored(value)
    if scene.image is not None:
        relative = os.path.relpath(Path(scene.image).resolve(), folder.resolve())
        arrays["image"] = np.array(Path(relative).as_posix())
    if scene.gt_contacts is not None:
        arrays["gt_contacts"] = np.array(scene.gt_contacts, dtype=np.str_).reshape(-1, 2)
    if scene.gt_region_pairs is not None:
        arrays["gt_region_pairs"] = np.asarray(scene.gt_region_pairs, dtype=np.int32).reshape(-1, 2)
    return arrays


def _stored(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.kind in "fiu" else array


def check_key(key: str) -> None:
    """Raises InputError when `key` cannot be a file name (without its ending) on every system, or names no one file."""
    wanted = "expected a plain file name without folders, leading dot or outer blanks"
    if not key or key.startswith(".") or any(c in key for c in "/\\\0") or key != key.strip():
        raise InputError(f"scene key {shown(key)!r}: {wanted}")
    if not key.isprintable():
        raise InputError(f"scene key {shown(key)!r}: expected UTF-8 text without control characters")
    length = len(key.encode("utf-8"))
    if length > MAX_KEY_BYTES:
        raise InputError(f"scene key {shown(key)!r}: expected at most {MAX_KEY_BYTES} bytes, found {length}")


def _what_is(path: Path) -> str:
    return "a file" if path.is_file() else "nothing there"
