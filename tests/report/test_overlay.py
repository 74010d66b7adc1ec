"""Overlays lie where the scene's camera sees the people, to a fraction of a pixel of the photograph."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fabricated_run import made_fit, made_scene
from PIL import Image, ImageDraw
from test_render import ball

from prosepose_jax.apps import render
from prosepose_jax.io import save_fit, save_scene
from prosepose_jax.report import render_people

GREEN = (0, 255, 0)
CLOSE_PX = 0.15  # the half pixel between a corner and a centre would be farther off
# Focal lengths, principal point, size of the image.
CAMERAS = {
    "plain": ((600.0, 600.0), (320.0, 240.0), (640, 480)),
    "off the middle": ((700.0, 700.0), (301.3, 262.8), (640, 480)),
    "two focal lengths": ((560.0, 640.0), (330.0, 228.0), (641, 427)),
    "upright": ((500.0, 500.0), (200.5, 399.5), (401, 799)),
}
JOINTS = np.array([[0.0, 0.0, 3.0], [-0.7, -0.5, 2.7], [0.6, 0.8, 3.4], [0.5, -0.9, 3.1], [-0.6, 0.7, 3.0]])  # m


def seen_at(points, camera):
    """(n, 2) px: the pinhole by hand."""
    focal, principal, _ = camera
    return np.array([[f * axis / z + c for axis, f, c in zip((x, y), focal, principal, strict=True)]
                     for x, y, z in points])  # fmt: skip


def with_a_disc(camera, place, radius=9.0):
    """(h, w, 3) white, with a black disc."""
    width, height = camera[2]
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    free = np.clip(np.hypot(x - place[0], y - place[1]) - radius + 0.5, 0.0, 1.0)
    return np.repeat(np.rint(255.0 * free).astype(np.uint8)[..., None], 3, axis=-1)


def middle(covered):
    """(2,) px from the picture's corner: the centroid of covered shares (h, w)."""
    rows, columns = np.nonzero(covered > 0.02)
    return np.average(np.stack([columns, rows], axis=1), axis=0, weights=covered[rows, columns]) + 0.5


def spots(camera, **how):
    """Of every joint: middle of a ball there in an overlay, and of a disc in the photograph below, px."""
    focal, principal, size = camera
    found = []
    for joint, place in zip(JOINTS, seen_at(JOINTS, camera), strict=True):
        points, faces = ball(joint, radius=0.05, rows=12, columns=24)

        def over(below, points=points, faces=faces):
            picture = render_people(points, faces, focal, principal, size, background=below, opacity=1.0, **how)
            return picture[..., 0].astype(float)

        disc = with_a_disc(camera, place)
        black, white = (over(np.full_like(disc, value)) for value in (0, 255))
        behind = over(disc, points=points * [1.0, 1.0, -1.0])
        found.append((middle(1.0 - (white - black) / 255.0), middle(1.0 - behind / 255.0)))
    return np.array(found).transpose(1, 0, 2)


@pytest.mark.parametrize(
    "name", ["upright", *(pytest.param(n, marks=pytest.mark.heavy) for n in CAMERAS if n != "upright")]
)
def test_joints_are_drawn_where_the_camera_sees_them(name):
    drawn, photographed = spots(CAMERAS[name])
    np.testing.assert_allclose(drawn, seen_at(JOINTS, CAMERAS[name]), atol=CLOSE_PX)
    np.testing.assert_allclose(drawn, photographed, atol=CLOSE_PX)


@pytest.mark.parametrize("how", [{"max_side": 333}, {"crop": (60.0, 10.0, 551.5, 470.25), "max_side": 400}])
def test_people_and_photograph_are_cut_and_scaled_alike(how):
    drawn, photographed = spots(CAMERAS["off the middle"], **how)
    np.testing.assert_allclose(drawn, photographed, atol=CLOSE_PX)


