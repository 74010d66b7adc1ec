"""Lists of instances: MMPose 0.x and 1.x, Sapiens, ViTPose, Hugging Face's VitPose, rtmlib, Detectron2 in memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import PICTURE_ENDINGS, Found, Person, Picture, people_list, triples

_SCORES = ("keypoint_scores", "keypoints_scores", "scores", "keypoints_visible", "conf")
_LISTS = ("instance_info", "instances", "predictions", "annots")
_ARRAYS = ("pred_keypoints", "keypoints", "xy", "data", "arr_0")  # `xy` with `conf`, `data`: Ultralytics' tensors
_WITH_SCORES = ("keypoints", "xy")
_MEDIAPIPE = 33
_COCO, _WHOLEBODY = 17, 133


def read(path: Path, tree: Any) -> Found | None:
    """Instances under `instance_info`, in a list, or as arrays over people; None for anything else."""
    if isinstance(tree, np.ndarray):
        return _arrays(path, "the array", tree, None)
    if isinstance(tree, dict):
        names = _names(path, tree.get("meta_info"))
        for key in _LISTS:
            inside = tree.get(key)
            if isinstance(inside, list):
                return _found(path, key, inside, names)
            if isinstance(inside, dict):
                return _of_arrays(path, f"{key}.", inside)
        return _by_picture(path, tree) or _of_arrays(path, "", tree)
    if isinstance(tree, list):
        if _is_pair(tree):
            return _arrays(path, "[0]", tree[0], tree[1])
        return _found(path, "", tree, None)
    return None


def _found(path: Path, where: str, entries: list[Any], names: tuple[str, ...] | None) -> Found | None:
    layout = {25: "body25"} if where == "annots" else {}  # EasyMocap's

    def of(*pictures: Picture) -> Found:
        named = names if names is not None else _names_of_points(path, entries)
        return Found("MMPose, Sapiens or ViTPose", pictures, named, layout, negative_is_missing=True)

    if not entries:
        return of(Picture(()))
    if all(isinstance(entry, list) for entry in entries):  # a list over images
        if all(isinstance(person, dict) for entry in entries for person in entry):
            alone = len(entries) == 1
            return of(
                *(
                    Picture(_people(path, f"{where}[{i}]", entry), frame=None if alone else str(i))
                    for i, entry in enumerate(entries)
                )
            )
        if any(isinstance(person, dict) for entry in entries for person in entry):
            raise InputError(f"{path}: field '{where or 'the list'}': expected lists of detected people")
        return _arrays(path, where or "the list", entries, None) if _is_numbers(entries) else None
    if all(isinstance(entry, np.ndarray) for entry in entries):  # people of unequal length cannot be one array
        return of(Picture(tuple(Person(f"[{i}]", triples(path, f"[{i}]", entry)) for i, entry in enumerate(entries))))
    if not all(isinstance(entry, dict) for entry in entries):
        return None
    if any("instances" in entry for entry in entries):  # a list over frames
        pictures = []
        for i, entry in enumerate(entries):
            people = people_list(path, f"{where}[{i}].instances", entry.get("instances"))
            number = str(entry.get("frame_id", i))[:40]
            pictures.append(Picture(_people(path, f"{where}[{i}].instances", people), frame=number))
        return of(*pictures)
    return of(Picture(_people(path, where, entries))) if any("keypoints" in entry for entry in entries) else None


def _by_picture(path: Path, tree: dict[str, Any]) -> Found | None:
    """People of each picture under its name: lists of instances, or arrays; None for anything else."""
    if not tree or not all(Path(str(name)).suffix.lower() in PICTURE_ENDINGS for name in tree):
        return None
    pictures: list[Picture] = []
    found: Found | None = None
    for name, value in tree.items():
        inside = read(path, value) if isinstance(value, (list, np.ndarray)) else None
        if inside is None or len(inside.pictures) != 1:
            raise InputError(f"{path}: field {name!r}: expected the people of one picture")
        pictures.append(dataclasses.replace(inside.pictures[0], ids=(name,)))
        found = found or (inside if inside.pictures[0].people else None)
    return dataclasses.replace(found or Found("people by picture", ()), pictures=tuple(pictures))


def _is_pair(entries: list[Any]) -> bool:
    """Whether it is what rtmlib returns: points (n, K, 2) and their scores (n, K)."""
    if len(entries) != 2 or [_depth(part) for part in entries] != [3, 2]:
        return False
    (points, scores) = (np.shape(part) if isinstance(part, np.ndarray) else _shape(part) for part in entries)
    return points == (*scores, 2)


def _shape(entries: Any) -> tuple[int, ...]:
    """The shape that nested lists have at their first entries."""
    found: list[int] = []
    while isinstance(entries, (list, np.ndarray)) and len(found) < 4:
        found.append(len(entries))
        entries = entries[0] if len(entries) else None
    return tuple(found)


def _is_numbers(entries: list[Any]) -> bool:
    """Whether a nested list starts with a number at its bottom."""
    first: Any = entries
    while isinstance(first, list) and first:
        first = first[0]
    return isinstance(first, (int, float)) and not isinstance(first, bool)


def _people(path: Path, where: str, entries: list[dict[str, Any]]) -> tuple[Person, ...]:
    labels = [
        None if entry.get("labels") is None else numbers(path, f"{where}[{i}].labels", entry["labels"], (None,))
        for i, entry in enumerate(entries)
    ]
    largest = max((float(of_one.max(initial=0)) for of_one in labels if of_one is not None), default=0.0)
    count = _COCO if largest < _COCO else _WHOLEBODY
    return tuple(
        _person(path, f"{where}[{i}]", entry, labels[i] if _scores_of(entry) is not None else None, count)
        for i, entry in enumerate(entries)
    )


def _scores_of(entry: dict[str, Any]) -> str | None:
    """Name of the field that holds the points' confidences, or None where they stand with the points."""
    return next((name for name in _SCORES if entry.get(name) is not None), None)


