"""OpenPose's JSON (ViTPose's exports and AlphaPose's `open` and `cmu` forms use it too)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture

_HANDS = ("hand_left_keypoints_2d", "hand_right_keypoints_2d")


def read(path: Path, tree: Any) -> Found | None:
    """One image's `people` (or `bodies`), or a dictionary of images; None where the file is none of these."""
    if not isinstance(tree, dict):
        return None
    if "people" in tree or "bodies" in tree:
        people = _people(path, "", tree)
        return _found((Picture(people),), [tree])
    # A dictionary by image name; image names have an ending, fields do not.
    if not tree or not all(isinstance(v, dict) and ("people" in v or "bodies" in v) for v in tree.values()):
        return None
    pictures = tuple(Picture(_people(path, f"{name}.", entry), (name,)) for name, entry in tree.items())
    return _found(pictures, list(tree.values()))


def _found(pictures: tuple[Picture, ...], entries: list[dict[str, Any]]) -> Found:
    alphapose = any("bodies" in entry or "alphapose" in str(entry.get("version", ""))[:40].lower() for entry in entries)
    if not alphapose:
        return Found("OpenPose", pictures, layout={25: "body25"})
    # AlphaPose takes the neck from an entry that only COCO's 17 points have there: it is made anew from the shoulders.
    for picture in pictures:
        for person in picture.people:
            if len(person.points) == 18:
                right, left = person.points[2], person.points[5]
                person.points[1] = [*(right + left)[:2] / 2, min(right[2], left[2])]
    return Found("AlphaPose", pictures, notes=("the neck is made from the shoulders",))


def _people(path: Path, where: str, entry: dict[str, Any]) -> tuple[Person, ...]:
    name = "people" if "people" in entry else "bodies"
    listed = entry[name]
    if not isinstance(listed, list):
        raise InputError(f"{path}: field '{where}{name}': expected a list of detected people (OpenPose's JSON layout)")
    result = []
    for index, person in enumerate(listed):
        values = person if isinstance(person, dict) else {}
        key = "joints" if name == "bodies" or ("joints" in values and "pose_keypoints_2d" not in values) else "pose_keypoints_2d"
        if key not in values and "pose_keypoints" in values:
            key = "pose_keypoints"  # OpenPose before 1.0.1
        field = f"{where}{name}[{index}].{key}"
        if not isinstance(values.get(key), list):
            raise InputError(f"{path}: field '{field}': expected a list of 75 (BODY_25) or 54 (COCO) numbers, found none")
        flat = numbers(path, field, values[key], (None,))
        if flat.size % 3 or not flat.size:
            raise InputError(
                f"{path}: field '{field}': expected 25 × (x, y, confidence) = 75 numbers, found {flat.size} numbers"
            )
        result.append(Person(field, flat.reshape(-1, 3), _hands(path, f"{where}{name}[{index}]", values)))
    return tuple(result)


def _hands(path: Path, where: str, person: dict[str, Any]) -> np.ndarray | None:
    """(2, 21, 3), or None where the file has neither hand."""
    if not any(person.get(name) for name in _HANDS):
        return None
    hands = np.zeros((2, 21, 3))
    for side, name in enumerate(_HANDS):
        if person.get(name):
            hands[side] = numbers(path, f"{where}.{name}", person[name], (63,)).reshape(21, 3)
    return hands
