"""Ultralytics YOLO pose: `to_json()` and the lines of `save_txt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers
from prosepose_jax.importing.keypoints._found import Found, Person, Picture
from prosepose_jax.importing.keypoints.layouts import layouts_of


def read(path: Path, tree: Any) -> Found | None:
    """A list of {`keypoints`: {`x`, `y`, `visible`}}, or rows of numbers; None for anything else."""
    if not isinstance(tree, list) or not tree:
        return None
    if isinstance(tree[0], dict) and isinstance(tree[0].get("keypoints"), dict) and "x" in tree[0]["keypoints"]:
        return Found("YOLO", (Picture(tuple(_entry(path, f"[{i}].keypoints", entry) for i, entry in enumerate(tree))),))
    if path.suffix.lower() != ".json" and isinstance(tree[0], list) and all(isinstance(v, float) for v in tree[0]):
        return _text(path, tree)
    return None


def _entry(path: Path, field: str, entry: Any) -> Person:
    points = entry.get("keypoints") if isinstance(entry, dict) else None
    if not isinstance(points, dict):
        raise InputError(f"{path}: field '{field}': expected x, y and visible")
    x = numbers(path, f"{field}.x", points.get("x"), (None,))
    y = numbers(path, f"{field}.y", points.get("y"), x.shape)
    sure = np.ones(len(x)) if points.get("visible") is None else numbers(path, f"{field}.visible", points["visible"], x.shape)
    return Person(field, np.stack([x, y, sure], axis=1))


def _text(path: Path, rows: list[list[float]]) -> Found:
    """Class, box (4), then x, y, confidence (or x, y) of each point; with save_conf and tracking one or two more."""
    kept = list(dict.fromkeys(tuple(row) for row in rows))
    notes = ("lines that occur twice are taken once (YOLO appends on repeated runs)",) if len(kept) < len(rows) else ()
    people = []
    for index, row in enumerate(kept):
        field, values = f"line {index + 1}", np.array(row[5:])
        for width in (3, 2):
            counts = [(len(values) - extra) // width for extra in range(3) if (len(values) - extra) % width == 0]
            counts = [count for count in counts if layouts_of(count)]
            if counts:
                break
        else:
            raise InputError(f"{path}: {field}: expected class, box and 17 × (x, y, confidence), found {len(row)} numbers")
        points = values[: counts[0] * width].reshape(-1, width)
        people.append(Person(field, np.concatenate([points, np.ones((len(points), 3 - width))], axis=1)))
    return Found("YOLO text", (Picture(tuple(people)),), normalised=True, notes=notes)
