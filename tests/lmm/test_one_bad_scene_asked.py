"""A scene or picture damaged in every way among sixteen good ones: sixteen are asked about, each bad one named."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from asking import ask, lines, make_picture, make_scene
from damaged_scenes import UNREADABLE, named_failures, with_arrays, write_damaged
from fake_server import FakeServer
from PIL import Image

from prosepose_jax.io import save_scene

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names and links of Linux")
GOOD = [f"good{number:02d}" for number in range(16)]


def png_header(width: int, height: int) -> bytes:
    """A PNG of any size without its pixels."""
    head = b"IHDR" + struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def _cut(file: Path) -> None:
    picture = io.BytesIO()
    Image.effect_noise((400, 300), 90).save(picture, "PNG")
    file.write_bytes(picture.getvalue()[:20_000])


PICTURES: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: None,
    "folder": lambda file: file.mkdir(),
    "pipe": lambda file: os.mkfifo(file),
    "device": lambda file: file.symlink_to("/dev/zero"),
    "empty_picture": lambda file: file.write_bytes(b""),
    "page": lambda file: file.write_bytes(b"<html>404</html>"),
    "of_400_megapixels": lambda file: file.write_bytes(png_header(20_000, 20_000)),
    "of_endless_pixels": lambda file: file.write_bytes(png_header(2**31 - 1, 2**31 - 1)),
    "cut_picture": _cut,
    "of_other_shape": lambda file: make_picture(file, 1, (300, 400)),
    "sparse": lambda file: os.truncate(os.open(file, os.O_CREAT | os.O_WRONLY), 1 << 40),
    "outside": lambda file: make_picture(file.parents[1] / "outside.png", 2) and file.symlink_to("../outside.png"),
}  # fmt: skip
_SEEN_LATE = {"cut_picture", "of_other_shape"}  # their headers are those of pictures


@pytest.fixture
def mixed(scenes: Callable[..., Path]) -> Path:
    """The folder of scenes."""
    folder = scenes(*GOOD)
    good = (folder / f"{GOOD[0]}.npz").read_bytes()
    write_damaged(folder, good)
    for kind, damage in PICTURES.items():
        damage(folder / f"{kind}.png")
        save_scene(folder, make_scene(kind))
        file = folder / f"{kind}.npz"
        file.write_bytes(with_arrays(file.read_bytes(), image=np.array(f"{kind}.png")))
    return folder


def test_sixteen_are_asked_about(mixed: Path, tmp_path: Path, keys_set: str, capsys) -> None:
    out = tmp_path / "a.jsonl"
    with FakeServer() as server:
        assert ask(mixed, out, server.url, "openai", "--attempts=2", "--candidates=2", num_answers=2) == 1
        asked = len(server.received)
    errors = capsys.readouterr().err
    assert "Traceback" not in errors and asked == 16
    assert sorted((line["key"], line["sample"]) for line in lines(out)) == [(key, k) for key in GOOD for k in (0, 1)]
    named = {key.rstrip("…") for key in named_failures(errors)}
    wanted = {kind for kind in (*UNREADABLE, *PICTURES) if kind.isidentifier() and len(kind) < 200}
    assert wanted <= named and not named & set(GOOD)
    assert len(named) == len(UNREADABLE) + len(PICTURES)


def test_the_dry_run_names_them_before_anything_is_sent(mixed: Path, tmp_path: Path, keys_set: str, capsys) -> None:
    assert ask(mixed, tmp_path / "a.jsonl", "http://127.0.0.1:9", "openai", "--dry_run") == 1
    told = capsys.readouterr()
    named = set(named_failures(told.err))
    assert set(PICTURES) - _SEEN_LATE <= named
    assert f"leaves    {len(GOOD) + len(_SEEN_LATE)} images" in told.out