def outline(vertices, faces, camera, fine=4):
    """(h, w) bool: the pixels that triangles cover, by Pillow's polygons."""
    width, height = camera[2]
    image = Image.new("L", (width * fine, height * fine), 0)
    pen = ImageDraw.Draw(image)
    for person in vertices:
        corners = seen_at(person, camera) * fine - 0.5  # Pillow's coordinates are centres of pixels
        for face in faces:
            pen.polygon([tuple(corners[k]) for k in face], fill=255)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX)) > 127


@pytest.mark.parametrize("turn", [1, 6])
def test_the_command_lays_people_on_a_photograph(small_body, small_body_file, tmp_path, turn):
    """Also on one that a telephone stored lying: the scene's camera is that of the picture as it is shown."""
    camera = CAMERAS["upright"]
    fit = made_fit(small_body, "hug")
    shown = np.zeros((camera[2][1], camera[2][0], 3), np.uint8) + np.array(GREEN, np.uint8)
    shown[:9, :9] = (255, 0, 0)  # the upper left corner
    exif = Image.Exif()
    exif[0x0112] = turn
    stored, folder = Image.fromarray(shown), tmp_path / "scenes"
    folder.mkdir()
    if turn == 6:
        stored = stored.transpose(Image.Transpose.ROTATE_90)
    stored.save(folder / "photo.png", exif=exif)
    focal, principal, size = (np.array(field, float) for field in camera)
    save_fit(tmp_path / "run", fit)
    keypoints = np.broadcast_to([200.0, 400.0, 1.0], (2, 25, 3))
    save_scene(folder, dataclasses.replace(
        made_scene("hug"), keypoints=keypoints, focal_length=focal, principal_point=principal, image_size=size,
        image=folder / "photo.png"))  # fmt: skip
    assert render.main(["prosepose render", str(tmp_path / "run"), "--views=overlay", f"--body={small_body_file}",
                        f"--scenes={tmp_path / 'scenes'}", f"--out={tmp_path / 'out'}"]) == 0  # fmt: skip
    with Image.open(tmp_path / "out" / "hug_overlay.png") as picture:
        assert picture.size == camera[2]
        pixels = np.asarray(picture)
    assert pixels[3, 3].tolist() == [255, 0, 0] and pixels[20, 20].tolist() == list(GREEN)
    drawn = np.abs(pixels.astype(int) - GREEN).max(axis=-1) > 100
    drawn[:9, :9] = False
    wanted = outline(fit.vertices.astype(float), np.asarray(small_body.faces), camera)
    apart = {(x, y): (np.roll(drawn, (y, x), (0, 1)) ^ wanted).sum() for x in (-1, 0, 1) for y in (-1, 0, 1)}
    assert min(apart, key=apart.get) == (0, 0) and wanted.sum() > 20_000
    assert apart[0, 0] < 0.04 * wanted.sum()


def test_a_photograph_from_outside_is_refused_aloud(small_body, small_body_file, tmp_path, capsys):
    """Not left out in silence; --image_root lets it in."""
    Image.new("RGB", (640, 480), GREEN).save(tmp_path / "photo.png")
    save_fit(tmp_path / "run", made_fit(small_body, "hug"))
    seen = np.broadcast_to([200.0, 400.0, 1.0], (2, 25, 3))
    save_scene(
        tmp_path / "scenes", dataclasses.replace(made_scene("hug"), keypoints=seen, image=tmp_path / "photo.png")
    )
    command = ["prosepose render", str(tmp_path / "run"), "--views=overlay", f"--body={small_body_file}",
               f"--scenes={tmp_path / 'scenes'}", f"--out={tmp_path / 'out'}"]  # fmt: skip
    for more, refused in (((), True), ((f"--image_root={tmp_path}",), False)):
        assert render.main([*command, *more]) == 0
        assert ("hug: shown without its photograph" in capsys.readouterr().err) == refused
        with Image.open(tmp_path / "out" / "hug_overlay.png") as picture:
            assert (picture.getpixel((3, 3)) == GREEN) != refused
