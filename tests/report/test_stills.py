"""Pictures for papers and films: cameras, shadows, transparency, files."""

from __future__ import annotations

import numpy as np
import pytest
from fabricated_run import made_fit
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.report import contact_heat, eye_for, film_frames, render_still, turntable
from prosepose_jax.report.films import write_film
from prosepose_jax.report.stills import SIDES

RED_BLUE = np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]])


@pytest.fixture(scope="module")
def people(small_body):
    return made_fit(small_body, "a", apart_m=1.0).vertices, np.asarray(small_body.faces)


def middle(picture, channel):
    """Mean column of the pixels in which a colour channel leads."""
    color = picture[..., :3].astype(int)
    lead = (color[..., channel] > color[..., 2 - channel] + 40) & (picture[..., 3] > 200)
    return np.nonzero(lead)[1].mean()


def test_sides_see_people_where_they_are(people):
    vertices, faces = people  # the second person stands to the right of the first in the photograph
    pictures = {side: render_still(vertices, faces, eye_for(vertices, side), (200, 150), RED_BLUE) for side in SIDES}
    assert all(picture.shape == (150, 200, 4) for picture in pictures.values())
    assert middle(pictures["front"], 0) < middle(pictures["front"], 2) - 20
    assert middle(pictures["back"], 0) > middle(pictures["back"], 2) + 20
    assert middle(pictures["top"], 0) < middle(pictures["top"], 2) - 20


def test_axes_are_a_rotation():
    for side in [*SIDES.values(), *[(around, 30.0) for around in range(0, 360, 50)]]:
        axes = eye_for(np.eye(3), side).axes()
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(axes) == pytest.approx(1.0)
    np.testing.assert_allclose(eye_for(np.eye(3), (0.0, 0.0)).axes(), np.eye(3), atol=1e-9)


def test_shadow_and_transparency(people):
    vertices, faces = people
    eye = eye_for(vertices, "corner")
    shaded = render_still(vertices, faces, eye, (160, 160))
    bare = render_still(vertices, faces, eye, (160, 160), ground_y=np.inf)
    assert shaded[0, 0, 3] == 0  # nothing there
    soft = (shaded[..., 3] > 5) & (shaded[..., 3] < 120)
    assert soft.sum() > 100 and ((bare[..., 3] > 5) & (bare[..., 3] < 120)).sum() < soft.sum() / 2
    solid = bare[..., 3] == 255
    np.testing.assert_array_equal(shaded[solid], bare[solid])  # the shadow lies under the people
    paper = render_still(vertices, faces, eye, (160, 160), paper=(255, 255, 255))
    assert (paper[..., 3] == 255).all() and paper[0, 0].tolist() == [255, 255, 255, 255]


def test_heat_shows_touch(small_body):
    near = contact_heat(made_fit(small_body, "a", apart_m=0.3).vertices)
    far = contact_heat(made_fit(small_body, "a", apart_m=9.0).vertices)
    assert np.ptp(far.reshape(-1, 3), axis=0).max() < 1e-9
    assert (near[..., 0] - near[..., 2]).max() > 0.5 and near.min() >= 0.0 and near.max() <= 1.0
    one = contact_heat(made_fit(small_body, "a", num_people=1).vertices, np.asarray(small_body.v_template))
    assert (one[..., 0] - one[..., 2] < 0.1).mean() > 0.99


def test_films(tmp_path, people):
    vertices, faces = people
    stages = [vertices + shift for shift in (0.0, 0.1, 0.3)]
    frames = film_frames(stages, 5, 2)
    assert [round(float((frame - vertices).mean()), 3) for frame in frames] == [0, 0, 0, 0.05, 0.1, 0.2, 0.3, 0.3, 0.3]
    assert len(film_frames(stages[:1], 5, 2)) == 9
    drawn = [render_still(vertices, faces, eye, (64, 64), paper=(255, 255, 255))[..., :3]
             for eye in turntable(vertices, 4)]  # fmt: skip
    with Image.open(write_film(tmp_path / "a.gif", drawn)) as film:
        assert film.n_frames == 4 and film.size == (64, 64)
    with pytest.raises(InputError, match=r"\.gif or \.mp4"):
        write_film(tmp_path / "a.avi", drawn)


def test_mp4(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    drawn = [np.full((62, 66, 3), value, np.uint8) for value in (0, 80, 160, 240)]
    path = write_film(tmp_path / "a.mp4", drawn)
    assert ffmpeg.count_frames_and_secs(str(path))[0] == 4
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_bad_requests_are_named(people):
    vertices, faces = people
    with pytest.raises(InputError, match="below"):
        eye_for(vertices, "below")
    with pytest.raises(InputError, match="pixels"):
        render_still(vertices, faces, eye_for(vertices, "top"), (0, 5))
    with pytest.raises(InputError, match="finite"):
        render_still(vertices * np.nan, faces, eye_for(vertices, "top"))
