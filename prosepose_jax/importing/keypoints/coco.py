"""COCO's results and annotations; AlphaPose's and Detectron2's result files have the same form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._found import Found, Person, Picture, people_list, triples


def read(path: Path, tree: Any) -> Found | None:
    """A list of entries with `image_id`, or a dictionary with `annotations`; None for anything else."""
    if isinstance(tree, dict) and "annotations" in tree:
        return _annotations(path, tree)
    if isinstance(tree, list) and tree and isinstance(tree[0], dict) and "image_id" in tree[0]:
        return Found("COCO results or AlphaPose", _pictures(path, "", people_list(path, "the list", tree), {}))
    return None


def _annotations(path: Path, tree: dict[str, Any]) -> Found:
    files = {}
    for index, image in enumerate(people_list(path, "images", tree.get("images", []))):
        if not isinstance(image.get("file_name", ""), str):
            raise InputError(f"{path}: field 'images[{index}].file_name': expected a text")
        files[str(image.get("id"))] = image.get("file_name", "")
    names = None
    for index, category in enumerate(people_list(path, "categories", tree.get("categories", []))):
        listed = category.get("keypoints")
        if listed is not None:
            if not isinstance(listed, list) or not all(isinstance(n, str) for n in listed):
                raise InputError(f"{path}: field 'categories[{index}].keypoints': expected a list of names")
            names = tuple(listed)
            break
    entries = [e for e in people_list(path, "annotations", tree["annotations"]) if e.get("num_keypoints", 1) != 0]
    pictures = _pictures(path, "annotations", entries, files)
    for picture in pictures:
        for person in picture.people:
            # 0 not labelled, 1 labelled but hidden, 2 visible.
            person.points[:, 2] = np.select([person.points[:, 2] == 1, person.points[:, 2] == 2], [0.5, 1.0], person.points[:, 2])
    return Found("COCO annotations", pictures, names)


def _pictures(path: Path, where: str, entries: list[dict[str, Any]], files: dict[str, str]) -> tuple[Picture, ...]:
    people: dict[str, list[Person]] = {key: [] for key in files}
    for index, entry in enumerate(entries):
        image = entry.get("image_id")
        if not isinstance(image, (str, int)) or isinstance(image, bool):
            raise InputError(f"{path}: field '{where}[{index}].image_id': expected a name or a number")
        if "keypoints" not in entry:
            raise InputError(f"{path}: field '{where}[{index}].keypoints' is missing; expected x, y, confidence of each point")
        field = f"{where}[{index}].keypoints"
        people.setdefault(str(image), []).append(Person(field, triples(path, field, entry["keypoints"])))
    return tuple(
        Picture(tuple(found), (key, files[key]) if files.get(key) else (key,)) for key, found in people.items()
    )
