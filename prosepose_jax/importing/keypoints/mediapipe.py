"""MediaPipe's pose landmarks, in [0, 1] of the image's width and height."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture

_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks")
_WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks")


def read(path: Path, tree: Any) -> Found | None:
    """`pose_landmarks` of one or several people, a list of such results over frames, or the landmarks by themselves.

    None for anything else.
    """
    if isinstance(tree, dict) and any(name in tree for name in (*_KEYS, *_WORLD)):
        return _found((_picture(path, "", tree, None),))
    if not isinstance(tree, list) or not tree:
        return None
    if isinstance(tree[0], dict) and any(name in tree[0] for name in (*_KEYS, *_WORLD)):
        return _found(tuple(_picture(path, f"[{i}].", entry, str(i)) for i, entry in enumerate(tree)))
    return _found((Picture(_people(path, "", tree)),)) if _is_landmarks(tree[0]) else None


def _found(pictures: tuple[Picture, ...]) -> Found:
    return Found("MediaPipe", pictures, normalised=True)


def _picture(path: Path, where: str, result: Any, frame: str | None) -> Picture:
    key = next((name for name in _KEYS if isinstance(result, dict) and name in result), None)
    if key is None:
        if isinstance(result, dict) and any(name in result for name in _WORLD):
            raise InputError(
                f"{path}: field '{where}{next(n for n in _WORLD if n in result)}': MediaPipe's world landmarks are not "
                "for the image; expected pose_landmarks"
            )
        raise InputError(f"{path}: field '{where}pose_landmarks' is missing")
    field, listed = f"{where}{key}", result[key]
    if isinstance(listed, dict):  # the old solution's message: one person
        field, listed = f"{field}.landmark", listed.get("landmark")
    elif listed is None:  # nobody found, in the old solution
        listed = []
    return Picture(_people(path, field, listed), frame=frame)


def _people(path: Path, field: str, listed: Any) -> tuple[Person, ...]:
    if not isinstance(listed, list):
        raise InputError(f"{path}: field '{field}': expected a list of landmarks")
    one = bool(listed) and isinstance(listed[0], dict) and "x" in listed[0]
    return tuple(_person(path, f"{field}[{i}]", person) for i, person in enumerate([listed] if one else listed))


def _is_landmarks(first: Any) -> bool:
    point = first[0] if isinstance(first, list) and first else first
    return isinstance(point, dict) and {"x", "y"} <= point.keys() and "keypoints" not in point


def _person(path: Path, field: str, landmarks: Any) -> Person:
    if isinstance(landmarks, dict) and isinstance(landmarks.get("landmark"), list):
        landmarks = landmarks["landmark"]
    if not isinstance(landmarks, list) or not landmarks or not all(isinstance(point, dict) for point in landmarks):
        raise InputError(f"{path}: field '{field}': expected a list of landmarks with x, y and visibility")
    rows = [[point.get("x"), point.get("y"), _confidence(point)] for point in landmarks]
    return Person(field, numbers(path, field, rows, (len(rows), 3)))


def _confidence(point: dict[str, Any]) -> Any:
    return next((point[name] for name in ("visibility", "presence") if point.get(name) is not None), 1.0)
