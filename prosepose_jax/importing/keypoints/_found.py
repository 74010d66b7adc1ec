"""What a reader of one family hands over: raw people of each image, in the file's own layout."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._files import numbers

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".gif")


@dataclasses.dataclass(frozen=True)
class Person:
    """One person: (K, 3) x, y, confidence as the file has them, and hands (2, 21, 3) kept apart from the points."""

    field: str
    points: np.ndarray
    hands: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Picture:
    """The people of one image.

    Attributes:
      people: of the image.
      ids: the names that the file gives the image.
      frame: its number in a video.
      size: width and height (px) of the picture that the positions are of, where the file says it.
    """

    people: tuple[Person, ...]
    ids: tuple[str, ...] = ()
    frame: str | None = None
    size: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Found:
    """All images of a file.

    Attributes:
      tool: the family of files, for messages.
      pictures: the images.
      names: the points' names, where the file has them.
      layout: what the family writes for its number of points, where the number alone does not tell.
      normalised: True: positions are in [0, 1] of the image; None: told by their values.
      negative_is_missing: the tool writes confidences below 0 for points it did not find.
      notes: what is to be said.
    """

    tool: str
    pictures: tuple[Picture, ...]
    names: tuple[str, ...] | None = None
    layout: dict[int, str] = dataclasses.field(default_factory=dict)
    normalised: bool | None = None
    negative_is_missing: bool = False
    notes: tuple[str, ...] = ()


def triples(path: Path, field: str, value: Any) -> np.ndarray:
    """x, y, confidence of each point, flat or in rows, as (K, 3).

    Raises:
      InputError: other things than numbers, or not three for each point.
    """
    if isinstance(value, dict) and isinstance(value.get("__ndarray__"), list):  # json_tricks
        value = value["__ndarray__"]
    flat_list = isinstance(value, (list, tuple)) and not any(isinstance(v, (list, tuple, np.ndarray)) for v in value)
    if flat_list or (isinstance(value, np.ndarray) and value.ndim == 1):
        flat = numbers(path, field, value, (None,))
        if flat.size % 3:
            raise InputError(
                f"{path}: field {field!r}: expected x, y, confidence of each point, found {flat.size} numbers"
            )
        return flat.reshape(-1, 3)
    return numbers(path, field, value, (None, 3))


def people_list(path: Path, field: str, value: Any) -> list[dict[str, Any]]:
    """`value` as a list of dictionaries.

    Raises:
      InputError: it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InputError(f"{path}: field {field!r}: expected a list of detected people")
    return value
