"""One image damaged in every way among sixteen good ones: sixteen scenes, status 1, each bad one named."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from damaged_scenes import UNREADABLE, as_printed, named_failures
from foreign_files import bev_results, make_people, write_bev, write_image, write_openpose

from prosepose_jax.apps.import_ import main
from prosepose_jax.io import load_scenes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names and pipes of Linux")
GOOD = [f"good{number:02d}" for number in range(16)]


def _of_400_megapixels() -> bytes:
    head = b"IHDR" + struct.pack(">II5B", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def _bytes(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _as_scene(kind: str) -> Callable[[Path], object]:
    """The estimates damaged as a scene file can be."""
    return lambda folder: UNREADABLE[kind](folder / "bev.npz", (folder / "bev.npz").read_bytes())


def _instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


DAMAGE: dict[str, Callable[[Path], object]] = {
    **{kind: _as_scene(kind) for kind in ("empty", "no_archive", "cut_short", "single_array", "flipped_bit",
                                          "encrypted", "later_zip", "unknown_method")},
    "memo_of_gigabytes": _bytes("bev.npz", b"\x80\x02Nr\xff\xff\xff?."),
    "runs_code": _bytes("bev.npz", b"\x80\x02cos\nmkdir\nX\x01\x00\x00\x00x\x85R."),
    "no_estimates": lambda folder: (folder / "bev.npz").unlink(),
    "estimates_are_a_pipe": _instead("bev.npz", os.mkfifo),
    "estimates_lead_nowhere": _instead("bev.npz", lambda file: file.symlink_to("nowhere")),
    "no_keypoints": lambda folder: (folder / "vitpose.json").unlink(),
    "empty_keypoints": _bytes("vitpose.json", b""),
    "keypoints_of_nobody": _bytes("vitpose.json", b'{"people": []}'),
    "deep_keypoints": _bytes("vitpose.json", b"[" * 100_000),
    "long_number": _bytes("vitpose.json", b'{"people": [{"pose_keypoints_2d": [' + b"9" * 5000 + b"]}]}"),
    "ragged_keypoints": _bytes("vitpose.json", b'{"people": [{"pose_keypoints_2d": [[1, 2], [3]]}]}'),
    "not_utf8": _bytes("vitpose.json", b'{"people": "\xff"}'),
    "picture_of_400_megapixels": _bytes("image.jpg", _of_400_megapixels()),
    "picture_is_a_page": _bytes("image.jpg", b"<html>404</html>"),
    "back\\slash": lambda folder: None,
    "line\nbreak": lambda folder: None,
    "escape\x1b[2J": lambda folder: None,
    "x" * 230: lambda folder: None,
}  # fmt: skip


@pytest.mark.heavy
def test_sixteen_are_imported(small_body, small_body_file: Path, tmp_path: Path, capsys) -> None:
    pair = make_people(small_body, [(-0.2, 4.0), (0.2, 4.2)], [0.0, 0.0])
    first = tmp_path / "in" / GOOD[0]
    first.mkdir(parents=True)
    write_bev(first / "bev.npz", bev_results(pair))
    write_openpose(first / "vitpose.json", pair.detections([0, 1]))
    write_image(first / "image.jpg")
    for key in GOOD[1:]:
        shutil.copytree(first, tmp_path / "in" / key)
    for key, damage in DAMAGE.items():
        shutil.copytree(first, tmp_path / "in" / key)
        damage(tmp_path / "in" / key)
    out = tmp_path / "out"
    status = main(["prosepose import", f"--body={small_body_file}", f"--folder={tmp_path / 'in'}", f"--out={out}"])
    errors = capsys.readouterr().err
    assert status == 1 and "Traceback" not in errors, errors
    assert list(load_scenes(out).keys) == [f"{key}_0" for key in GOOD]
    named = {key.rstrip("…").removesuffix("_0") for key in named_failures(errors)}
    assert {as_printed(key) for key in DAMAGE} == {key[:200] for key in named}
    assert not (tmp_path / "x").exists() and not Path("x").exists()
