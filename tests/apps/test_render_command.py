"""`prosepose render`: stills, overlays, films, and what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fabricated_run import made_fit, made_scene
from PIL import Image

from prosepose_jax.apps import render
from prosepose_jax.io import save_fit
from prosepose_jax.scene import Fit


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, small_body):
    folder = tmp_path_factory.mktemp("run")
    save_fit(folder, made_fit(small_body, "hug"))
    save_fit(folder, Fit("broken", "failed: why"))
    return folder


def call(*args):
    return render.main(["prosepose render", *map(str, args)])


def test_stills(run_folder, small_body_file, tmp_path, capsys):
    status = call(run_folder, f"--body={small_body_file}", f"--out={tmp_path}", "--size=64x48", "--views=side,top",
                  "--transparent", "--before", "--color=contact")  # fmt: skip
    assert status == 1 and "FAILED broken: nothing to draw" in capsys.readouterr().err
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"hug_side.png", "hug_top.png", "hug_before_side.png", "hug_before_top.png"}
    with Image.open(tmp_path / "hug_side.png") as picture:
        assert picture.mode == "RGBA" and picture.size == (64, 48) and picture.getpixel((0, 0))[3] == 0


def test_a_film_without_a_path_goes_straight(run_folder, small_body_file, tmp_path, monkeypatch):
    for name in ("_FILM_FRAMES", "_TURN_FRAMES"):
        monkeypatch.setattr(render, name, 4)
    monkeypatch.setattr(render, "_REST_FRAMES", 1)
    for kind, frames in (("film", 4), ("turntable", 4)):
        args = (run_folder, f"--body={small_body_file}", f"--out={tmp_path}", f"--kind={kind}", "--size=48x48")
        assert call(*args, "--keys=hug") == 0
        with Image.open(tmp_path / "hug.gif") as film:
            assert film.n_frames == frames and film.size == (48, 48)  # equal frames become one


@pytest.mark.parametrize(("args", "text"), [(["--size=12"], "WIDTHxHEIGHT"), (["--views=below"], "below"),
                                            (["--keys=nobody"], "nobody"), (["--format=avi"], "avi"),
                                            (["--views=overlay"], "--scenes")])  # fmt: skip
def test_bad_usage(run_folder, args, text, capsys):
    assert call(run_folder, *args) == 2
    assert text in capsys.readouterr().err


def test_overlays_have_the_photographs_resolution(small_body, tmp_path):
    photograph = tmp_path / "photo.png"
    Image.fromarray(np.full((480, 640, 3), (10, 200, 10), np.uint8)).save(photograph)
    scene = dataclasses.replace(made_scene("hug"), image=photograph)
    picture = render.overlay("hug", made_fit(small_body, "hug").vertices, scene, small_body, None)
    assert picture.shape == (480, 640, 3) and np.abs(picture[5, 5].astype(int) - (10, 200, 10)).max() < 3
