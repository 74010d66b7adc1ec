"""From a keypoint file of any of the families to the BODY_25 points of one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from prosepose_jax.errors import InputError
from prosepose_jax.importing.detections import Detections
from prosepose_jax.importing.keypoints import coco, easy_vitpose, instances, mediapipe, openpose, yolo
from prosepose_jax.importing.keypoints._files import checked, read_tree
from prosepose_jax.importing.keypoints._found import Found, Picture
from prosepose_jax.importing.keypoints.layouts import Layout, layout_by_names, layouts_of, named_layout, shorter_order

_READERS = (openpose.read, coco.read, yolo.read, mediapipe.read, easy_vitpose.read, instances.read)
_FAMILIES = "OpenPose, COCO, AlphaPose, MMPose, rtmlib, ViTPose, YOLO, Sapiens, Detectron2 or MediaPipe"
# All positions within this are no pixels.
_NORMALISED = 1.5


def read_keypoints(
    path: Path,
    *,
    layout: str | None = None,
    image: Path | None = None,
    image_size: tuple[int, int] | None = None,
    image_id: str | None = None,
    frame: str | None = None,
) -> Detections:
    """The people of one image in a detector's file.

    Args:
      path: the file; its kind is told by its contents.
      layout: name of the points' layout, where number and names do not tell.
      image: the photograph: its name picks the image of a file that holds several, its size scales normalised points.
      image_size: (width, height) px; default: that of `image`.
      image_id: the image of a file that holds several; None or "auto": by the name of `image`, or the only one.
      frame: the frame of a file that holds several.

    Raises:
      InputError: the file cannot be read, or it does not tell its layout or image; file and field are named.
    """
    path = Path(path)
    return detections_of(
        read_tree(path), path, layout=layout, image=image, image_size=image_size, image_id=image_id, frame=frame
    )


def detections_of(
    tree: Any,
    path: Path,
    *,
    layout: str | None = None,
    image: Path | None = None,
    image_size: tuple[int, int] | None = None,
    image_id: str | None = None,
    frame: str | None = None,
) -> Detections:
    """As `read_keypoints`, of contents that were read already; `path` is for messages."""
    found = next((f for reader in _READERS if (f := reader(path, tree)) is not None), None)
    if found is None:
        hint = "; expected a list 'people' or another tool's fields" if isinstance(tree, (dict, list)) else ""
        raise InputError(f"{path}: not a keypoint file of {_FAMILIES}{hint}")
    picture, notes = _choose(path, found, image, image_id, frame)
    notes = [*found.notes, *notes]
    if not picture.people:
        return Detections(np.zeros((0, 25, 3), np.float32), notes=(*notes, f"{path}: nobody was found in the image"))
    raw = [checked(path, p.field, p.points, found.negative_is_missing) for p in picture.people]
    chosen = _layout(path, found, picture, raw, layout)
    points = np.stack(raw)
    hands = None
    if any(person.hands is not None for person in picture.people):
        empty = np.zeros((2, 21, 3))
        hands = np.stack([empty if p.hands is None else _checked_hands(path, p.field, p.hands) for p in picture.people])
    elif chosen.hands is not None:
        hands = chosen.hands_of(points)
    scale = _scale(path, found, points, image, image_size)
    if scale is not None:
        points[..., :2] *= scale
        hands = None if hands is None else hands * [*scale, 1.0]
        notes.append(f"{path}: positions in [0, 1] are multiplied by the image's size {scale[0]:g} x {scale[1]:g}")
    body25 = chosen.body25(points).astype(np.float32)
    return Detections(body25, None if hands is None else hands.astype(np.float32), chosen.name, tuple(notes))


def _checked_hands(path: Path, field: str, hands: np.ndarray) -> np.ndarray:
    return checked(path, f"{field} (hands)", hands.reshape(42, 3), False).reshape(2, 21, 3)


def _choose(
    path: Path, found: Found, image: Path | None, image_id: str | None, frame: str | None
) -> tuple[Picture, list[str]]:
    """The picture that is meant, and what is to be said about it."""
    pictures = found.pictures
    if not pictures:
        return Picture(()), []
    if any(p.ids for p in pictures):
        wanted = None if image_id in (None, "", "auto") else image_id
        by = wanted if wanted is not None else (image.name if image is not None else None)
        fits = [p for p in pictures if by is not None and any(_same(by, name) for name in p.ids)]
        if len(fits) == 1:
            return fits[0], []
        listed = ", ".join(" = ".join(p.ids) for p in pictures[:10]) + (", …" if len(pictures) > 10 else "")
        if wanted is not None:
            raise InputError(f"{path}: no single image {wanted!r}; --image_id is one of: {listed}")
        if len(pictures) == 1:
            note = f"{path}: holds one image, {pictures[0].ids[0]}, and it is taken for this one"
            return pictures[0], [note] if image is not None else []
        raise InputError(f"{path}: holds {len(pictures)} images; give --image_id, one of: {listed}")
    if len(pictures) == 1:
        return pictures[0], []
    if frame is None:
        raise InputError(f"{path}: holds {len(pictures)} frames; give --frame, from {pictures[0].frame} to {pictures[-1].frame}")
    fits = [p for p in pictures if p.frame is not None and _same(frame, p.frame)]
    if len(fits) != 1:
        raise InputError(f"{path}: no single frame {frame!r}; --frame is from {pictures[0].frame} to {pictures[-1].frame}")
    return fits[0], []


def _same(wanted: str, name: str) -> bool:
    """Whether two names mean one image: equal, equal but for folder and ending, or equal as numbers (000785 = 785)."""
    if wanted == name:
        return True
    a, b = (Path(text.replace("\0", "").replace("\\", "/")) for text in (wanted, name))
    if a.suffix and b.suffix and a.suffix.lower() != b.suffix.lower() and not b.suffix[1:].isdigit():
        return False
    if a.stem == b.stem:
        return True
    return a.stem.isdecimal() and b.stem.isdecimal() and a.stem.lstrip("0") == b.stem.lstrip("0")


def _layout(path: Path, found: Found, picture: Picture, raw: list[np.ndarray], explicit: str | None) -> Layout:
    counts = sorted({len(points) for points in raw})
    if len(counts) > 1:
        raise InputError(f"{path}: the people have different numbers of points ({', '.join(map(str, counts))})")
    count, field = counts[0], picture.people[0].field
    if explicit:
        chosen = named_layout(explicit)
        if chosen.count != count:
            raise InputError(f"{path}: field '{field}': --keypoint_layout={chosen.name} has {chosen.count} points, found {count}")
        return chosen
    if found.names is not None and len(found.names) != count:
        raise InputError(f"{path}: field '{field}': {len(found.names)} names for {count} points")
    if found.names is not None:
        by_names = layout_by_names(found.names)
        if by_names is not None:
            return by_names
    possible = layouts_of(count)
    if not possible:
        raise InputError(
            f"{path}: field '{field}': no known layout has {count} points ({count * 3} numbers); known: 25 × "
            "(x, y, confidence) = 75 numbers and those of docs/keypoints.md; --keypoint_layout does not help here"
        )
    told = found.layout.get(count, possible[0].name if count == 17 or len(possible) == 1 else None)
    listed = ", ".join(one.name for one in possible)
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


def _scale(
    path: Path, found: Found, points: np.ndarray, image: Path | None, image_size: tuple[int, int] | None
) -> np.ndarray | None:
    """What normalised positions are to be multiplied with; None for pixels."""
    seen = points[points[..., 2] > 0][:, :2]
    if not len(seen):
        return None
    low, high = float(seen.min()), float(seen.max())
    small = max(abs(low), abs(high)) < _NORMALISED
    if found.normalised and max(abs(low), abs(high)) > 10:
        raise InputError(f"{path}: {found.tool} writes positions in [0, 1] of the image, found {high:g}")
    if not small and not found.normalised:
        return None
    if low < 0 and not found.normalised:
        raise InputError(f"{path}: coordinates lie between -1 and 1; pixels are expected (OpenPose: --keypoint_scale 0)")
    if image_size is None and image is not None:
        image_size = _size_of(image)
    if image_size is None:
        raise InputError(
            f"{path}: coordinates lie between 0 and 1; pixels are expected (OpenPose: --keypoint_scale 0), "
            "or the photograph with --image for its size"
        )
    return np.array(image_size, float)


def _size_of(image: Path) -> tuple[int, int]:
    """(width, height) of a picture as shown: detectors turn photographs as their EXIF orientation says."""
    try:
        with Image.open(image) as opened:
            width, height = opened.size
            turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{image}: not a readable picture ({error})") from error
    return (height, width) if turned else (width, height)
