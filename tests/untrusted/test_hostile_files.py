"""Damaged and oversized files end in an InputError that names file and field, before they take memory."""

from __future__ import annotations

import io
import json
import os
import pickle
import tokenize
import zipfile
from pathlib import Path

import numpy as np
import pytest

from prosepose_jax.body import load_body, safe_load
from prosepose_jax.body.keypoints import KEYPOINT_VERTEX_NAMES
from prosepose_jax.errors import InputError
from prosepose_jax.io.image_paths import ANYWHERE, INSIDE, ImageRefused, ImageRule, bring_inside, image_path, image_rule
from prosepose_jax.io.scenes import check_key
from prosepose_jax.untrusted import as_input_error, parse_json, read_bytes, read_members, shown


def _npy(header: str) -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


BAD_MEMBERS = {
    "no mark": b"no array at all",
    "open bracket": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (("),
    "huge": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }\n"),
    "elements of no bytes": _npy("{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,), }\n"),
    "texts of no bytes": _npy("{'descr': '<U0', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"),
    "negative": _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n"),
    "impossible text": _npy("{'descr': '<U1', 'fortran_order': False, 'shape': (), }\n") + b"\xff" * 4,
    "object": _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n") + pickle.dumps([1]),
}


@pytest.mark.parametrize("kind", BAD_MEMBERS)
def test_damaged_member_is_named(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("betas.npy", BAD_MEMBERS[kind])
    with pytest.raises(InputError, match=r"a\.npz: field 'betas'"):
        read_members(file)


def test_only_wanted_fields_are_unpacked_and_within_the_budget(tmp_path: Path) -> None:
    file, data = tmp_path / "a.npz", io.BytesIO()
    np.save(data, np.zeros(1 << 20, np.uint8))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.npy", data.getvalue())
    assert read_members(file, ["other"], most=10) == {}
    with pytest.raises(InputError, match=r"field 'big': unpacks beyond the budget"):
        read_members(file, most=1000)


@pytest.mark.parametrize("text", ["9" * 5000, "1" + "0" * 400, "[" * 100_000, "[" * 200 + "]" * 200, "{", b"\xff"])
def test_odd_json_is_an_input_error(text: str | bytes) -> None:
    with pytest.raises(InputError, match=r"file\.json"):
        parse_json(text, "file.json")


@pytest.mark.parametrize("data", [b"\x80\x02Nr\xff\xff\xff?.", b"\x80\x05\x96" + b"\x00" * 5 + b"\x01\x00\x00."])
def test_pickle_that_reserves_memory_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.pkl"):
        safe_load(tmp_path / "a.pkl")


def test_pickle_of_shared_lists_is_refused(tmp_path: Path) -> None:
    value: list = [0] * 10
    for _ in range(12):
        value = [value] * 10
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(InputError, match="budget"):
        safe_load(tmp_path / "a.pkl")


@pytest.mark.parametrize("value", [[[0, 1], [2]], [1, [2]], {"a": 1}, "7", 10**30, None, True, [[]]])
def test_odd_values_beside_a_body_are_named(value: object, tmp_path: Path, small_body_file: Path) -> None:
    file = tmp_path / "keypoints.json"
    table = dict.fromkeys(KEYPOINT_VERTEX_NAMES, 3)
    file.write_text(json.dumps(table | {KEYPOINT_VERTEX_NAMES[4]: value}))
    with pytest.raises(InputError, match=rf"keypoints\.json: '{KEYPOINT_VERTEX_NAMES[4]}'"):
        load_body(small_body_file, keypoints=file)


def test_errors_without_a_list_of_their_own_say_what_and_not_where_in_the_library() -> None:
    wanted = r"^a\.npz: cannot be read \(EOF in multi-line statement\)$"
    with pytest.raises(InputError, match=wanted), as_input_error("a.npz"):
        raise tokenize.TokenError("EOF in multi-line statement", (2, 0))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="regular file"):
        read_bytes(tmp_path / "pipe")
    with pytest.raises(InputError, match="regular file"):
        image_path(tmp_path / "a.npz", "pipe")


def test_images_outside_need_leave(tmp_path: Path) -> None:
    scene = tmp_path / "scenes" / "a.npz"
    scene.parent.mkdir()
    for name in ("../x.png", str(tmp_path / "x.png")):
        with pytest.raises(ImageRefused, match="outside the scenes' folder"):
            image_path(scene, name, INSIDE)
        for rule in (ImageRule(root=tmp_path.resolve()), ANYWHERE):
            assert image_path(scene, name, rule) == (tmp_path / "x.png").resolve()
    with pytest.raises(InputError, match="--image_root"):
        image_rule(str(tmp_path / "nowhere"), False)


def test_a_link_out_of_the_folder_is_outside(tmp_path: Path) -> None:
    scene = tmp_path / "scenes" / "a.npz"
    scene.parent.mkdir()
    (tmp_path / "x.png").write_bytes(b"x")
    (scene.parent / "x.png").symlink_to(tmp_path / "x.png")
    with pytest.raises(ImageRefused):
        image_path(scene, "x.png")


def test_pictures_are_brought_inside_and_never_overwrite_another(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for index, place in enumerate(("a", "b")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "x.png").write_bytes(b"x" * (index + 1))
    first = bring_inside(folder, tmp_path / "a" / "x.png")
    assert first == folder.resolve() / "images" / "x.png" and bring_inside(folder, first) == first
    assert bring_inside(folder, tmp_path / "a" / "x.png") == first
    second = bring_inside(folder, tmp_path / "b" / "x.png")
    assert second != first and second.read_bytes() == b"xx" and first.read_bytes() == b"x"
    assert bring_inside(folder, tmp_path / "b" / "x.png") == second
    (tmp_path / "a" / "y.png").write_bytes(b"y")

    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    assert bring_inside(folder, tmp_path / "a" / "y.png").read_bytes() == b"y"


@pytest.mark.parametrize("key", ["m ", "b\\c", "x" * 230, "a\x1bb", "a\udcffb", ".a", ""])
def test_keys_that_cannot_be_written_are_refused(key: str) -> None:
    with pytest.raises(InputError, match="scene key"):
        check_key(key)


def test_escapes_are_shown_as_text() -> None:
    assert shown("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"
