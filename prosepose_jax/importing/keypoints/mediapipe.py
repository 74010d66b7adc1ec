"""MediaPipe's pose landmarks, in [0, 1] of the image's width and height."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture

_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks")
_WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks")


def read(path: Path, tree: Any) -> Found | None:
    """`pose_landmarks` of one or several people, or such a list by itself; None for anything else."""
    field = ""
    if isinstance(tree, dict):
        key = next((name for name in _KEYS if name in tree), None)
        if key is None:
            if any(name in tree for name in _WORLD):
                raise InputError(f"{path}: holds MediaPipe's world landmarks only; pose_landmarks (in the image) are needed")
            return None
        field, tree = key, tree[key]
        if tree is None:
            tree = []
        if isinstance(tree, dict):  # the old solution's message
            field, tree = f"{field}.landmark", tree.get("landmark")
        if not isinstance(tree, list):
            raise InputError(f"{path}: field '{field}': expected a list of landmarks")
    elif not _is_landmarks(tree[0] if isinstance(tree, list) and tree else None, tree):
        return None
    people = [tree] if tree and isinstance(tree[0], dict) and "x" in tree[0] else tree
    found = tuple(_person(path, f"{field}[{i}]", person) for i, person in enumerate(people))
    return Found("MediaPipe", (Picture(found),), normalised=True)


def _is_landmarks(first: Any, tree: Any) -> bool:
    point = first[0] if isinstance(first, list) and first else first
    return isinstance(point, dict) and {"x", "y"} <= point.keys() and "keypoints" not in point


def _person(path: Path, field: str, landmarks: Any) -> Person:
    if isinstance(landmarks, dict) and isinstance(landmarks.get("landmark"), list):
        landmarks = landmarks["landmark"]
    if not isinstance(landmarks, list) or not landmarks or not all(isinstance(point, dict) for point in landmarks):
        raise InputError(f"{path}: field '{field}': expected a list of landmarks with x, y and visibility")
    points = np.zeros((len(landmarks), 3))
    for i, point in enumerate(landmarks):
        sure = next((point[name] for name in ("visibility", "presence") if point.get(name) is not None), 1.0)
        points[i] = numbers(path, f"{field}[{i}]", [point.get("x"), point.get("y"), sure], (3,))
    return Person(field, points)