def _person(path: Path, where: str, entry: dict[str, Any], labels: np.ndarray | None, count: int) -> Person:
    """One instance. Hugging Face leaves unsure points out; `labels` says which of `count` are there."""
    field = f"{where}.keypoints"
    if "keypoints" not in entry:
        raise InputError(f"{path}: field '{field}' is missing; expected the points of a person")
    if _is_named(entry["keypoints"]):
        rows = [[point.get("x"), point.get("y"), point.get("score", 1.0)] for point in entry["keypoints"]]
        return Person(field, numbers(path, field, rows, (len(rows), 3)))
    name = _scores_of(entry)
    if name is None:
        return Person(field, triples(path, field, entry["keypoints"]))
    if labels is not None and labels.size == 0:  # not one point is sure
        return Person(field, np.zeros((count, 3)))
    values = numbers(path, field, entry["keypoints"], (None, None))
    if values.shape[1] not in (2, 3):
        raise InputError(f"{path}: field '{field}': expected x, y of each point, found shape {values.shape}")
    sure = numbers(path, f"{where}.{name}", entry[name], (len(values),))
    points = np.concatenate([values[:, :2], sure[:, None]], axis=1)
    if labels is None:
        return Person(field, points)
    known = ((labels >= 0) & (labels < count) & (labels == np.round(labels))).all()
    if len(labels) != len(points) or not known or len(set(labels.tolist())) < len(labels):
        raise InputError(
            f"{path}: field '{where}.labels': expected {len(points)} different numbers of points, 0 to {count - 1}"
        )
    full = np.zeros((count, 3))
    full[labels.astype(int)] = points
    return Person(field, full)


def _is_named(points: Any) -> bool:
    """Whether each point is a dictionary of its own, as TensorFlow.js (MoveNet, BlazePose) has them."""
    return isinstance(points, list) and bool(points) and all(isinstance(p, dict) and "x" in p for p in points)


