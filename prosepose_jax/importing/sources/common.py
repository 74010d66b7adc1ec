"""What the readers of sources share: their input, and people and camera in the form of `ImageEstimates`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body.keypoints import BODY25_SOURCE
from prosepose_jax.camera import focal_from_image_size
from prosepose_jax.errors import InputError
from prosepose_jax.importing.estimates import NUM_TREE_JOINTS, Estimate, ImageEstimates
from prosepose_jax.importing.sources.rotations import axis_angle, is_rotation
from prosepose_jax.io.pictures import read_header

# Rest pelvis of the mean SMPL and SMPL-X bodies (m): a translation is that of the model's origin.
REST_PELVIS = {
    "smpl": np.array([-0.002, -0.223, 0.028], np.float32),
    "smplx": np.array([0.003, -0.351, 0.012], np.float32),
}
# Twice the principal point over the image's size, alike across and down, is that of a resized image from so far on.
_RESIZED, _SAME_SHAPE = 0.2, 0.02
_SAME_SIZE = 0.01  # by which an image's size worked out from a camera may differ from the photograph's


@dataclasses.dataclass(frozen=True)
class SourceInput:
    """The files of one image and what the user said about them."""

    paths: tuple[Path, ...]
    trees: tuple[Any, ...]  # their contents, in order
    image: Path | None = None
    frame: str | None = None
    focal: float | None = None

    @property
    def file(self) -> str:
        """The first file's name, for notes."""
        return self.paths[0].name

    def fail(self, problem: str) -> InputError:
        """An error that names the (first) file."""
        return InputError(f"{self.paths[0]}: {problem}")

    def parts(self) -> list[dict[str, Any]]:
        """The dictionaries of all files, one a person or a batch of people; lists are opened."""
        found: list[dict[str, Any]] = []
        for path, tree in zip(self.paths, self.trees, strict=True):
            for part in tree if isinstance(tree, list) else [tree]:
                if not isinstance(part, Mapping):
                    raise InputError(f"{path}: expected a dictionary of parameters, found {type(part).__name__}")
                found.append(flat(part))
        return found

    def array(self, fields: Mapping[str, Any], name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """A field as finite float32, reshaped to `shape` (-1 once).

        Raises:
          InputError: it is missing, no numbers, empty, not finite or of another size.
        """
        if name not in fields:
            raise self.fail(f"field {name!r} is missing; found {', '.join(sorted(map(str, fields)))[:300]}")
        try:
            array = np.asarray(fields[name])
            if array.dtype.kind not in "biuf":
                raise TypeError(f"an array of {array.dtype}")
            array = array.astype(np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise self.fail(f"field {name!r}: expected numbers, found {type(fields[name]).__name__}") from error
        if array.size == 0:
            raise self.fail(f"field {name!r}: expected at least one number, found none")
        if not np.isfinite(array).all():
            raise self.fail(f"field {name!r}: expected finite numbers, found NaN or infinite values")
        if shape is None:
            return array
        try:
            return array.reshape(shape)
        except ValueError as error:
            raise self.fail(f"field {name!r}: expected numbers of shape {shape}, found {array.shape}") from error

    def number(self, fields: Mapping[str, Any], name: str) -> float:
        """A field that is one number, or the same number several times (for each person, or fx = fy)."""
        values = self.array(fields, name).reshape(-1)
        if np.ptp(values) > 1e-3 * max(1.0, float(np.abs(values[0]))):
            raise self.fail(f"field {name!r}: expected one value for all people, found {values[:6].tolist()}")
        return float(values[0])

    def section(self, fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """A field that is a dictionary."""
        if not isinstance(fields.get(name), Mapping):
            found = type(fields[name]).__name__ if name in fields else "none"
            raise self.fail(f"field {name!r}: expected a dictionary, found {found}")
        return fields[name]

    def image_size(self, stored: Any = None, *, worked_out: bool = False) -> np.ndarray:
        """(2,) width and height: of the photograph, else as the file has it.

        Args:
          stored: (width, height) as the file has it.
          worked_out: `stored` is twice a principal point, and so may be a pixel off.

        Raises:
          InputError: neither is there, the file's size is no size, or the two contradict each other.
        """
        size = None
        if stored is not None:
            size = np.asarray(stored, np.float32).reshape(-1)[:2]
            if size.shape != (2,) or not (np.isfinite(size).all() and (size > 0).all()):
                raise self.fail(f"the image's size: expected positive width and height, found {size.tolist()}")
        if self.image is None:
            if size is None:
                raise self.fail("the image's size is not in the file; give the photograph (--image)")
            return size
        header = read_header(self.image)
        shown = np.array(header.size, np.float32)
        if size is None or _near(size, shown, worked_out):
            return shown
        if _near(size, np.array(header.stored_size, np.float32), worked_out):
            return np.array(header.stored_size, np.float32)  # the tool ignored the orientation tag
        found, photo = (f"{a[0]:.0f}×{a[1]:.0f}" for a in (size, shown))
        if _near(size[::-1], shown, worked_out):
            raise self.fail(f"made on an image of {found} pixels, but {self.image} has {photo}; height before width?")
        raise self.fail(f"made on an image of {found} pixels, but {self.image} has {photo}; give that very image")

    def assumed_focal(self, size: np.ndarray, usual: float, how: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """The user's focal length, else the tool's usual one with a note that it is assumed."""
        if self.focal is not None:
            return np.full(2, self.focal, np.float32), ()
        note = f"{self.file}: no focal length in the file; {usual:.0f} px assumed ({how}; --focal sets it)"
        return np.full(2, usual, np.float32), (note,)

    def pick(self, names: Sequence[Any], what: str = "frame") -> int:
        """Index of the frame the user asked for; the only one when there is one.

        A frame is named by its own number or name; where frames have file names, also by its place, from 0.

        Raises:
          InputError: several frames and none named, or no such frame.
        """
        texts = [str(n) for n in names]
        shown = ", ".join(texts[:8]) + (", …" if len(texts) > 8 else "")
        if not texts:
            raise self.fail(f"no {what} in the file")
        if self.frame is None:
            if len(texts) == 1:
                return 0
            raise self.fail(
                f"holds {len(texts)} {what}s ({shown}); choose one with --frame, or --frame=all makes scenes of each"
            )
        if self.frame in texts:
            return texts.index(self.frame)
        stems = [i for i, t in enumerate(texts) if self.frame in (Path(t).name, Path(t).stem)]
        if len(stems) == 1:
            return stems[0]
        numbered = all(t.lstrip("-").isdigit() for t in texts)
        if not numbered and self.frame.isdigit() and int(self.frame) < len(texts):
            return int(self.frame)
        raise self.fail(f"no {what} {self.frame!r}; found {shown}")


def _near(size: np.ndarray, other: np.ndarray, worked_out: bool) -> bool:
    slack = _SAME_SIZE * float(other.max()) + 1 if worked_out else 0.5
    return bool(np.abs(size - other).max() <= slack)


@dataclasses.dataclass(frozen=True)
class Source:
    """A tool: how its files are told and read.

    Attributes:
      title: the tool's name.
      recognises: whether the files are the tool's.
      read: the people of one frame.
      frames: names of the frames that the files hold; nothing where they hold one image.
      many: whether an image's people may be in several files.
    """

    title: str
    recognises: Callable[[SourceInput], bool]
    read: Callable[[SourceInput], ImageEstimates]
    frames: Callable[[SourceInput], Sequence[Any]] = lambda source: ()
    many: bool = True


def has(tree: Any, *names: str) -> bool:
    """Whether it is a dictionary with all these fields."""
    return isinstance(tree, Mapping) and all(name in tree for name in names)


def first(source: SourceInput) -> dict[str, Any]:
    """The fields of the first dictionary of the first file, nested ones opened; {} where there is none."""
    tree = source.trees[0]
    if isinstance(tree, list) and tree:
        tree = tree[0]
    return flat(tree) if isinstance(tree, Mapping) else {}


def values(tree: Any) -> list[Any]:
    """A dictionary's values; [] for anything else."""
    return list(tree.values()) if isinstance(tree, Mapping) else []


def all_have(entries: Sequence[Any], *names: str) -> bool:
    """Whether there are entries, all of them dictionaries with these fields."""
    return bool(entries) and all(has(entry, *names) for entry in entries)


def flat(tree: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Fields of nested dictionaries by their own name; the outer one wins."""
    fields: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and depth < 10:
            fields = {**flat(value, depth + 1), **fields}
        else:
            fields[str(name)] = value
    return fields


def count_people(source: SourceInput, fields: Mapping[str, Any], name: str = "global_orient") -> int:
    """How many people's global orientations a field holds, as matrices or axis-angle."""
    array = source.array(fields, name)
    width = 9 if array.shape[-2:] == (3, 3) and (array.ndim > 2 or is_rotation(array)) else 3
    if array.size % width:
        raise source.fail(f"field {name!r}: expected rotations of one joint, found shape {array.shape}")
    return array.size // width


def rotations(source: SourceInput, fields: Mapping[str, Any], name: str, count: int, joints: int) -> np.ndarray:
    """(count, joints, 3) axis-angle of a field with at least so many joints, matrices or axis-angle."""
    array = source.array(fields, name)
    found = array.shape
    if found[-2:] == (3, 3) and array.size % (count * 9) == 0 and array.size >= count * joints * 9:
        matrices = array.reshape(count, -1, 3, 3)[:, :joints]
        if is_rotation(matrices):
            return axis_angle(matrices)
    if array.size % (count * 3) == 0 and array.size >= count * joints * 3:
        return array.reshape(count, -1, 3)[:, :joints]
    raise source.fail(
        f"field {name!r}: expected rotations of {joints} joints of {count} people (axis-angle or 3×3), "
        f"found shape {found}"
    )


def body_rotations(source: SourceInput, fields: Mapping[str, Any]) -> np.ndarray:
    """(n, 22, 3) axis-angle from `global_orient` and `body_pose`."""
    count = count_people(source, fields)
    parts = [rotations(source, fields, "global_orient", count, 1), rotations(source, fields, "body_pose", count, 21)]
    return np.concatenate(parts, axis=1)


def model_of(source: SourceInput, fields: Mapping[str, Any], count: int) -> str:
    """SMPL-X where `body_pose` has 21 joints (or there are hands), SMPL where it has 23."""
    size = source.array(fields, "body_pose").size // count
    return "smplx" if size in (21 * 9, 21 * 3) or "left_hand_pose" in fields else "smpl"


def from_body25(points: np.ndarray) -> np.ndarray:
    """(n, 33, 3) tree joints and landmarks, NaN where unknown, from points that begin with BODY_25, (n, 25+, 3)."""
    out = np.full((len(points), NUM_TREE_JOINTS + 11, 3), np.nan, np.float32)
    tree = BODY25_SOURCE >= 0
    out[:, BODY25_SOURCE[tree]] = points[:, :25][:, tree]
    out[:, NUM_TREE_JOINTS - 1 - BODY25_SOURCE[~tree]] = points[:, :25][:, ~tree]
    return out


def crop_to_image(
    cam: np.ndarray, centre: np.ndarray, side: np.ndarray, focal: float, middle: np.ndarray
) -> np.ndarray:
    """Translations for the whole image from crop cameras (docs/import.md, "Cameras").

    Args:
      cam: (n, 3) scale and shift (s, tx, ty) of each person's square box.
      centre: (n, 2) of the boxes, px.
      side: (n,) of the boxes, px.
      focal: of the whole image, px.
      middle: (2,) principal point of the whole image, px.

    Returns:
      (n, 3) m.
    """
    scale = cam[:, 0] * side.reshape(-1) + 1e-9
    shift = 2 * (centre - middle) / scale[:, None]
    return np.stack([cam[:, 1] + shift[:, 0], cam[:, 2] + shift[:, 1], 2 * focal / scale], axis=1).astype(np.float32)


def estimates(
    source: SourceInput,
    pose: np.ndarray | None,
    size: np.ndarray,
    focal: np.ndarray,
    *,
    root: np.ndarray | None = None,
    transl: np.ndarray | None = None,
    model: str = "smpl",
    principal: np.ndarray | None = None,
    points: np.ndarray | None = None,
    betas: np.ndarray | None = None,
    kid_scale: np.ndarray | None = None,
    hands: tuple[np.ndarray, np.ndarray] | None = None,
    notes: tuple[str, ...] = (),
) -> ImageEstimates:
    """People in the camera frame and their camera.

    Args:
      source: for messages.
      pose: (n, 22, 3) axis-angle; None where the tool gives joints alone.
      size: (2,) image width and height.
      focal: (2,) px.
      root: (n, 3) pelvis; else `transl` and the mean rest pelvis of `model`.
      transl: (n, 3) of the tool's model.
      model: the tool's, a key of `REST_PELVIS`.
      principal: (2,) px; the image's centre by default.
      points: (n, 33, 3) joints and landmarks in the camera frame, NaN where unknown.
      betas: (n, B) of the tool's model.
      kid_scale: (n,) hints.
      hands: (n, 15, 3) left and right.
      notes: what was assumed.

    Raises:
      InputError: somebody is behind the camera, or the camera is none.
    """
    if root is None:
        if transl is None:
            raise source.fail("no translation of the people")
        root = transl + REST_PELVIS[model]
    focal, principal = check_camera(source, focal, size / 2 if principal is None else principal, size)
    people = []
    for i in range(len(root)):
        if not root[i, 2] > 0:
            raise source.fail(f"expected person {i} in front of the camera, found a depth of {root[i, 2]:.2f} m")
        px = None
        if points is not None:
            px = points[i, :NUM_TREE_JOINTS, :2] / np.maximum(points[i, :NUM_TREE_JOINTS, 2:], 0.05) * focal + principal
        people.append(
            Estimate(
                pose=None if pose is None else pose[i].astype(np.float32),
                root=root[i].astype(np.float32),
                joints=None if points is None else points[i, :NUM_TREE_JOINTS],
                landmarks=None if points is None else points[i, NUM_TREE_JOINTS:],
                joints_px=px,
                betas=None if betas is None else betas[i],
                transl=(root[i] - REST_PELVIS[model]) if transl is None else transl[i],
                kid_scale=None if kid_scale is None else float(np.clip(kid_scale[i], 0, 1)),
                left_hand_pose=None if hands is None else hands[0][i],
                right_hand_pose=None if hands is None else hands[1][i],
            )
        )
    return ImageEstimates(
        people=tuple(people),
        focal_length=focal,
        principal_point=principal,
        image_size=np.asarray(size, np.float32),
        image=source.image,
        notes=notes,
    )


def check_camera(
    source: SourceInput, focal: np.ndarray, principal: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Focal length and principal point (2,) as float32, checked against the image's size.

    Raises:
      InputError: no positive focal length, or a principal point that belongs to an image of another shape.
    """
    focal, principal = np.asarray(focal, np.float32), np.asarray(principal, np.float32)
    if not (np.isfinite(focal).all() and (focal > 0).all()):
        raise source.fail(f"expected a positive focal length in pixels, found {focal.tolist()}")
    off, turned = np.abs(2 * principal - size).max(), np.abs(2 * principal - size[::-1]).max()
    if turned < 0.05 * size.max() < off:
        raise source.fail(
            f"the image's size ({size[0]:.0f}, {size[1]:.0f}) does not go with the principal point "
            f"({principal[0]:.0f}, {principal[1]:.0f}); height before width?"
        )
    part = 2 * principal / size
    if (part > 0).all() and abs(part[0] / part[1] - 1) < _SAME_SHAPE and abs(part.mean() - 1) > _RESIZED:
        other = 2 * principal
        raise source.fail(
            f"the camera belongs to an image of {other[0]:.0f}×{other[1]:.0f} pixels (twice its principal point), the "
            f"photograph has {size[0]:.0f}×{size[1]:.0f}; give that very image, or scale focal length and principal "
            "point"
        )
    if not ((principal > 0).all() and (principal < size).all()):
        raise source.fail(
            f"the principal point ({principal[0]:.0f}, {principal[1]:.0f}) lies outside of the image of "
            f"{size[0]:.0f}×{size[1]:.0f} pixels: it belongs to another image, or to a crop"
        )
    return focal, principal


def sixty_degrees(size: np.ndarray) -> float:
    """Focal length (px) of 60° over the longer side."""
    return float(focal_from_image_size(float(size[0]), float(size[1])))


def diagonal(size: np.ndarray) -> float:
    """Focal length (px) as long as the image's diagonal."""
    return float(np.hypot(*size))
