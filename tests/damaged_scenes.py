"""Scene files damaged in every way that is known: what one bad file among good ones must not do to the others."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Damage = Callable[[Path, bytes], None]
_ENTRY = b"PK\x01\x02"  # of an archive's directory


def npy(header: str, content: bytes = b"") -> bytes:
    """A `.npy` with any header."""
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def with_arrays(good: bytes, **fields: Any) -> bytes:
    """The scene with these arrays changed; None drops one."""
    with np.load(io.BytesIO(good)) as stored:
        arrays = {name: stored[name] for name in stored.files} | fields
    file = io.BytesIO()
    np.savez(file, **{name: value for name, value in arrays.items() if value is not None})
    return file.getvalue()


def with_member(good: bytes, content: bytes, name: str = "betas.npy") -> bytes:
    """The scene with a member's bytes exchanged."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, content if info.filename == name else old.read(info))
    return file.getvalue()


def with_entry(good: bytes, offset: int, value: bytes) -> bytes:
    """The scene with bytes of the last entry of its directory exchanged (4.3.12 of zip's description)."""
    at = good.rindex(_ENTRY) + offset
    return good[:at] + value + good[at + len(value) :]


def _bytes(change: Callable[[bytes], bytes]) -> Damage:
    return lambda file, good: file.write_bytes(change(good)) and None


def _member(content: bytes) -> Damage:
    return _bytes(lambda good: with_member(good, content))


def _arrays(**fields: Any) -> Damage:
    return _bytes(lambda good: with_arrays(good, **fields))


_OPEN, _END = "{'descr': '<f4', 'fortran_order': False, 'shape': ", ", }\n"
_NAN = np.full((2, 21, 3), np.nan, np.float32)

# Kind: how it is made. The kind is the scene's key.
UNREADABLE: dict[str, Damage] = {
    "empty": _bytes(lambda good: b""),
    "no_archive": _bytes(lambda good: b"<html>404</html>"),
    "cut_short": _bytes(lambda good: good[: len(good) // 2]),
    "single_array": _bytes(lambda good: npy(f"{_OPEN}(1,){_END}", b"\0" * 4)),
    "flipped_bit": _bytes(lambda good: good[:200] + bytes([good[200] ^ 255]) + good[201:]),
    "member_without_mark": _member(b"no array"),
    "open_bracket": _member(npy(f"{_OPEN}((")),
    "four_terabytes": _member(npy(f"{_OPEN}(1000000000000,){_END}")),
    "negative_shape": _member(npy(f"{_OPEN}(-1,){_END}")),
    "objects": _member(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"\x80\x04]\x94.")),
    "unknown_version": _member(b"\x93NUMPY\x09\x00"),
    "impossible_text": _bytes(
        lambda good: with_arrays(good, image=np.frombuffer(b"\xff" * 4, "<U1").reshape(()))
    ),
    "encrypted": _bytes(lambda good: with_entry(good, 8, b"\x01\x00")),
    "later_zip": _bytes(lambda good: with_entry(good, 6, b"\xff\x00")),
    "unknown_method": _bytes(lambda good: with_entry(good, 10, b"\x63\x00")),
    "unpacks_beyond_budget": _bytes(lambda good: with_entry(good, 24, struct.pack("<I", 1 << 30))),
    "missing_field": _arrays(focal_length=None),
    "other_shape": _arrays(body_pose=np.zeros((2, 63), np.float32)),
    "text_for_numbers": _arrays(transl=np.array([["a", "b", "c"]] * 2)),
    "not_a_number": _arrays(body_pose=_NAN),
    "nobody": _arrays(global_orient=np.zeros((0, 3), np.float32)),
    "too_many_betas": _arrays(betas=np.zeros((2, 300), np.float32)),
    "nothing_seen": _arrays(keypoints=np.zeros((2, 25, 3), np.float32)),
    "keypoints_far_away": _arrays(keypoints=np.full((2, 25, 3), [1e9, 0, 1], np.float32)),
    "farther_than_stars": _arrays(transl=np.full((2, 3), 3e38, np.float32)),
    "of_giants": _arrays(betas=np.full((2, 10), 1e9, np.float32)),
    "of_endless_focus": _arrays(focal_length=np.float32(1e30)),
    "no_focal_length": _arrays(focal_length=np.float32(0)),
    "unknown_part": _arrays(gt_contacts=np.array([["tail", "back"]])),
    "nul_in_image": _bytes(lambda good: with_member(
        with_arrays(good, image=np.array("a_b.jpg")),
        npy("{'descr': '<U7', 'fortran_order': False, 'shape': (), }\n", "a\0b.jpg".encode("utf-32-le")),
        "image.npy",
    )),
    "outer_blank ": _bytes(lambda good: good),
    "back\\slash": _bytes(lambda good: good),
    "line\nbreak": _bytes(lambda good: good),
    "escape\x1b[2J": _bytes(lambda good: good),
    "not_utf8\udcff": _bytes(lambda good: good),
    "x" * 230: _bytes(lambda good: good),
    "a_folder": lambda file, good: file.mkdir(),
    "no_target": lambda file, good: file.symlink_to("nowhere.npz"),
    "a_device": lambda file, good: file.symlink_to("/dev/zero"),
    "a_pipe": lambda file, good: os.mkfifo(file),
}  # fmt: skip
"""Scenes that no command can read."""

ABSURD: dict[str, Damage] = {
    "behind_the_camera": _arrays(transl=np.full((2, 3), -5.0, np.float32)),
}
"""Scenes that can be read and show no people in front of a camera."""


def write_damaged(folder: Path, good: bytes, kinds: dict[str, Damage] = UNREADABLE) -> list[str]:
    """Writes one file of every kind beside the good ones; returns their keys as they are printed."""
    for key, damage in kinds.items():
        damage(folder / f"{key}.npz", good)
    return [as_printed(key) for key in kinds]


def as_printed(key: str) -> str:
    """A key with what cannot be printed spelled out."""
    spelled = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in key)
    return spelled if len(spelled) <= 200 else spelled[:200]


def named_failures(errors: str) -> dict[str, str]:
    """{key as printed: reason} of the lines on stderr that name a failure."""
    lines = [line.removeprefix("FAILED ") for line in errors.splitlines() if line.startswith("FAILED ")]
    return {key: reason for key, _, reason in (line.partition(": ") for line in lines)}
