"""Keypoint files as plain trees, and numbers out of such trees with every oddity named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers.limits import MAX_BYTES
from prosepose_jax.importing.containers.reading import read_tree

# No image is as large as this; float32 still tells pixels apart.
_MAX_COORDINATE = 1e6
# Detectors of old wrote up to 6 (AlphaPose); SimCC scores exceed 1 a little.
_MAX_CONFIDENCE = 10.0
_ROW_BYTES = b"0123456789+-.eE \t\r\n"


def read_contents(path: Path) -> Any:
    """Any container (`containers.read_tree`), or lines of numbers as a list of rows (YOLO's text).

    The kind is told by the contents, not by the ending.

    Raises:
      InputError: the file is missing, empty, too large or none of these.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(2048)
            rows = start[:1] in b"0123456789 \t\r\n" and not start.strip(_ROW_BYTES)
            text = start + file.read(MAX_BYTES) if rows else b""
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not start.strip():
        raise InputError(f"{path}: the file is empty; expected keypoints")
    if not rows:
        return read_tree(path)
    try:
        return [[float(word) for word in line.split()] for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise InputError(f"{path}: expected lines of numbers (YOLO's text), found other words ({error})") from error


def numbers(path: Path, field: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """`value` as float64 of the given shape (None = any length); NaN is left to the caller.

    Raises:
      InputError: names the file and the field: other kinds than numbers, uneven lists, another shape.
    """
    if isinstance(value, dict) and isinstance(value.get("__ndarray__"), list):  # json_tricks
        value = value["__ndarray__"]
    wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
    if not isinstance(value, (list, tuple, np.ndarray, int, float, np.number)):
        raise InputError(f"{path}: field {field!r}: expected numbers of shape {wanted}, found {type(value).__name__}")
    try:
        array = _array(value)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: field {field!r}: expected numbers of shape {wanted}, found uneven lists") from error
    if array.size == 0 and array.dtype.kind != "O":
        array = array.astype(np.float64)
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"{path}: field {field!r}: expected numbers of shape {wanted}, found other kinds of values among them"
        )
    if array.ndim != len(shape) or any(s is not None and s != n for s, n in zip(shape, array.shape, strict=True)):
        raise InputError(f"{path}: field {field!r}: expected numbers of shape {wanted}, found {array.shape}")
    with np.errstate(all="ignore"):  # what is not finite is looked at where it is used
        return array.astype(np.float64)


def _array(value: Any) -> np.ndarray:
    """As numpy has it; where that is no array of numbers, once more with nulls as NaN."""
    try:
        array = np.asarray(value)
        if array.dtype != object:
            return array
    except ValueError:
        pass
    return np.asarray(_without_nulls(value))


def _without_nulls(value: Any) -> Any:
    """Lists of numbers whose nulls are NaN; a null beside points (lists) is a point of NaN."""
    if not isinstance(value, (list, tuple)):
        return value
    if not any(entry is None for entry in value):
        return [_without_nulls(entry) if isinstance(entry, (list, tuple)) else entry for entry in value]
    point = next((entry for entry in value if isinstance(entry, (list, tuple, np.ndarray))), None)
    null: Any = np.nan if point is None else [np.nan] * len(point)
    return [null if entry is None else _without_nulls(entry) for entry in value]


def checked(path: Path, field: str, points: np.ndarray, negative_is_missing: bool) -> np.ndarray:
    """Points (K, 3) with missing ones (NaN among them) set to 0, 0, 0 and confidences cut at 1.

    Raises:
      InputError: infinite values, negative confidences where the tool writes none, values out of all range.
    """
    points = points.copy()
    points[np.isnan(points).any(axis=1)] = 0.0
    confidence = points[:, 2]
    if (confidence < 0).any() and not negative_is_missing:
        raise InputError(f"{path}: field {field!r}: expected confidences in [0, 1], found {confidence.min():g}")
    points[confidence <= 0] = 0.0  # the place of a missing point means nothing
    if not np.isfinite(points).all():
        raise InputError(f"{path}: field {field!r}: expected finite numbers, found infinite ones")
    if confidence.max(initial=0.0) > _MAX_CONFIDENCE:
        raise InputError(f"{path}: field {field!r}: expected confidences in [0, 1], found {confidence.max():g}")
    farthest = float(np.abs(points[:, :2]).max(initial=0.0))
    if farthest > _MAX_COORDINATE:
        raise InputError(f"{path}: field {field!r}: expected positions in pixels, found {farthest:g}")
    points[(points[:, 0] == 0) & (points[:, 1] == 0)] = 0.0  # every tool's mark of a missing point
    points[:, 2] = np.minimum(points[:, 2], 1.0)
    return points
