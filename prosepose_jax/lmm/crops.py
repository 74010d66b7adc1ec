"""What the model sees: the image cut to the people it is asked about, who may be marked in it.

docs/ask.md, "Images". Pictures are always encoded anew, so nothing but pixels leaves the machine: no place,
camera or name from the file's metadata.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from prosepose_jax.errors import InputError
from prosepose_jax.io.pictures import check_regular, picture_of_size
from prosepose_jax.lmm.clients.base import Picture
from prosepose_jax.untrusted import as_input_error, budgets, open_regular

PADDING_PX = 70
"""Around the people's keypoints, as the method has it."""

MARK_COLORS = ("#ff0000", "#0000ff")  # of Person 1 and Person 2: the words of the prompts' `marked` lines
_QUALITY = 95

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom are outside


@dataclasses.dataclass(frozen=True)
class View:
    """A part of an image file, in the pixels of the scene."""

    image: Path
    image_size: tuple[int, int]  # width, height as the scene has them
    people: tuple[tuple[float, float, float, float], ...]  # box around each person's keypoints
    marked: bool = False
    max_side: int = 0  # pixels; larger crops are reduced; 0: never

    @property
    def box(self) -> Box:
        """The crop: the union of the people's boxes, padded and clipped."""
        return crop_box(self.people, self.image_size)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture that is sent."""
        left, top, right, bottom = self.box
        width, height = right - left, bottom - top
        scale = min(1.0, self.max_side / max(width, height)) if self.max_side else 1.0
        return max(1, round(width * scale)), max(1, round(height * scale))


def person_extent(keypoints: np.ndarray) -> tuple[float, float, float, float]:
    """Box around a person's visible keypoints, (25, 3)."""
    points = keypoints[keypoints[:, 2] > 0, :2]
    return (*map(float, points.min(axis=0)), *map(float, points.max(axis=0)))  # type: ignore[return-value]


def crop_box(people: tuple[tuple[float, float, float, float], ...], image_size: tuple[int, int]) -> Box:
    """Union of boxes, padded by `PADDING_PX` and clipped to the image.

    Raises:
      InputError: nothing of it lies inside the image.
    """
    boxes = np.array(people)
    low = np.floor(boxes[:, :2].min(axis=0) - PADDING_PX)
    high = np.ceil(boxes[:, 2:].max(axis=0) + PADDING_PX)
    left, top = np.maximum(low, 0).astype(int).tolist()
    right, bottom = np.minimum(high, image_size).astype(int).tolist()
    if right <= left or bottom <= top:
        raise InputError(f"the people's keypoints lie outside the image of {image_size[0]} × {image_size[1]} pixels")
    return left, top, right, bottom


def view_hash(view: View) -> str:
    """A hash of what the picture is made of: it tells whether an answer is about this very picture.

    Of the file and not of the encoded picture, so that another version of the encoder asks for nothing anew.

    Raises:
      InputError: the file cannot be read.
    """
    digest = _hash_of(view.image)
    digest.update(repr((view.box, view.max_side, view.people if view.marked else None)).encode())
    return digest.hexdigest()[:16]


def take_picture(view: View) -> Picture:
    """Cuts, marks and encodes.

    Raises:
      InputError: the file cannot be read, is no image, or has another shape than the scene says.
    """
    # Detectors either follow the file's orientation tag or not: the scene's size tells.
    picture, scale = picture_of_size(view.image, view.image_size)
    left, top, right, bottom = view.box
    x, y = scale
    region = (math.floor(left * x), math.floor(top * y), math.ceil(right * x), math.ceil(bottom * y))
    region = (region[0], region[1], min(region[2], picture.width), min(region[3], picture.height))
    # Not `crop`, which warns of large pictures; at scale 1 the filter copies.
    picture = picture.resize(view.size, Image.Resampling.LANCZOS, box=region)
    if view.marked:
        _mark(picture, view)
    picture.info = {}  # Pillow would write the file's comment again
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=_QUALITY)
    return Picture(encoded.getvalue(), *picture.size)


def _hash_of(file: Path) -> Any:
    """A SHA-256 of a picture's file, never all of it in memory."""
    check_regular(file)
    with as_input_error(file, "the image cannot be read"), open_regular(file) as opened:
        if os.fstat(opened.fileno()).st_size > budgets.FILE_BYTES:
            raise InputError(f"{file}: is larger than the budget of {budgets.FILE_BYTES >> 20} MiB")
        return hashlib.file_digest(opened, "sha256")


def _mark(picture: Image.Image, view: View) -> None:
    """Draws a box around each person, clipped to the picture."""
    left, top, right, bottom = view.box
    x, y = picture.width / (right - left), picture.height / (bottom - top)
    line = max(2, round(max(picture.size) / 200))
    draw = ImageDraw.Draw(picture)
    margin = 10  # pixels of the scene: boxes go around keypoints, people are larger
    for (x0, y0, x1, y1), color in zip(view.people, MARK_COLORS, strict=False):
        corners = [(x0 - margin - left) * x, (y0 - margin - top) * y, (x1 + margin - left) * x, (y1 + margin - top) * y]
        low = [max(0.0, corners[0]), max(0.0, corners[1])]
        high = [min(picture.width - 1.0, corners[2]), min(picture.height - 1.0, corners[3])]
        if high[0] > low[0] and high[1] > low[1]:
            draw.rectangle([*low, *high], outline=color, width=line)
