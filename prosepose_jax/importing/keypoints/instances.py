"""Lists of instances: MMPose 0.x and 1.x, Sapiens, ViTPose, Hugging Face's VitPose, rtmlib, Detectron2 in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture, people_list, triples

_SCORES = ("keypoint_scores", "keypoints_scores", "scores", "keypoints_visible")
_LISTS = ("instance_info", "instances", "predictions")


def read(path: Path, tree: Any) -> Found | None:
    """Instances under `instance_info`, in a list, or as arrays over people; None for anything else."""
    if isinstance(tree, dict):
        names = _names(path, tree.get("meta_info"))
        for key in _LISTS:
            if isinstance(tree.get(key), list):
                return _found(path, key, tree[key], names)
            if isinstance(tree.get(key), dict) and ("pred_keypoints" in tree[key] or "keypoints" in tree[key]):
                return _arrays(path, f"{key}.", tree[key])
        if "pred_keypoints" in tree or "keypoints" in tree:
            return _arrays(path, "", tree)
        return None
    if isinstance(tree, list) and all(isinstance(entry, (dict, list)) for entry in tree):
        return _found(path, "", tree, None)
    return None


def _found(path: Path, where: str, entries: list[Any], names: tuple[str, ...] | None) -> Found | None:
    def of(pictures: tuple[Picture, ...]) -> Found:
        return Found("MMPose, Sapiens or ViTPose", pictures, names, negative_is_missing=True)

    if not entries:
        return of((Picture(()),))
    if all(isinstance(entry, list) for entry in entries):  # a list over images
        if not all(isinstance(person, dict) for entry in entries for person in entry):
            return None
        pictures = [Picture(_people(path, f"{where}[{i}]", entry), frame=str(i)) for i, entry in enumerate(entries)]
        return of(tuple(pictures))
    if not all(isinstance(entry, dict) for entry in entries):
        return None
    if any("instances" in entry for entry in entries):  # a list over frames
        pictures = []
        for i, entry in enumerate(entries):
            frame = entry.get("frame_id", i)
            people = people_list(path, f"{where}[{i}].instances", entry.get("instances"))
            pictures.append(Picture(_people(path, f"{where}[{i}].instances", people), frame=str(frame)[:40]))
        return of(tuple(pictures))
    if not any("keypoints" in entry for entry in entries):
        return None
    return of((Picture(_people(path, where, entries)),))


def _people(path: Path, where: str, entries: list[dict[str, Any]]) -> tuple[Person, ...]:
    return tuple(_person(path, f"{where}[{i}]", entry) for i, entry in enumerate(entries))


def _person(path: Path, where: str, entry: dict[str, Any]) -> Person:
    field = f"{where}.keypoints"
    if "keypoints" not in entry:
        raise InputError(f"{path}: field '{field}' is missing; expected the points of a person")
    scores = next((entry[name] for name in _SCORES if entry.get(name) is not None), None)
    if scores is None:
        return Person(field, triples(path, field, entry["keypoints"]))
    values = numbers(path, field, entry["keypoints"], (None, None))
    if values.shape[1] not in (2, 3):
        raise InputError(f"{path}: field '{field}': expected x, y of each point, found shape {values.shape}")
    sure = numbers(path, f"{where}.{'scores'}", scores, (len(values),))
    points = np.concatenate([values[:, :2], sure[:, None]], axis=1)
    if entry.get("labels") is None:
        return Person(field, points)
    # Hugging Face leaves unsure points out; `labels` says which are there.
    labels = numbers(path, f"{where}.labels", entry["labels"], (len(values),))
    if (labels < 0).any() or (labels >= 133).any() or (labels != np.round(labels)).any() or len(set(labels)) < len(labels):
        raise InputError(f"{path}: field '{where}.labels': expected different numbers of COCO's points, 0 to 132")
    full = np.zeros((17 if labels.max(initial=0) < 17 else 133, 3))
    full[labels.astype(int)] = points
    return Person(field, full)


def _arrays(path: Path, where: str, tree: dict[str, Any]) -> Found | None:
    """rtmlib's `keypoints` (n, K, 2) with `scores` (n, K); Detectron2's `pred_keypoints` (n, K, 3)."""
    key = "pred_keypoints" if "pred_keypoints" in tree else "keypoints"
    value = tree[key]
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        return None
    scores = next((tree[name] for name in _SCORES if tree.get(name) is not None and key == "keypoints"), None)
    field = f"{where}{key}"
    if np.size(scores if isinstance(scores, np.ndarray) else 1) == 0 or value == []:
        return Found("rtmlib", (Picture(()),))
    array = numbers(path, field, value, (None, None, None))
    if scores is not None:
        sure = numbers(path, f"{where}scores", scores, array.shape[:2])
        array = np.concatenate([array[..., :2], sure[..., None]], axis=2)
    if array.shape[2] != 3:
        raise InputError(f"{path}: field '{field}': expected x, y, confidence of each point (or `scores`), found {array.shape}")
    people = tuple(Person(f"{field}[{i}]", points) for i, points in enumerate(array))
    return Found("rtmlib", (Picture(people),), layout={25: "coco25"}, negative_is_missing=True)


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
