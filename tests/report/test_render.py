"""The software renderer: exact pinhole camera, hiding, views, panels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.report import render_people, render_scene_panel, render_views
from prosepose_jax.report._raster import Mesh, visible_surface
from prosepose_jax.report.render import load_background
from prosepose_jax.scene import Fit, Scene

PAPER = np.array([244, 245, 247])
FOCAL, PRINCIPAL, SIZE = (400.0, 430.0), (140.0, 130.0), (320, 240)
BLUE, ORANGE = np.array([[0.2, 0.4, 0.9], [0.95, 0.6, 0.2]])


def ball(center, radius=0.3, rows=24, columns=48):
    """A closed ball with outward triangles."""
    polar = np.linspace(0.0, np.pi, rows + 1)[1:-1]
    turn = np.arange(columns) * 2.0 * np.pi / columns
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(turn),
            np.sin(polar)[:, None] * np.sin(turn),
            np.repeat(np.cos(polar)[:, None], columns, axis=1),
        ],
        axis=-1,
    )
    points = np.concatenate([ring.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]])
    at = np.arange((rows - 1) * columns).reshape(rows - 1, columns)
    a, b, c, d = at[:-1], at[1:], np.roll(at[1:], -1, axis=1), np.roll(at[:-1], -1, axis=1)
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    top, bottom = len(points) - 2, len(points) - 1
    faces.append(np.stack([np.full(columns, top), at[0], np.roll(at[0], -1)], -1))
    faces.append(np.stack([np.full(columns, bottom), np.roll(at[-1], -1), at[-1]], -1))
    return points * radius + np.asarray(center), np.concatenate(faces)


def is_drawn(picture):
    return np.any(np.abs(picture.astype(int) - PAPER) > 6, axis=-1)


def project(points):
    return points[:, :2] / points[:, 2:] * FOCAL + PRINCIPAL


def test_silhouette_agrees_with_the_projection_within_a_pixel():
    points, faces = ball((0.35, -0.2, 2.0))
    shown = is_drawn(render_people(points, faces, FOCAL, PRINCIPAL, SIZE))
    # Every vertex lands on the silhouette (within one pixel), and its extremes are the silhouette's.
    pixels = project(points)
    thick = np.pad(shown, 1)
    thick = np.any([thick[i : i + 240, j : j + 320] for i in range(3) for j in range(3)], axis=0)
    assert all(thick[int(y), int(x)] for x, y in pixels)
    rows, columns = np.nonzero(shown)
    np.testing.assert_allclose([columns.min(), rows.min()], pixels.min(axis=0), atol=1.0)
    np.testing.assert_allclose([columns.max() + 1, rows.max() + 1], pixels.max(axis=0), atol=1.0)
    # Its area is that of the projected outline: nothing leaks, no hole, no crack.
    hull = pixels[np.argsort(np.arctan2(*(pixels - pixels.mean(axis=0)).T))]
    from_outline = _hull_area(hull)
    assert shown.sum() == pytest.approx(from_outline, rel=0.02)


def _cross(a, b):
    return a[0] * b[1] - a[1] * b[0]


def _hull_area(points):
    """Area of the convex hull (monotone chain)."""

    def half(ordered):
        chain = []
        for p in ordered:
            while len(chain) > 1 and _cross(chain[-1] - chain[-2], p - chain[-2]) <= 0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    hull = np.array(half(list(ordered)) + half(list(ordered[::-1])))
    x, y = hull.T
    return 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def test_the_principal_point_moves_the_picture():
    points, faces = ball((0.0, 0.0, 2.0))
    one = is_drawn(render_people(points, faces, FOCAL, (120.0, 110.0), SIZE))
    other = is_drawn(render_people(points, faces, FOCAL, (157.0, 123.0), SIZE))
    np.testing.assert_array_equal(np.roll(one, (13, 37), axis=(0, 1)), other)


def test_the_nearer_person_hides_the_farther_in_any_order():
    near, faces = ball((0.0, 0.0, 1.5))
    far, _ = ball((0.1, 0.0, 3.0))
    for order, colors in (([near, far], [BLUE, ORANGE]), ([far, near], [ORANGE, BLUE])):
        picture = render_people(np.stack(order), faces, FOCAL, PRINCIPAL, SIZE, colors=np.array(colors))
        # At the middle of both the near, blue one is seen: blue above red.
        middle = picture[130, 140].astype(int)
        assert middle[2] > middle[0] + 30


def test_overlay_lets_the_photograph_shine_through():
    points, faces = ball((0.0, 0.0, 2.0))
    photograph = np.zeros((240, 320, 3), np.uint8)
    photograph[:, :140] = (0, 200, 0)
    picture = render_people(points, faces, FOCAL, PRINCIPAL, SIZE, background=photograph, opacity=0.5)
    np.testing.assert_array_equal(picture[5, 5], [0, 200, 0])
    np.testing.assert_array_equal(picture[5, 300], [0, 0, 0])
    left, right = picture[130, 135].astype(int), picture[130, 145].astype(int)
    assert 80 < left[1] - right[1] < 120
    opaque = render_people(points, faces, FOCAL, PRINCIPAL, SIZE, background=photograph, opacity=1.0)
    assert abs(int(opaque[130, 135, 1]) - int(opaque[130, 145, 1])) < 15


def test_people_behind_and_around_the_camera_do_no_harm():
    behind, faces = ball((0.0, 0.0, -2.0))
    assert not is_drawn(render_people(behind, faces, FOCAL, PRINCIPAL, SIZE)).any()
    around, _ = ball((0.0, 0.0, 0.0), radius=1.0)
    assert is_drawn(render_people(around, faces, FOCAL, PRINCIPAL, SIZE)).mean() > 0.9


def test_faces_turned_inside_out_give_the_same_picture():
    points, faces = ball((0.1, 0.1, 2.0))
    picture = render_people(points, faces, FOCAL, PRINCIPAL, SIZE)
    np.testing.assert_array_equal(render_people(points, faces[:, ::-1], FOCAL, PRINCIPAL, SIZE), picture)


def test_large_images_are_scaled_down():
    points, faces = ball((0.0, 0.0, 2.0))
    picture = render_people(points, faces, (4000.0, 4000.0), (2000.0, 1500.0), (4000, 3000))
    assert picture.shape == (750, 1000, 3)
    rows, columns = np.nonzero(is_drawn(picture))
    assert columns.mean() == pytest.approx(499.5, abs=0.5) and rows.mean() == pytest.approx(374.5, abs=0.5)


def test_crop_is_a_part_of_the_whole():
    points, faces = ball((0.2, 0.0, 2.0))
    photograph = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    whole = render_people(points, faces, FOCAL, PRINCIPAL, SIZE, background=photograph)
    part = render_people(points, faces, FOCAL, PRINCIPAL, SIZE, background=photograph, crop=(100, 60, 300, 220))
    np.testing.assert_array_equal(part, whole[60:220, 100:300])


def test_triangles_tile_without_cracks():
    rng = np.random.default_rng(0)
    ticks = np.linspace(0.0, 100.0, 31)
    xy = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    inner = np.all((xy > 0.5) & (xy < 99.5), axis=1)
    xy[inner] += rng.uniform(-1.5, 1.5, size=(inner.sum(), 2))
    corner = (np.arange(30)[:, None] * 31 + np.arange(30)).ravel()
    square = np.stack([corner, corner + 1, corner + 31, corner + 32], axis=1)
    faces = np.concatenate([square[:, [0, 2, 1]], square[:, [1, 2, 3]]])
    mesh = Mesh(xy, np.full(len(xy), 2.0), np.zeros((len(xy), 3)), np.zeros((len(xy), 3)), faces, perspective=True)
    face_at, weights = visible_surface(mesh, (100, 100))
    assert (face_at >= 0).all()
    place = np.einsum("khw,hwkc->hwc", weights, xy[faces[face_at]])
    x, y = np.meshgrid(np.arange(100) + 0.5, np.arange(100) + 0.5)
    np.testing.assert_allclose(place, np.stack([x, y], axis=-1), atol=1e-3)


def test_views_show_depth_and_height_the_right_way():
    # A high, near ball and a low, far one.
    high_near, faces = ball((-0.5, -0.8, 2.0), radius=0.2)
    low_far, _ = ball((0.5, 0.8, 4.0), radius=0.2)
    colors = np.array([BLUE, ORANGE])
    views = render_views(np.stack([high_near, low_far]), faces, ("side", "top", "front"), (300, 300), colors)

    def center(picture, color):
        blue = picture[..., 2].astype(int) - picture[..., 0]
        mask = is_drawn(picture) & (blue > 40 if color == "blue" else blue < -40)
        rows, columns = np.nonzero(mask)
        return columns.mean(), rows.mean()

    # Side: the camera of the photograph is at the left, so near is left and far is right; up is up.
    (bx, by), (ox, oy) = center(views["side"], "blue"), center(views["side"], "orange")
    assert bx < ox and by < oy
    # Top: the camera is below the picture, so near is below; left stays left.
    (bx, by), (ox, oy) = center(views["top"], "blue"), center(views["top"], "orange")
    assert bx < ox and by > oy
    (bx, by), (ox, oy) = center(views["front"], "blue"), center(views["front"], "orange")
    assert bx < ox and by < oy
    with pytest.raises(InputError, match="below"):
        render_views(high_near, faces, ("below",))


def test_bad_arrays_are_named():
    points, faces = ball((0.0, 0.0, 2.0))
    with pytest.raises(InputError, match="NaN"):
        render_people(points * np.nan, faces, FOCAL, PRINCIPAL, SIZE)
    with pytest.raises(InputError, match=r"\(P, V, 3\)"):
        render_people(points[:, :2], faces, FOCAL, PRINCIPAL, SIZE)
    with pytest.raises(InputError, match="faces"):
        render_people(points[:50], faces, FOCAL, PRINCIPAL, SIZE)


def _scene(**fields):
    scene = Scene(
        key="scene",
        global_orient=np.zeros((2, 3)),
        body_pose=np.zeros((2, 21, 3)),
        betas=np.zeros((2, 10)),
        transl=np.zeros((2, 3)),
        keypoints=np.zeros((2, 25, 3)),
        focal_length=np.array(FOCAL),
        principal_point=np.array(PRINCIPAL),
        image_size=np.array(SIZE),
    )
    return dataclasses.replace(scene, **fields)


@pytest.mark.heavy
def test_panel(tmp_path):
    one, faces = ball((-0.2, 0.0, 2.0))
    two, _ = ball((0.2, 0.0, 2.2))
    people = np.stack([one, two])
    Image.fromarray(np.full((240, 320, 3), (10, 200, 10), np.uint8)).save(tmp_path / "photo.png")
    scene = _scene(image=tmp_path / "photo.png")
    fit = Fit("scene", "ok", vertices=people, initial_vertices=people + np.array([0.0, 0.0, 0.5]))
    panel = render_scene_panel(scene, fit, faces)
    assert panel.dtype == np.uint8 and panel.shape[2] == 3 and panel.shape[1] <= 1800
    assert np.all(np.abs(panel.astype(int) - (10, 200, 10)) < 12, axis=-1).sum() > 1000  # the photograph is there
    # Two rows; the people differ between them.
    half = panel.shape[0] // 2
    assert not np.array_equal(panel[40 : half - 10], panel[half + 40 :][: half - 50])
    alone = render_scene_panel(scene, dataclasses.replace(fit, initial_vertices=None), faces)
    assert alone.shape[0] < 0.6 * panel.shape[0]
    with pytest.raises(InputError, match=r"scene scene: no picture.*failed: why"):
        render_scene_panel(scene, Fit("scene", "failed: why"), faces)


def test_background_files(tmp_path):
    assert load_background(_scene()) is None
    assert load_background(_scene(image=tmp_path / "missing.jpg")) is None
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    assert load_background(_scene(image=tmp_path / "broken.jpg")) is None


def _quarters():
    """A photograph of the scene's shape whose four quarters tell every turn and mirror image apart."""
    pixels = np.zeros((240, 320, 3), np.uint8)
    pixels[:120, :160], pixels[:120, 160:], pixels[120:, :160], pixels[120:, 160:] = (
        (250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 250),
    )  # fmt: skip
    return pixels


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("side", [None, 240])
def test_background_is_the_picture_as_shown(tmp_path, turn, side):
    """Also of square photographs and half turns, whose size does not tell."""
    shown = _quarters()[:, 40:280] if side else _quarters()
    exif = Image.Exif()
    exif[0x0112] = turn
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's Transpose that the tag undoes
    stored = Image.fromarray(shown)
    if turn in back:
        stored = stored.transpose(Image.Transpose(back[turn]))
    stored.save(tmp_path / "photo.png", exif=exif)
    scene = _scene(image=tmp_path / "photo.png")
    if side:
        scene = dataclasses.replace(scene, image_size=np.array([side, 240.0]))
    found = load_background(scene)
    assert found is not None
    np.testing.assert_array_equal(found, shown)


def test_background_of_16_bits(tmp_path):
    grey = np.full((240, 320), 65535, np.uint16)
    grey[:120] = 32768
    Image.fromarray(grey).save(tmp_path / "grey.png")
    found = load_background(_scene(image=tmp_path / "grey.png"))
    assert found is not None and found[60, 100, 0] == 128 and found[180, 100, 0] == 255


@pytest.mark.parametrize(("name", "reason"), [("missing.jpg", "no such file"), ("broken.jpg", "not a readable image"),
                                              ("other.png", "expected an image of 320 × 240")])  # fmt: skip
def test_a_photograph_left_out_is_named(tmp_path, name, reason):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.new("RGB", (100, 100)).save(tmp_path / "other.png")
    told = []
    assert load_background(_scene(image=tmp_path / name), told.append) is None
    assert len(told) == 1 and name in told[0] and reason in told[0]
