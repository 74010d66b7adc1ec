"""From a keypoint file of any of the families to the BODY_25 points of one image."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.detections import Detections
from prosepose_jax.importing.keypoints import coco, easy_vitpose, instances, mediapipe, openpose, yolo
from prosepose_jax.importing.keypoints._files import checked, read_contents
from prosepose_jax.importing.keypoints._found import Found, Picture
from prosepose_jax.importing.keypoints.choice import AUTO, choose
from prosepose_jax.importing.keypoints.layouts import (
    Layout,
    layout_by_names,
    layouts_of,
    named_layout,
    shorter_order,
)

_READERS = (openpose.read, coco.read, yolo.read, mediapipe.read, easy_vitpose.read, instances.read)
_FAMILIES = "OpenPose, COCO, AlphaPose, MMPose, rtmlib, ViTPose, YOLO, Sapiens, Detectron2 or MediaPipe"
_LOW_CONFIDENCE = 0.2
_NORMALISED = 1.5  # all positions within this are no pixels
_RESIZED, _SAME_SHAPE = 0.005, 0.02  # relative differences of sizes, and of their shapes
_MAX_NORMALISED = 10.0  # a landmark may lie outside of the image, but not this far


def read_keypoints(
    path: Path,
    *,
    layout: str | None = None,
    names: Sequence[str] = (),
    image_id: str | None = None,
    frame: str | None = None,
    image_size: Sequence[float] | None = None,
    people_px: np.ndarray | None = None,
) -> Detections:
    """The people of one image in a detector's file.

    Args:
      path: the file; its kind is told by its contents.
      layout: name of the points' layout; None or "auto": told by the points' names or number.
      names: names of the image, the surest first; they pick the image of a file that holds several.
      image_id: the image of a file that holds several; None or "auto": by `names`, or the only one.
      frame: the frame of a file that holds several.
      image_size: (width, height) px; scales positions in [0, 1].
      people_px: (n, 25, 3) BODY_25 of the estimates; with `image_id="auto"` they pick the image names do not.

    Raises:
      InputError: the file cannot be read, or it does not tell its layout or image; file and field are named.
    """
    path = Path(path)
    found = _open(path)

    def keypoints_of(picture: Picture) -> np.ndarray:
        return _detections(path, found, picture, layout, image_size, []).keypoints

    picture, notes = choose(path, found, names, image_id, frame, people_px, keypoints_of)
    return _detections(path, found, picture, layout, image_size, [*found.notes, *notes])


def _open(path: Path) -> Found:
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    return _opened(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4)  # one file for all images of a folder is asked for with every image
def _opened(path: Path, _mtime_ns: int, _size: int) -> Found:
    tree = read_contents(path)
    found = next((f for reader in _READERS if (f := reader(path, tree)) is not None), None)
    if found is None:
        fields = (
            f"; it has the fields {', '.join(map(repr, list(tree)[:8]))}" if isinstance(tree, dict) and tree else ""
        )
        raise InputError(f"{path}: expected a list 'people' (OpenPose) or the fields of {_FAMILIES}{fields}"[:1000])
    return found


def _detections(
    path: Path,
    found: Found,
    picture: Picture,
    layout: str | None,
    image_size: Sequence[float] | None,
    notes: list[str],
) -> Detections:
    if not picture.people:
        return Detections(np.zeros((0, 25, 3), np.float32), notes=(*notes, f"{path}: nobody was found in the image"))
    unknown = sum(int(np.isnan(person.points).any(axis=1).sum()) for person in picture.people)
    if unknown:
        notes = [*notes, f"{path}: {unknown} points are NaN or null: taken as missing"]
    raw = [checked(path, p.field, p.points, found.negative_is_missing) for p in picture.people]
    sure = np.concatenate([points[points[:, 2] > 0, 2] for points in raw])
    if sure.size and float(np.median(sure)) < _LOW_CONFIDENCE:
        notes = [*notes, f"{path}: most confidences are below {_LOW_CONFIDENCE} (Detectron2's are): they weigh little"]
    chosen = _layout(path, found, picture, raw, None if layout in (None, "", AUTO) else layout)
    points = np.stack(raw)
    hands = chosen.hands_of(points)
    if any(person.hands is not None for person in picture.people):
        hands = np.stack([_checked_hands(path, p.field, p.hands) for p in picture.people])
    scale = _scale(path, found, points, image_size)
    if scale is not None:
        notes = [*notes, f"{path}: positions in [0, 1] are multiplied by the image's size {scale[0]:g} x {scale[1]:g}"]
    elif (scale := _other_size(picture, image_size)) is not None:
        w, h = picture.size or (0, 0)
        notes = [*notes, f"{path}: positions are of a picture of {w:g} x {h:g} and brought to the image's size"]
    if scale is not None:
        points[..., :2] *= scale
        hands = None if hands is None else hands * [*scale, 1.0]
    if hands is not None:
        hands = hands.astype(np.float32) if (hands[..., 2] > 0).any() else None
    return Detections(chosen.body25(points).astype(np.float32), hands, chosen.name, tuple(notes))


def _checked_hands(path: Path, field: str, hands: np.ndarray | None) -> np.ndarray:
    if hands is None:
        return np.zeros((2, 21, 3))
    return checked(path, f"{field} (hands)", hands.reshape(42, 3), False).reshape(2, 21, 3)


def _layout(path: Path, found: Found, picture: Picture, raw: list[np.ndarray], explicit: str | None) -> Layout:
    counts = sorted({len(points) for points in raw})
    if len(counts) > 1:
        raise InputError(f"{path}: the people have different numbers of points ({', '.join(map(str, counts))})")
    count, field = counts[0], picture.people[0].field
    if explicit is not None:
        chosen = named_layout(explicit)
        if chosen.count != count:
            raise InputError(
                f"{path}: field '{field}': --keypoint_layout={chosen.name} has {chosen.count} points, found {count}"
            )
        return chosen
    if found.names is not None:
        if len(found.names) != count:
            raise InputError(f"{path}: field '{field}': {len(found.names)} names for {count} points")
        by_names = layout_by_names(found.names)
        if by_names is not None:
            return by_names
    possible = layouts_of(count)
    if not possible:
        raise InputError(
            f"{path}: field '{field}': no known layout has {count} points ({count * 3} numbers); expected BODY_25's "
            "25 × (x, y, confidence) = 75 numbers or another layout of docs/keypoints.md"
        )
    listed = " or ".join(one.name for one in possible)
    told = found.layout.get(count, possible[0].name if count == 17 or len(possible) == 1 else None)
    if told is None:
        raise InputError(f"{path}: field '{field}': {count} points may be {listed}; say which with --keypoint_layout")
    chosen = named_layout(told)
    other = shorter_order(chosen, np.stack(raw))
    if other is not None:
        raise InputError(
            f"{path}: field '{field}': {count} points that do not lie as a body in the order {chosen.name}, but in "
            f"{other.name}; say which of {listed} with --keypoint_layout"
        )
    return chosen


def _other_size(picture: Picture, image_size: Sequence[float] | None) -> np.ndarray | None:
    """From the picture that the positions are of to the image, where both are given, differ and are of one shape."""
    if picture.size is None or image_size is None:
        return None
    scale = np.array(image_size, float) / np.array(picture.size)
    resized = abs(scale[0] - 1) > _RESIZED and abs(scale[0] / scale[1] - 1) < _SAME_SHAPE
    return scale if resized else None


def _scale(path: Path, found: Found, points: np.ndarray, image_size: Sequence[float] | None) -> np.ndarray | None:
    """What normalised positions are to be multiplied with; None for pixels."""
    seen = points[points[..., 2] > 0][:, :2]
    if not len(seen):
        return None
    low, high = float(seen.min()), float(seen.max())
    largest = max(abs(low), abs(high))
    if found.normalised and largest > _MAX_NORMALISED:
        raise InputError(f"{path}: {found.tool} writes positions in [0, 1] of the image, found {largest:g}")
    if largest >= _NORMALISED and not found.normalised:
        return None
    if low < 0 and not found.normalised:
        raise InputError(
            f"{path}: coordinates lie between -1 and 1; pixels are expected (OpenPose: --keypoint_scale 0)"
        )
    if image_size is None:
        raise InputError(
            f"{path}: coordinates lie between 0 and 1; pixels are expected (OpenPose: --keypoint_scale 0), "
            "or the photograph with --image for its size"
        )
    return np.array(image_size, float)
