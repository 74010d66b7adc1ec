"""Ultralytics YOLO pose: `to_json()` and the lines of `save_txt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture
from prosepose_jax.importing.keypoints.layouts import layouts_of

_NUM_POINTS = 17  # of every pose model Ultralytics publishes
_BOX = 5  # class and box (centre, width, height) at the start of a line


def read(path: Path, tree: Any) -> Found | None:
    """A list of {`keypoints`: {`x`, `y`, `visible`}}, or rows of numbers; None for anything else."""
    if not isinstance(tree, list) or not tree:
        return None
    if any(_has_points(entry) for entry in tree):
        people = [(i, entry) for i, entry in enumerate(tree) if not _is_other(entry)]
        return Found("YOLO", (Picture(tuple(_entry(path, f"[{i}].keypoints", entry) for i, entry in people)),))
    rows = all(isinstance(row, list) and row and all(isinstance(v, float) for v in row) for row in tree)
    return _text(path, tree) if rows and len(tree[0]) > _BOX else None


def _has_points(entry: Any) -> bool:
    points = entry.get("keypoints") if isinstance(entry, dict) else None
    return isinstance(points, dict) and "x" in points and "y" in points


def _is_other(entry: Any) -> bool:
    """Whether it is a thing of another class than person, without points."""
    return isinstance(entry, dict) and "keypoints" not in entry and entry.get("name") not in (None, "person")


def _entry(path: Path, field: str, entry: Any) -> Person:
    points = entry.get("keypoints") if isinstance(entry, dict) else None
    if not isinstance(points, dict):
        raise InputError(f"{path}: field '{field}': expected x, y and visible")
    x = numbers(path, f"{field}.x", points.get("x"), (None,))
    y = numbers(path, f"{field}.y", points.get("y"), x.shape)
    visible = points.get("visible")
    sure = np.ones(len(x)) if visible is None else numbers(path, f"{field}.visible", visible, x.shape)
    return Person(field, np.stack([x, y, sure], axis=1))


def _text(path: Path, rows: list[list[float]]) -> Found:
    """Class, box, then x, y, confidence (or x, y) of each point; with save_conf and tracking one or two more."""
    kept = list(dict.fromkeys(tuple(row) for row in rows))
    notes = (f"{path}: lines that occur twice are taken once (YOLO appends on repeated runs)",)
    people = []
    for index, row in enumerate(kept):
        field = f"line {index + 1}"
        count, width = _text_layout(path, field, len(row))
        points = np.array(row[_BOX : _BOX + count * width]).reshape(count, width)
        people.append(Person(field, np.concatenate([points, np.ones((count, 3 - width))], axis=1)))
    found = (Picture(tuple(people)),)
    return Found("YOLO text", found, normalised=True, notes=notes if len(kept) < len(rows) else ())


def _text_layout(path: Path, field: str, length: int) -> tuple[int, int]:
    """(points, numbers a point) of a line; Ultralytics' own number of points goes first."""
    for width in (3, 2):
        if 0 <= length - _BOX - _NUM_POINTS * width <= 2:
            return _NUM_POINTS, width
    for width in (3, 2):
        for extra in range(3):
            count, rest = divmod(length - _BOX - extra, width)
            if rest == 0 and layouts_of(count):
                return count, width
    raise InputError(f"{path}: {field}: expected class, box and 17 × (x, y, confidence), found {length} numbers")
