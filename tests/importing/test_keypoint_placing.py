"""Keypoints of the photograph turned otherwise, or of another size, than the estimates."""

from __future__ import annotations

import numpy as np
import pytest
from detector_files import (
    BODY_25,
    COCO_17,
    ORDERS,
    PEOPLE,
    SIZE,
    expected_body25,
    expected_hands,
    mmpose,
    points,
    rtmlib,
)
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints import read_merged

NAMES = ("photo.jpg",)


def exchanged(order: list[str]) -> list[str]:
    """The names that a detector gives on a mirrored picture."""
    return [n.replace("left", "x").replace("right", "left").replace("x", "right") if "t_" in n else n for n in order]


def tagged(path, orientation: int, size: tuple[int, int] = SIZE):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(path, exif=exif)
    return path


def stored_of_shown(places: np.ndarray, orientation: int) -> np.ndarray:
    """Where points of the shown picture of SIZE lie in the stored one, by turning a picture of their coordinates."""
    width, height = SIZE
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)  # the shown picture
    operation = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
                 7: "TRANSVERSE", 8: "ROTATE_270"}[orientation]  # fmt: skip
    channels = [Image.fromarray(grid[..., k].astype(np.int32)) for k in range(2)]
    stored = np.stack([np.asarray(c.transpose(Image.Transpose[operation])) for c in channels], axis=-1)
    found = []
    for x, y in np.floor(places.reshape(-1, 2)):
        row, column = np.argwhere((stored == (x, y)).all(axis=-1))[0]
        found.append((column + 0.5, row + 0.5))
    return np.array(found).reshape(places.shape)


@pytest.mark.heavy
@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("of_stored", [True, False])
def test_every_orientation(orientation, of_stored, tmp_path):
    order = exchanged(COCO_17) if orientation in (2, 4, 5, 7) else COCO_17
    shown, stored = points(COCO_17), points(COCO_17)
    stored[..., :2] = stored_of_shown(shown[..., :2], orientation)
    stored = stored[:, [order.index(name) for name in COCO_17]]
    sideways = orientation >= 5
    image = tagged(tmp_path / "photo.jpg", orientation, SIZE[::-1] if sideways else SIZE)
    # The estimates are of the picture as shown, the detector read it as stored; or the other way round.
    expected = np.zeros((2, 25, 3))
    for k, name in enumerate(COCO_17):
        expected[:, BODY_25.index(name)] = shown[:, k] if of_stored else stored[:, k]
    path = mmpose(tmp_path / "k.json", stored if of_stored else shown)
    found = read_merged([path], names=NAMES, people_px=expected, image=image)
    seen = expected[..., 2] > 0
    assert np.abs(found.keypoints - expected)[seen][:, :2].max() < 1.01
    meaning = "as stored" if of_stored else "as shown"
    if orientation in (6, 8) or of_stored:  # the others are their own inverse
        assert any(f"picture {meaning}" in note for note in found.notes)


def test_hands_are_turned_as_well(tmp_path):
    image = tagged(tmp_path / "photo.jpg", 3)
    order = ORDERS["wholebody133"]
    turned = points(order)
    turned[..., :2] = np.array(SIZE) - turned[..., :2]
    path = rtmlib(tmp_path / "k.npz", turned)
    found = read_merged([path], names=NAMES, people_px=expected_body25(order), image=image)
    assert np.abs(found.keypoints - expected_body25(order)).max() < 0.01
    assert np.abs(found.hands - expected_hands()).max() < 0.01


def test_keypoints_that_fit_are_left_alone(tmp_path):
    image = tagged(tmp_path / "photo.jpg", 6, SIZE[::-1])
    path = mmpose(tmp_path / "k.json", points(COCO_17))
    own = expected_body25(BODY_25)
    own[..., :2] += np.random.default_rng(0).normal(0, 6, (2, 25, 2))
    found = read_merged([path], names=NAMES, people_px=own, image=image)
    np.testing.assert_allclose(found.keypoints, expected_body25(COCO_17), atol=1e-3)
    assert not found.notes
    # So are those of nobody.
    (tmp_path / "empty.json").write_text("[]")
    both = [path, tmp_path / "empty.json"]
    assert len(read_merged(both, names=NAMES, people_px=own, image=image).keypoints) == 2
    # Strangers stay strangers: the caller says who has no estimate.
    found = read_merged([path], names=NAMES, people_px=own + np.array([900.0, 5000.0, 0]), image=image)
    np.testing.assert_allclose(found.keypoints, expected_body25(COCO_17), atol=1e-3)


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.7, 1.5, 3.0])
def test_keypoints_of_a_resized_image_are_refused(scale, tmp_path):
    path = mmpose(tmp_path / "k.json", points(COCO_17) * np.array([scale, scale, 1.0]))
    with pytest.raises(InputError, match=rf"k.json: the keypoints fit the estimates at {1 / scale:.2f} times"):
        read_merged([path], names=NAMES, people_px=expected_body25(BODY_25))


@pytest.mark.parametrize("scale", [0.8, 0.85])
def test_keypoints_of_a_slightly_resized_image_are_told_of(scale, tmp_path):
    path = mmpose(tmp_path / "k.json", points(COCO_17) * np.array([scale, scale, 1.0]))
    found = read_merged([path], names=NAMES, people_px=expected_body25(BODY_25))
    assert any(f"{1 / scale:.2f} times" in note for note in found.notes)


def test_low_confidences_are_told_of(tmp_path):
    people = points(COCO_17) * np.array([1, 1, 0.2])
    found = read_merged([rtmlib(tmp_path / "k.npz", people)], names=NAMES)
    assert any("below 0.2" in note for note in found.notes) and len(PEOPLE) == len(found.keypoints)
