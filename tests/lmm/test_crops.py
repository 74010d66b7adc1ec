"""What the model sees: the right pixels, nothing else of the file, and the same hash for the same picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from asking import HEIGHT, WIDTH, make_picture
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.lmm import View, crop_box, take_picture
from prosepose_jax.lmm.crops import person_extent, view_hash

PEOPLE = ((150.0, 100.0, 180.0, 200.0), (200.0, 120.0, 230.5, 210.0))


def _opened(view: View) -> Image.Image:
    return Image.open(io.BytesIO(take_picture(view).data)).convert("RGB")


def _close(picture: Image.Image, expected: Image.Image) -> bool:
    assert picture.size == expected.size
    difference = np.abs(np.asarray(picture, float) - np.asarray(expected.convert("RGB"), float))
    return float(difference.mean()) < 2.5


def test_box_is_the_padded_union_clipped() -> None:
    assert crop_box(PEOPLE, (1000, 1000)) == (80, 30, 301, 280)
    assert crop_box(PEOPLE, (250, 220)) == (80, 30, 250, 220)
    assert crop_box(PEOPLE[:1], (1000, 1000)) == (80, 30, 250, 270)
    with pytest.raises(InputError, match="outside the image of 40 × 20"):
        crop_box(PEOPLE, (40, 20))


def test_extent_is_of_visible_keypoints() -> None:
    points = np.array([[5.0, 6.0, 1.0], [9.0, 2.0, 0.1], [-999.0, 1e6, 0.0]])
    assert person_extent(points) == (5.0, 2.0, 9.0, 6.0)


def test_the_crop_shows_the_right_pixels(tmp_path: Path) -> None:
    image = make_picture(tmp_path / "a.jpg")
    view = View(image, (WIDTH, HEIGHT), PEOPLE)
    assert view.size == (221, 250)
    with Image.open(image) as whole:
        assert _close(_opened(view), whole.crop(view.box))
        assert not _close(_opened(view), whole.crop((90, 30, 311, 280)))  # the comparison sees ten pixels


def test_large_crops_are_reduced(tmp_path: Path) -> None:
    image = make_picture(tmp_path / "a.jpg")
    view = View(image, (WIDTH, HEIGHT), PEOPLE, max_side=125)
    picture = take_picture(view)
    assert view.size == (picture.width, picture.height) == (110, 125)
    assert View(image, (WIDTH, HEIGHT), PEOPLE, max_side=250).size == (221, 250)


def test_scenes_in_other_pixels_than_the_image(tmp_path: Path) -> None:
    """A scene of half the image's size shows the same place."""
    image = make_picture(tmp_path / "a.jpg", size=(2 * WIDTH, 2 * HEIGHT))
    view = View(image, (WIDTH, HEIGHT), PEOPLE)
    with Image.open(image) as whole:
        expected = whole.crop(tuple(2 * side for side in view.box)).resize(view.size, Image.Resampling.LANCZOS)
        assert _close(_opened(view), expected)
    other = View(image, (WIDTH, WIDTH), PEOPLE)
    with pytest.raises(InputError, match=f"a.jpg: expected an image of {WIDTH} × {WIDTH} pixels.*found 800 × 600"):
        take_picture(other)


def test_orientation_tags_are_followed_where_the_scene_does(tmp_path: Path) -> None:
    upright = make_picture(tmp_path / "a.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    with Image.open(upright) as picture:
        picture.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    turned = View(tmp_path / "turned.jpg", (WIDTH, HEIGHT), PEOPLE)
    with Image.open(upright) as whole:
        assert _close(_opened(turned), whole.crop(turned.box))
    raw = View(tmp_path / "turned.jpg", (HEIGHT, WIDTH), PEOPLE)  # of a detector that ignores the tag
    with Image.open(tmp_path / "turned.jpg") as whole:
        assert _close(_opened(raw), whole.crop(raw.box))


def test_metadata_never_leaves(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)  # GPS latitude
    file = tmp_path / "a.jpg"
    with Image.open(make_picture(tmp_path / "plain.jpg")) as picture:
        picture.save(file, exif=exif, comment=b"a secret comment")
    assert b"secret" in file.read_bytes()
    whole = ((0.0, 0.0, float(WIDTH), float(HEIGHT)),)
    data = take_picture(View(file, (WIDTH, HEIGHT), whole)).data
    assert b"secret" not in data and not dict(Image.open(io.BytesIO(data)).getexif())


@pytest.mark.parametrize("kind", ["png", "webp", "gray.png", "alpha.png", "palette.png"])
def test_every_kind_of_image(tmp_path: Path, kind: str) -> None:
    modes = {"gray.png": "L", "alpha.png": "RGBA", "palette.png": "P"}
    with Image.open(make_picture(tmp_path / "a.jpg")) as picture:
        picture.convert(modes.get(kind, "RGB")).save(tmp_path / f"b.{kind}")
    assert take_picture(View(tmp_path / f"b.{kind}", (WIDTH, HEIGHT), PEOPLE)).data.startswith(b"\xff\xd8")


def test_marks_are_red_and_blue_around_the_people(tmp_path: Path) -> None:
    gray = tmp_path / "gray.png"
    Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(gray)
    view = View(gray, (WIDTH, HEIGHT), PEOPLE, marked=True)
    pixels = np.asarray(_opened(view), int)
    plain = np.asarray(_opened(View(gray, (WIDTH, HEIGHT), PEOPLE)), int)
    assert np.abs(plain - 128).max() < 5
    left, top, _, _ = view.box
    for (x0, y0, x1, y1), strong, weak in zip(PEOPLE, (0, 2), (2, 0), strict=True):
        rows, columns = np.nonzero((pixels[:, :, strong] > 160) & (pixels[:, :, weak] < 90))
        found = [columns.min() + left, rows.min() + top, columns.max() + left, rows.max() + top]
        np.testing.assert_allclose(found, [x0 - 10, y0 - 10, x1 + 10, y1 + 10], atol=3)


def test_hashes_follow_what_is_shown(tmp_path: Path) -> None:
    one, other = make_picture(tmp_path / "a.jpg"), make_picture(tmp_path / "b.jpg", seed=1)
    copy = tmp_path / "moved" / "c.jpg"
    copy.parent.mkdir()
    copy.write_bytes(one.read_bytes())
    base = View(one, (WIDTH, HEIGHT), PEOPLE)
    assert view_hash(base) == view_hash(View(copy, (WIDTH, HEIGHT), PEOPLE))
    others = [
        View(other, (WIDTH, HEIGHT), PEOPLE),
        View(one, (WIDTH, HEIGHT), PEOPLE[:1]),
        View(one, (WIDTH, HEIGHT), PEOPLE, marked=True),
        View(one, (WIDTH, HEIGHT), PEOPLE, max_side=100),
    ]
    assert len({view_hash(view) for view in (base, *others)}) == 5


def test_unreadable_images_are_named(tmp_path: Path) -> None:
    missing = View(tmp_path / "none.jpg", (WIDTH, HEIGHT), PEOPLE)
    for function in (take_picture, view_hash):
        with pytest.raises(InputError, match="none.jpg: the image cannot be read \\(no such file"):
            function(missing)
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(InputError, match="text.jpg: not a readable image"):
        take_picture(View(tmp_path / "text.jpg", (WIDTH, HEIGHT), PEOPLE))
    whole = make_picture(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut.jpg: not a readable image"):
        take_picture(View(tmp_path / "cut.jpg", (WIDTH, HEIGHT), PEOPLE))
