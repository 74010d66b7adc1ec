"""COCO's results and annotations; AlphaPose's and Detectron2's result files have the same form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture, people_list, triples

# COCO's third number of an annotated point: labelled but hidden. Visible is 2, not labelled 0.
_HIDDEN, _VISIBLE = 1, 2
_HIDDEN_CONFIDENCE = 0.5


def read(path: Path, tree: Any) -> Found | None:
    """A list of entries with `image_id`, or a dictionary with `annotations`; None for anything else."""
    if isinstance(tree, dict) and "annotations" in tree:
        return _annotations(path, tree)
    if isinstance(tree, list) and tree and isinstance(tree[0], dict) and "image_id" in tree[0]:
        entries = [(f"[{index}]", entry) for index, entry in enumerate(people_list(path, "the list", tree))]
        return Found("COCO results or AlphaPose", _pictures(path, entries, {}), negative_is_missing=True)
    return None


def _annotations(path: Path, tree: dict[str, Any]) -> Found:
    files = {}
    for index, image in enumerate(people_list(path, "images", tree.get("images", []))):
        if not isinstance(image.get("file_name", ""), str):
            raise InputError(f"{path}: field 'images[{index}].file_name': expected a text")
        files[_identity(path, f"images[{index}].id", image.get("id"))] = image.get("file_name", "")
    listed = people_list(path, "annotations", tree["annotations"])
    entries = [(f"annotations[{index}]", entry) for index, entry in enumerate(listed)]
    # Boxes of other categories have no points, people nobody labelled have none to speak of.
    entries = [(field, entry) for field, entry in entries if "keypoints" in entry and entry.get("num_keypoints") != 0]
    if listed and not entries:
        raise InputError(f"{path}: field 'annotations': expected entries with 'keypoints', found none")
    return Found("COCO annotations", _pictures(path, entries, files, flags=True), _names(path, tree))


def _names(path: Path, tree: dict[str, Any]) -> tuple[str, ...] | None:
    for index, category in enumerate(people_list(path, "categories", tree.get("categories", []))):
        listed = category.get("keypoints")
        if listed:
            if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
                raise InputError(f"{path}: field 'categories[{index}].keypoints': expected a list of names")
            return tuple(listed)
    return None


def _pictures(
    path: Path, entries: list[tuple[str, dict[str, Any]]], files: dict[str, str], flags: bool = False
) -> tuple[Picture, ...]:
    people: dict[str, list[Person]] = {key: [] for key in files}
    for where, entry in entries:
        key = _identity(path, f"{where}.image_id", entry.get("image_id"))
        field = f"{where}.keypoints"
        if "keypoints" not in entry:
            raise InputError(f"{path}: field '{field}' is missing; expected x, y, confidence of each point")
        people.setdefault(key, []).append(Person(field, _points(path, field, entry["keypoints"])))
    if flags:
        for person in [person for found in people.values() for person in found]:
            third = person.points[:, 2]
            if np.isin(third, (0, _HIDDEN, _VISIBLE)).all():
                person.points[:, 2] = np.select([third == _HIDDEN, third == _VISIBLE], [_HIDDEN_CONFIDENCE, 1.0], 0.0)
    return tuple(
        Picture(tuple(found), (key, files[key]) if files.get(key) else (key,)) for key, found in people.items()
    )


def _points(path: Path, field: str, value: Any) -> np.ndarray:
    if isinstance(value, list) and value and isinstance(value[0], list) and len(value[0]) == 2:
        pairs = numbers(path, field, value, (None, 2))
        return np.concatenate([pairs, np.ones((len(pairs), 1))], axis=1)
    return triples(path, field, value)


def _identity(path: Path, field: str, value: Any) -> str:
    """An image's name or number as text."""
    if isinstance(value, (np.integer, np.ndarray)) and value.ndim == 0 and value.dtype.kind in "iu":
        value = int(value)
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise InputError(f"{path}: field '{field}': expected a name or a number, found {type(value).__name__}")
    return str(value)[:500]
