"""Pictures as shown, whatever they are stored as; anything else is an error that names the file."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.io import pictures
from prosepose_jax.io.pictures import (
    MIRRORED,
    check_regular,
    open_picture,
    orientation,
    picture_of_size,
    picture_size,
    shown_to_stored,
    stored_size,
    stored_to_shown,
)

WIDTH, HEIGHT = 48, 32  # of the pictures as stored
TURNS = range(1, 9)


def _stored() -> np.ndarray:
    """Four quarters of different colours: no turn or mirror image of it looks the same."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2] = (250, 10, 10)
    pixels[: HEIGHT // 2, WIDTH // 2 :] = (10, 250, 10)
    pixels[HEIGHT // 2 :, : WIDTH // 2] = (10, 10, 250)
    pixels[HEIGHT // 2 :, WIDTH // 2 :] = (250, 250, 250)
    return pixels


def _write(file: Path, turn: int, pixels: np.ndarray | None = None) -> Path:
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"quality": 95} if file.suffix in (".jpg", ".webp", ".avif") else {}
    Image.fromarray(_stored() if pixels is None else pixels).save(file, exif=exif, **options)
    return file


def _color(picture: Image.Image, point: np.ndarray) -> np.ndarray:
    return np.asarray(picture, int)[int(point[1]), int(point[0])]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("turn", TURNS)
def test_every_orientation_of_every_kind_of_file(tmp_path: Path, turn: int, ending: str) -> None:
    """Also the points: each quarter's middle is found again by its colour."""
    if f".{ending}" not in Image.registered_extensions():
        pytest.skip(f"this Pillow writes no {ending}")
    file = _write(tmp_path / f"photo.{ending}", turn)
    shown, stored = open_picture(file), open_picture(file, stored=True)
    if ending != "avif":  # whose own turns hide how it was stored
        assert orientation(file) == turn
        assert stored_size(file) == stored.size == (WIDTH, HEIGHT)
        assert np.abs(np.asarray(stored, int) - _stored()).mean() < 8
    assert picture_size(file) == shown.size == ((HEIGHT, WIDTH) if turn >= 5 else (WIDTH, HEIGHT))
    middles = np.array([[12.0, 8.0], [36.0, 8.0], [12.0, 24.0], [36.0, 24.0]])
    for before, after in zip(middles, stored_to_shown(middles, turn, (WIDTH, HEIGHT)), strict=True):
        assert np.abs(_color(shown, after) - _stored()[int(before[1]), int(before[0])]).max() < 60
    assert shown.mode == "RGB" and not shown.info


@pytest.mark.parametrize("turn", TURNS)
def test_points_come_back(turn: int) -> None:
    points = np.random.default_rng(turn).uniform(0, 30, (3, 25, 3))
    points[0, :5] = 0.0  # not seen
    points[1, 3, :2] = np.nan
    moved = stored_to_shown(points, turn, (WIDTH, HEIGHT))
    np.testing.assert_allclose(shown_to_stored(moved, turn, (WIDTH, HEIGHT)), points, atol=1e-9)
    np.testing.assert_array_equal(moved[0, :5], 0.0)
    np.testing.assert_array_equal(moved[..., 2], points[..., 2])
    # A mirror image turns round the sense of three points.
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    sides = np.diff(stored_to_shown(corners, turn, (WIDTH, HEIGHT)), axis=0)
    assert (np.linalg.det(sides) < 0) == (turn in MIRRORED)
    whole = stored_to_shown(np.array([[0, 0], [WIDTH, HEIGHT]]), turn, (WIDTH, HEIGHT))
    assert sorted(np.abs(whole[1] - whole[0])) == [HEIGHT, WIDTH] and whole.min() == 0.0


def test_odd_tags_are_passed_over(tmp_path: Path) -> None:
    for turn in (0, 9, 255):
        assert orientation(_write(tmp_path / f"{turn}.jpg", turn)) == 1
    data = bytearray(_write(tmp_path / "whole.jpg", 6).read_bytes())
    at = data.index(b"Exif\0\0") + 6
    data[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "damaged.jpg").write_bytes(data)
    assert orientation(tmp_path / "damaged.jpg") == 1
    assert open_picture(tmp_path / "damaged.jpg").size == (WIDTH, HEIGHT)


def test_the_scenes_size_decides_between_shown_and_stored(tmp_path: Path) -> None:
    file = _write(tmp_path / "photo.png", 6)
    shown, scale = picture_of_size(file, (HEIGHT / 2, WIDTH / 2))
    assert shown.size == (HEIGHT, WIDTH) and scale == (2.0, 2.0)
    stored, scale = picture_of_size(file, (WIDTH * 2, HEIGHT * 2))
    np.testing.assert_array_equal(np.asarray(stored), _stored())
    assert scale == (0.5, 0.5)
    with pytest.raises(InputError, match="photo.png: expected an image of 48 × 48 pixels .* found 32 × 48"):
        picture_of_size(file, (WIDTH, WIDTH))
    # As shown, where both have the shape: by 180 degrees, and square.
    for turn, pixels in ((3, _stored()), (6, np.ascontiguousarray(_stored()[:, :HEIGHT]))):
        file = _write(tmp_path / f"even{turn}.png", turn, pixels)
        np.testing.assert_array_equal(
            np.asarray(picture_of_size(file, pixels.shape[1::-1])[0]), np.asarray(open_picture(file))
        )


def _ramp(dtype: type, white: float) -> np.ndarray:
    return (np.linspace(0, 1, WIDTH)[None] * np.ones((HEIGHT, 1)) * white).astype(dtype)


@pytest.mark.parametrize(
    ("name", "dtype", "white"),
    [
        ("a.png", np.uint16, 65535), ("a.tiff", np.uint16, 65535), ("b.png", np.uint16, 4095),
        ("c.png", np.uint16, 255), ("a.tiff", np.float32, 1.0), ("b.tiff", np.float32, 255.0),
        ("c.tiff", np.float32, 65535.0), ("d.tiff", np.int32, 65535), ("a.pgm", np.uint16, 65535),
    ],
)  # fmt: skip
def test_deep_grey_is_scaled(tmp_path: Path, name: str, dtype: type, white: float) -> None:
    Image.fromarray(_ramp(dtype, white)).save(tmp_path / name)
    found = np.asarray(open_picture(tmp_path / name), int)
    assert np.abs(found - 255 * np.linspace(0, 1, WIDTH)[None, :, None]).max() <= 1.0


def test_deep_grey_is_turned_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_ramp(np.uint16, 65535)).save(tmp_path / "a.png", exif=exif)
    found = np.asarray(open_picture(tmp_path / "a.png"), int)
    assert found.shape == (WIDTH, HEIGHT, 3) and found[0].max() == 0 and found[-1].min() == 255


@pytest.mark.parametrize("values", [[[np.nan, 1.0]], [[np.inf, 1.0]], [[-3.0, 1.0]], [[0.0, 1e6]]])
def test_numbers_that_are_no_greys_are_named(tmp_path: Path, values: list[list[float]]) -> None:
    Image.fromarray(np.asarray(values, np.float32)).save(tmp_path / "depth.tiff")
    with pytest.raises(InputError, match="depth.tiff: expected .*grey values"):
        open_picture(tmp_path / "depth.tiff")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_shows_the_same(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(_stored()).convert("L").convert("RGB")
    if mode == "1":
        picture = picture.convert("1", dither=Image.Dither.NONE).convert("RGB")
    for ending in ("png", "tiff", "jpg", "gif"):
        if (mode, ending) == ("YCbCr", "tiff"):
            continue  # Pillow can't read what it writes
        try:
            # JPEG takes the quality, the others pass over it.
            picture.convert(mode, palette=Image.Palette.ADAPTIVE).save(tmp_path / f"a.{ending}", quality=95)
        except (OSError, ValueError):
            continue  # this kind of file has no such mode
        found = np.asarray(open_picture(tmp_path / f"a.{ending}"), int)
        assert np.abs(found - np.asarray(picture, int)).mean() < 4, ending


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    pixels = np.dstack([_stored(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    pixels[:, : WIDTH // 2, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).convert("P").save(tmp_path / "p.png", transparency=0)
    found = np.asarray(open_picture(tmp_path / "a.png"))
    assert (found[:, : WIDTH // 2] == 255).all()
    np.testing.assert_array_equal(found[:, WIDTH // 2 :], _stored()[:, WIDTH // 2 :])
    assert open_picture(tmp_path / "p.png").mode == "RGB"


def _png_header(file: Path, width: int, height: int) -> Path:
    """A PNG that says how large it is and has nearly no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    )
    return file


def test_large_pictures(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """The size of a photo of 200 megapixels is known; what cannot be unpacked is an error, never a warning."""
    assert picture_size(_png_header(tmp_path / "phone.png", 16320, 12240)) == (16320, 12240)
    with pytest.raises(InputError, match="phone.png: 16320 × 12240 pixels are too many to be unpacked"):
        open_picture(tmp_path / "phone.png")
    _png_header(tmp_path / "bomb.png", 20000, 20000)
    for read in (picture_size, open_picture, orientation):
        with pytest.raises(InputError, match="bomb.png: expected .* at most 250 million pixels.*20000 × 20000"):
            read(tmp_path / "bomb.png")
    assert picture_size(_png_header(tmp_path / "fair.png", 12000, 10000)) == (12000, 10000)
    assert Image.MAX_IMAGE_PIXELS is not None and not recwarn.list


def test_jpeg_is_unpacked_no_larger_than_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.asarray(Image.fromarray(_stored()).resize((800, 480), Image.Resampling.NEAREST))
    file = _write(tmp_path / "a.jpg", 6, pixels)
    assert open_picture(file).size == (480, 800)
    small, scale = picture_of_size(file, (480, 800), enough=200)
    assert small.size == (120, 200) and scale == (0.25, 0.25)
    assert np.abs(np.asarray(small, int) - np.asarray(open_picture(file).resize((120, 200)), int)).mean() < 4
    monkeypatch.setattr(pictures, "MAX_DECODED_PIXELS", 800 * 480 - 1)
    assert open_picture(file).size == (240, 400)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for file in (tmp_path / "pipe.png", Path("/dev/zero"), tmp_path):
        for read in (check_regular, picture_size, open_picture):
            with pytest.raises(InputError, match="no regular file"):
                read(file)
    with pytest.raises(InputError, match="missing.png: the image cannot be read \\(no such file"):
        picture_size(tmp_path / "missing.png")
    with pytest.raises(InputError, match="cannot be read"):
        picture_size("a\0b.png")


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "gif", "bmp"])
def test_damaged_files_are_named(tmp_path: Path, ending: str) -> None:
    """Cut off and with bytes changed: a picture or an InputError, nothing else."""
    whole = tmp_path / f"whole.{ending}"
    Image.fromarray(_stored()).save(whole)
    data = whole.read_bytes()
    rng = np.random.default_rng(5)
    failed = 0
    for trial in range(60):
        damaged = bytearray(data[: int(rng.integers(1, len(data)))] if trial % 2 else data)
        for _ in range(trial % 7):
            damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
        file = tmp_path / f"a.{ending}"
        file.write_bytes(damaged)
        try:
            open_picture(file)
        except InputError as error:
            failed += 1
            assert f"a.{ending}" in str(error)
    assert failed > 10


def test_postscript_is_not_run(tmp_path: Path) -> None:
    Image.fromarray(_stored()).save(tmp_path / "a.eps")
    with pytest.raises(InputError, match="a.eps: not a readable image"):
        open_picture(tmp_path / "a.eps")


def test_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    monkeypatch.setattr(pictures, "_read_heic", lambda: False)
    with pytest.raises(InputError, match=r"a.heic: a HEIC picture; pip install 'prosepose_jax\[heic\]'"):
        open_picture(tmp_path / "a.heic")
    monkeypatch.undo()
    pytest.importorskip("pillow_heif")
    assert pictures._read_heic()
    pixels = np.kron(_stored(), np.ones((4, 4, 1), np.uint8))
    Image.fromarray(pixels).save(tmp_path / "b.heic", quality=90)
    shown = open_picture(tmp_path / "b.heic")
    assert picture_size(tmp_path / "b.heic") == shown.size == (4 * WIDTH, 4 * HEIGHT)
    assert np.abs(np.asarray(shown, int) - pixels).mean() < 8
