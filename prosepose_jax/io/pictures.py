"""Reads photographs: the one place where orientation, bit depth, colour and size limits are dealt with.

Two frames are told apart everywhere. The picture *as stored* is the file's grid of pixels; the picture *as
shown* is that grid turned or mirrored by the orientation tag (EXIF 0x0112, values 1 to 8). Every viewer, OpenCV
and therefore most detectors work on the picture as shown, and so does this project: scenes, crops and the
report hold coordinates of it. `stored_to_shown` takes points of a tool that ignores the tag there.

Coordinates are in pixels with the origin at the corner of the first pixel, as in shared cameras whose principal
point is half the image size: an axis that is turned round maps x to width - x.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from prosepose_jax.errors import InputError

MAX_PIXELS = 250_000_000
"""Larger pictures are refused from their header alone. Phones write 200 million pixels."""

MAX_DECODED_PIXELS = 50_000_000
"""Unpacked, so that all of reading stays below 512 MiB. A larger JPEG is read at 1/2, 1/4 or 1/8 of its size; a larger
file of another kind is not unpacked."""

MAX_PROGRESSIVE_PIXELS = 100_000_000
"""Of a progressive JPEG, which is unpacked whole before it is reduced."""

SIZE_SLACK = 0.02
"""By which the sides' ratio of a file and of a scene may differ (natural logarithm)."""

