"""OpenPose's JSON (ViTPose's exports and AlphaPose's `open` and `cmu` forms use it too)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture

_HANDS = (("hand_left_keypoints_2d", "hand_left_keypoints"), ("hand_right_keypoints_2d", "hand_right_keypoints"))
_POINTS = ("pose_keypoints_2d", "pose_keypoints", "joints")  # today, before OpenPose 1.3, AlphaPose's cmu form
_NECK, _SHOULDERS = 1, (2, 5)  # of OpenPose's 18 points


def read(path: Path, tree: Any) -> Found | None:
    """One image's `people` (or `bodies`), a dictionary of images or a list of frames; None for anything else."""
    if isinstance(tree, list) and tree and all(isinstance(entry, dict) and "people" in entry for entry in tree):
        frames = [None] if len(tree) == 1 else [str(i) for i in range(len(tree))]
        of_frames = [
            Picture(_people(path, f"[{i}].", entry), frame=frame, size=_canvas(entry))
            for i, (entry, frame) in enumerate(zip(tree, frames, strict=True))
        ]
        return _found(tuple(of_frames), tree)
    if not isinstance(tree, dict):
        return None
    if "people" in tree or "bodies" in tree:
        return _found((Picture(_people(path, "", tree), size=_canvas(tree)),), [tree])
    if not tree or not all(isinstance(v, dict) and ("people" in v or "bodies" in v) for v in tree.values()):
        return None
    pictures = tuple(
        Picture(_people(path, f"{name[:80]}.", entry), (name,), size=_canvas(entry)) for name, entry in tree.items()
    )
    return _found(pictures, list(tree.values()))


def _found(pictures: tuple[Picture, ...], entries: list[dict[str, Any]]) -> Found:
    alphapose = any("bodies" in entry or "alphapose" in str(entry.get("version"))[:40].lower() for entry in entries)
    if not alphapose:
        return Found("OpenPose", pictures, layout={25: "body25"})
    # AlphaPose's neck comes from an entry that is right for COCO's 17 points only: it is made anew from the shoulders.
    for person in (person for picture in pictures for person in picture.people):
        if len(person.points) == 18:
            shoulders = person.points[list(_SHOULDERS)]
            person.points[_NECK] = [*shoulders[:, :2].mean(axis=0), shoulders[:, 2].min()]
    return Found(
        "AlphaPose", pictures, negative_is_missing=True, notes=("AlphaPose: the neck is made from the shoulders",)
    )


def _canvas(entry: dict[str, Any]) -> tuple[float, float] | None:
    """Size of the canvas that DWPose and the pose nodes of image generators draw on, often not the photograph's."""
    size = (entry.get("canvas_width"), entry.get("canvas_height"))
    plain = all(isinstance(n, (int, float)) and not isinstance(n, bool) and 1 <= n < 1e6 for n in size)
    return (float(size[0] or 0), float(size[1] or 0)) if plain else None


def _people(path: Path, where: str, entry: dict[str, Any]) -> tuple[Person, ...]:
    name = "people" if "people" in entry else "bodies"
    listed = entry[name]
    if not isinstance(listed, list):
        raise InputError(f"{path}: field '{where}{name}': expected a list of detected people (OpenPose's JSON layout)")
    result = []
    for index, person in enumerate(listed):
        values = person if isinstance(person, dict) else {}
        key = next(
            (key for key in _POINTS if values.get(key) is not None), "joints" if name == "bodies" else _POINTS[0]
        )
        field = f"{where}{name}[{index}].{key}"
        if values.get(key) is None:
            raise InputError(
                f"{path}: field '{field}': expected a list of 75 (BODY_25) or 54 (COCO) numbers, found none"
            )
        nested = isinstance(values[key], list) and bool(values[key]) and isinstance(values[key][0], list)
        flat = numbers(path, field, values[key], (None, 3) if nested else (None,)).reshape(-1)
        if flat.size % 3 or not flat.size:
            raise InputError(
                f"{path}: field '{field}': expected 25 × (x, y, confidence) = 75 numbers, found {flat.size} numbers"
            )
        result.append(Person(field, flat.reshape(-1, 3), _hands(path, f"{where}{name}[{index}]", values)))
    return tuple(result)


def _hands(path: Path, where: str, person: dict[str, Any]) -> np.ndarray | None:
    """(2, 21, 3), or None where the file has neither hand."""
    hands = np.zeros((2, 21, 3))
    present = False
    for side, names in enumerate(_HANDS):
        for name in names:
            value = person.get(name)
            if value is not None and not (isinstance(value, list) and not value):
                hands[side] = numbers(path, f"{where}.{name}", value, (63,)).reshape(21, 3)
                present = True
                break
    return hands if present else None