def _names_of_points(path: Path, entries: list[Any]) -> tuple[str, ...] | None:
    points = next((e["keypoints"] for e in entries if isinstance(e, dict) and _is_named(e.get("keypoints"))), None)
    if points is None or not all("name" in point for point in points):
        return None
    return names_by_number(path, "keypoints", [point["name"] for point in points])


def _of_arrays(path: Path, where: str, tree: dict[str, Any]) -> Found | None:
    """rtmlib's `keypoints` (n, K, 2) with `scores` (n, K); Detectron2's `pred_keypoints` (n, K, 3)."""
    key = next((name for name in _ARRAYS if name in tree), None)
    if key is None or (isinstance(tree[key], dict) and "__ndarray__" not in tree[key]):
        return None
    value = tree[key]
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        return None
    scores = next((tree[name] for name in _SCORES if tree.get(name) is not None and key in _WITH_SCORES), None)
    if scores is not None and _depth(scores) == 1 and _depth(value) == 3:  # of people, not of points
        scores = None
    return _arrays(path, f"{where}{key}", value, scores)


def _arrays(path: Path, field: str, value: Any, scores: Any) -> Found:
    """Points as (K, 2 or 3) of one person, (n, K, …) of n people, (T, n, K, …) of n people over frames."""
    depth = _depth(value)
    if not 2 <= depth <= 4:
        if value.size == 0 if isinstance(value, np.ndarray) else value == []:
            return Found("rtmlib", (Picture(()),))
        raise InputError(f"{path}: field '{field}': expected x, y, confidence of each point of each person (n, K, 3)")
    points = numbers(path, field, value, (None,) * depth)
    if points.size == 0:
        return Found("rtmlib", (Picture(()),))
    if scores is not None:
        if points.shape[-1] not in (2, 3):
            raise InputError(f"{path}: field '{field}': expected x, y of each point, found {points.shape}")
        sure = numbers(path, "scores", scores, points.shape[:-1])
        points = np.concatenate([points[..., :2], sure[..., None]], axis=-1)
    if points.shape[-1] == 4 and points.shape[-2] == _MEDIAPIPE:  # x, y, z, visibility
        points = points[..., [0, 1, 3]]
    if points.shape[-1] != 3:
        raise InputError(
            f"{path}: field '{field}': expected x, y, confidence of each point (or `scores`), found {points.shape}"
        )
    if points.ndim == 4:
        pictures = tuple(
            Picture(tuple(Person(f"{field}[{t}][{i}]", one) for i, one in enumerate(people)), frame=str(t))
            for t, people in enumerate(points)
        )
    else:
        people = points if points.ndim == 3 else points[None]
        pictures = (Picture(tuple(Person(f"{field}[{i}]", one) for i, one in enumerate(people))),)
    # rtmlib keeps scores apart; x, y, confidence together are the BODY_25 of this package's own files.
    layout = {25: "body25" if scores is None else "coco25"}
    return Found("rtmlib", pictures, layout=layout, negative_is_missing=True)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = value.get("__ndarray__")
    if isinstance(value, np.ndarray):
        return value.ndim
    depth = 0
    while isinstance(value, (list, tuple)) and value and depth < 9:
        value, depth = value[0], depth + 1
    return depth + value.ndim if isinstance(value, np.ndarray) else depth


def _names(path: Path, meta: Any) -> tuple[str, ...] | None:
    listed = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    return None if listed is None else names_by_number(path, "meta_info.keypoint_id2name", listed)


def names_by_number(path: Path, field: str, listed: Any) -> tuple[str, ...]:
    """Names from {"0": name, …} or a list of names.

    Raises:
      InputError: other things than names, or numbers that leave some out.
    """
    if isinstance(listed, list):
        listed = {str(i): name for i, name in enumerate(listed)}
    if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
        raise InputError(f"{path}: field '{field}': expected the names of the points")
    missing = [i for i in range(len(listed)) if str(i) not in listed]
    if missing:
        raise InputError(f"{path}: field '{field}': expected a name for each point, none for {missing[0]}")
    return tuple(listed[str(i)] for i in range(len(listed)))
