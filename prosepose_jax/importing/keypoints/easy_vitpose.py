"""easy_ViTPose's `_result.json`: people by number for each frame, y before x."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture
from prosepose_jax.importing.keypoints.instances import names_by_number


def read(path: Path, tree: Any) -> Found | None:
    """`keypoints`: a list over frames of {person: points}; None for anything else."""
    frames = tree.get("keypoints") if isinstance(tree, dict) else None
    if not isinstance(frames, list) or not frames:
        return None
    if not isinstance(frames[0], dict) and "skeleton" not in tree:
        return None
    pictures = []
    for index, people in enumerate(frames):
        if not isinstance(people, dict):
            raise InputError(f"{path}: field 'keypoints[{index}]': expected people by their number")
        found = []
        for name, points in people.items():
            field = f"keypoints[{index}].{name[:40]}"
            found.append(Person(field, numbers(path, field, points, (None, 3))[:, [1, 0, 2]]))
        pictures.append(Picture(tuple(found), frame=str(index)))
    names = names_by_number(path, "skeleton", tree["skeleton"]) if tree.get("skeleton") is not None else None
    return Found("easy_ViTPose", tuple(pictures), names, {25: "coco25"}, negative_is_missing=True)