PICTURE_ERRORS = (
    OSError, SyntaxError, ArithmeticError, AttributeError, EOFError, LookupError, TypeError, ValueError, RuntimeError,
    AssertionError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""Whatever Pillow's readers come upon in a damaged file."""

# By name: Pillow hands PostScript to Ghostscript, and knows formats that hold no photographs.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000", "AVIF", "TGA", "QOI")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_STRIP_ROWS = 256
_ORIENTATION_TAG = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257

# Orientation: (whether x and y are exchanged, whether the shown x and the shown y run backwards).
_TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
MIRRORED = frozenset((2, 4, 5, 7))
"""Orientations that exchange left and right: a detector on the stored picture calls a left hand a right one."""

_FROM_SHOWN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

_pillow_lock = threading.Lock()  # of Pillow's limit and Python's warnings, which are one for the process


@dataclasses.dataclass(frozen=True)
class PictureHeader:
    """What a picture's file says before its pixels are read."""

    stored_size: tuple[int, int]  # width, height of the file's grid of pixels
    orientation: int  # 1 to 8

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture as shown."""
        width, height = self.stored_size
        return (height, width) if _TURNS[self.orientation][0] else (width, height)


def read_header(path: Path | str) -> PictureHeader:
    """Size and orientation of a picture, without unpacking it.

    Raises:
      InputError: the file is missing, no regular file, no picture, or larger than `MAX_PIXELS`.
    """
    with _opened(Path(path)) as (_, header):
        return header


def picture_size(path: Path | str) -> tuple[int, int]:
    """(width, height) in pixels of the picture as shown. Raises InputError as `read_header`."""
    return read_header(path).size


def stored_size(path: Path | str) -> tuple[int, int]:
    """(width, height) in pixels of the picture as stored. Raises InputError as `read_header`."""
    return read_header(path).stored_size


def orientation(path: Path | str) -> int:
    """The orientation tag, 1 (stored as shown) to 8. Raises InputError as `read_header`."""
    return read_header(path).orientation


def open_picture(path: Path | str, *, stored: bool = False, enough: int | None = None) -> Image.Image:
    """The picture as shown, in 8-bit RGB.

    Grey of 16 or 32 bits and floats are scaled to 8 bits (`_eight_bits`), transparent pixels are laid over white,
    CMYK is converted, and of a file of several pictures the first is taken. Nothing of the file but pixels is kept.

    Args:
      path: JPEG, PNG, WebP, TIFF, BMP, GIF, PNM, JPEG 2000, AVIF, TGA or QOI; HEIC with the extra `heic`.
      stored: whether the picture as stored is wanted instead.
      enough: a length of the longer side in pixels. Where a JPEG can be unpacked faster at 1/2, 1/4 or 1/8 of its
        size and is still that large, it is.

    Returns:
      A picture of `picture_size`, or a reduced one (`enough`, `MAX_DECODED_PIXELS`).

    Raises:
      InputError: as `read_header`; or the pixels cannot be unpacked, are too many, or are no colours.
    """
    path = Path(path)
    with _opened(path) as (opened, header):
        pixels = math.prod(header.stored_size)
        if opened.format in ("JPEG", "MPO") and (enough or pixels > MAX_DECODED_PIXELS):
            if pixels > MAX_PROGRESSIVE_PIXELS and opened.info.get("progressive"):
                raise InputError(
                    f"{path}: a progressive JPEG of {opened.width} × {opened.height} pixels is too large to be "
                    f"unpacked (at most {MAX_PROGRESSIVE_PIXELS / 1e6:.0f} million); write a smaller copy of it"
                )
            scale = min(1.0, enough / max(header.stored_size)) if enough else 1.0
            while pixels * scale * scale > MAX_DECODED_PIXELS:
                scale /= 2
            opened.draft(None, (max(1, int(opened.width * scale)), max(1, int(opened.height * scale))))
        if opened.width * opened.height > MAX_DECODED_PIXELS:
            raise InputError(
                f"{path}: {opened.width} × {opened.height} pixels are too many to be unpacked "
                f"(at most {MAX_DECODED_PIXELS / 1e6:.0f} million); write a smaller copy of the picture"
            )
        opened.load()
        picture = _rgb(opened, path)
        opened.close()  # its pixels, so that at most two copies are in memory
        # Pillow turns TIFF files itself while it reads them, others not.
        if opened.format != "TIFF" and header.orientation != 1:
            picture = _turned(picture, header.orientation)
        if stored and header.orientation in _FROM_SHOWN:
            picture = picture.transpose(_FROM_SHOWN[header.orientation])
    picture.info = {}  # Pillow would write the file's comment again
    return picture


def picture_of_size(
    path: Path | str, size: tuple[float, float], *, enough: int | None = None
) -> tuple[Image.Image, tuple[float, float]]:
    """The picture as a scene of the given size has it, and its pixels per pixel of the scene in x and y.

    As shown where that has the scene's shape; else as stored, for scenes of tools that ignored the tag.

    Args:
      path: the file.
      size: width and height of the scene's image in pixels.
      enough: as `open_picture`.

    Raises:
      InputError: as `open_picture`, or neither has the scene's shape.
    """
    header = read_header(path)
    for stored, found in ((False, header.size), (True, header.stored_size)):
        if abs(math.log(found[0] / size[0]) - math.log(found[1] / size[1])) <= SIZE_SLACK:
            picture = open_picture(path, stored=stored, enough=enough)
            return picture, (picture.width / size[0], picture.height / size[1])
    raise InputError(
        f"{path}: expected an image of {size[0]:.0f} × {size[1]:.0f} pixels (or of the same shape) as the scene says, "
        f"found {header.size[0]} × {header.size[1]}"
    )


def stored_to_shown(points: np.ndarray, orientation: int, stored_size: tuple[float, float]) -> np.ndarray:
    """Takes points of the picture as stored to the picture as shown.

    Of a mirrored picture (`MIRRORED`) the names of left and right have to be exchanged besides.

    Args:
      points: (..., 2) x and y in pixels, or (..., 3) with a confidence, where points of confidence 0 stay as they are.
      orientation: 1 to 8.
      stored_size: width and height of the picture as stored.

    Returns:
      An array like `points`.
    """
    exchanged, x_back, y_back = _TURNS[orientation]
    points = np.asarray(points)
    x, y = (points[..., 1], points[..., 0]) if exchanged else (points[..., 0], points[..., 1])
    width, height = (stored_size[1], stored_size[0]) if exchanged else stored_size
    moved = points.astype(np.result_type(points, np.float32), copy=True)
    moved[..., 0] = width - x if x_back else x
    moved[..., 1] = height - y if y_back else y
    if points.shape[-1] > 2:
        missing = points[..., 2] == 0
        moved[missing] = points[missing]
    return moved


def shown_to_stored(points: np.ndarray, orientation: int, stored_size: tuple[float, float]) -> np.ndarray:
    """The inverse of `stored_to_shown`, with the same arguments."""
    inverse = {6: 8, 8: 6}.get(orientation, orientation)  # all others undo themselves
    width, height = stored_size
    return stored_to_shown(points, inverse, (height, width) if _TURNS[orientation][0] else (width, height))


def check_regular(path: Path | str) -> None:
    """Raises InputError unless a path is a regular file: a device or a pipe would be read for ever."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        name = str(path) if str(path).isprintable() else repr(str(path))
        raise InputError(f"{name}: the image cannot be read ({reason})") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: expected an image, found no regular file")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, PictureHeader]]:
    """An image whose pixels are not read yet, and its header."""
    check_regular(path)
    _read_heic()
    with _pillow_to_oneself(), _named(path), Image.open(path, formats=_formats()) as opened:
        header = _header(opened)
        if min(header.size) < 1 or math.prod(header.size) > MAX_PIXELS:
            raise InputError(
                f"{path}: expected a picture of at most {MAX_PIXELS / 1e6:.0f} million pixels, "
                f"found {header.size[0]} × {header.size[1]}"
            )
        yield opened, header


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Makes an InputError with the file's name of whatever a reader raises."""
    try:
        yield
    except InputError:
        raise
    except PICTURE_ERRORS as error:
        if _is_heic(path):
            raise InputError(f"{path}: a HEIC picture; pip install 'prosepose_jax[heic]' to read it") from error
        why = "no known kind of picture" if isinstance(error, Image.UnidentifiedImageError) else error
        raise InputError(f"{path}: not a readable image ({why})") from error


@contextlib.contextmanager
def _pillow_to_oneself() -> Iterator[None]:
    """One thread at a time without Pillow's own limit (`MAX_PIXELS` is checked instead) and its raw warnings."""
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _header(opened: Image.Image) -> PictureHeader:
    try:
        turn = opened.getexif().get(_ORIENTATION_TAG, 1)
    except PICTURE_ERRORS:
        turn = 1  # a damaged block of metadata: every viewer passes over it
    if opened.format == "TIFF":
        # Pillow turns the size of TIFF files already.
        tags = opened.tag_v2  # type: ignore[attr-defined]
        size = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
    else:
        size = opened.size
    return PictureHeader(size, int(turn) if turn in _TURNS else 1)


def _turned(picture: Image.Image, turn: int) -> Image.Image:
    tag = Image.Exif()
    tag[_ORIENTATION_TAG] = turn
    picture.info = {"exif": tag.tobytes()}
    return ImageOps.exif_transpose(picture)


def _rgb(image: Image.Image, path: Path) -> Image.Image:
    """8-bit RGB of an image of any mode."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image), path)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        picture = Image.new("RGB", image.size, "white")
        picture.paste(image, mask=image.getchannel("A"))
        return picture
    # A copy also of RGB: `image` is closed with its file.
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _eight_bits(values: np.ndarray, path: Path) -> np.ndarray:
    """Grey values of more than 8 bits, or floats, as uint8.

    Floats up to 1 (a little more, for highlights) have 1 as white. Other values have the white of the smallest
    usual depth that holds them: 255, 4,095 (12 bits, what many sensors write) or 65,535.
    """
    if not all(np.isfinite(rows).all() for rows in _in_strips(values)):
        raise InputError(f"{path}: expected finite grey values, found NaN or infinity")
    low, high = float(values.min()), float(values.max())
    whites = (255.0, 4095.0, 65535.0)
    white = next((white for white in whites if high <= white), None)
    if values.dtype.kind == "f" and high <= 16.0:
        white = 1.0
    if white is None or low < -0.01 * white:
        raise InputError(
            f"{path}: expected grey values of a photograph, 0 to 65535 or 0 to 1, found {low:g} to {high:g}"
        )
    scaled = np.empty(values.shape, np.uint8)
    for rows, out in zip(_in_strips(values), _in_strips(scaled), strict=True):  # floats of all would be four times it
        out[...] = np.clip(np.rint(rows.astype(np.float32) * np.float32(255.0 / white)), 0, 255)
    return scaled


def _in_strips(values: np.ndarray) -> list[np.ndarray]:
    return [values[start : start + _STRIP_ROWS] for start in range(0, len(values), _STRIP_ROWS)]


@functools.cache
def _read_heic() -> bool:
    """Teaches Pillow to read HEIC where the extra is installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _formats() -> list[str]:
    Image.init()
    return [name for name in (*_FORMATS, "HEIF") if name in Image.OPEN]


def _is_heic(path: Path) -> bool:
    if _read_heic():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS
