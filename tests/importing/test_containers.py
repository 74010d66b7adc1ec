"""Containers of other tools' files: told by content, read without what wrote them, nothing executed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import zipfile
import zlib

import numpy as np
import pytest
from foreign_containers import (
    Global,
    Tensor,
    _Pickler,
    write_gzip,
    write_joblib,
    write_npy,
    write_npz,
    write_pickle,
    write_pickle_with_tensors,
    write_torch,
)

from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers import limits, read_tree

TREE = {
    "pose": np.arange(12, dtype=np.float32).reshape(3, 4),
    "nested": {"ids": np.array([3, 1], np.int64), "list": [np.ones(2, np.float64), np.zeros((1, 2), np.float32)]},
    "number": 2.5,
    "text": "abc",
}
WRITERS = {
    "pickle": lambda p, t: write_pickle(p, t),
    "pickle of Python 2": lambda p, t: write_pickle(p, t, 2),
    "joblib": write_joblib,
    "joblib packed": lambda p, t: write_joblib(p, t, packed=True),
    "torch": write_torch,
    "tensors in a pickle": write_pickle_with_tensors,
    "npy": write_npy,
}


def check(tree) -> None:
    np.testing.assert_array_equal(tree["pose"], TREE["pose"])
    np.testing.assert_array_equal(tree["nested"]["ids"], [3, 1])
    np.testing.assert_array_equal(tree["nested"]["list"][0], [1, 1])
    assert float(tree["number"]) == 2.5 and tree["text"] == "abc"


@pytest.mark.parametrize("ending", ["pkl", "pt", "npz", "json"])
@pytest.mark.parametrize("name", WRITERS)
def test_the_content_tells_the_kind(tmp_path, name, ending):
    check(read_tree(WRITERS[name](tmp_path / f"a.{ending}", TREE)))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_compressed_streams(tmp_path, pack):
    for name in ("pickle", "joblib"):
        path = WRITERS[name](tmp_path / "a.pkl", TREE)
        path.write_bytes(pack(path.read_bytes()))
        check(read_tree(path))


def test_a_gzipped_pickle(tmp_path):
    tree = {"pose": np.arange(6.0).reshape(2, 3), "names": ["a", "b"]}
    found = read_tree(write_gzip(tmp_path / "a.pkl.gz", tree))
    np.testing.assert_array_equal(found["pose"], tree["pose"])
    assert list(found["names"]) == tree["names"]


def test_archives_and_json(tmp_path):
    tree = read_tree(write_npz(tmp_path / "a.npz", {"pose": TREE["pose"], "nested": TREE["nested"]}))
    np.testing.assert_array_equal(tree["nested"]["ids"], [3, 1])
    (tmp_path / "a.pkl").write_text("\ufeff" + json.dumps({"a": [1, {"b": 2}]}), encoding="utf-8")
    assert read_tree(tmp_path / "a.pkl") == {"a": [1, {"b": 2}]}


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "?"])
@pytest.mark.parametrize("write", [write_torch, write_pickle_with_tensors])
def test_element_types_and_strides_of_tensors(tmp_path, dtype, write):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    (out,) = read_tree(write(tmp_path / "a.pt", [array]))
    np.testing.assert_array_equal(out, array)


class _Transposed(_Pickler):
    def save(self, value, save_persistent_id=True):
        if isinstance(value, Tensor):
            flat = np.ascontiguousarray(value.array)
            arguments = (self.storage(flat), 1, (2, 2), (1, 3), False, {})
            self.save_reduce(Global("torch._utils", "_rebuild_tensor_v2"), arguments)
        else:
            super().save(value, save_persistent_id)


def test_views_of_a_storage(tmp_path):
    out = io.BytesIO()
    _Transposed(out).dump(Tensor(np.arange(6, dtype=np.float32)))
    (tmp_path / "a.pkl").write_bytes(out.getvalue())
    np.testing.assert_array_equal(read_tree(tmp_path / "a.pkl"), [[1, 4], [2, 5]])


class Evil:
    def __init__(self, call, *arguments):
        self.what = call, arguments

    def __reduce__(self):
        return self.what


def hostile(trap: str) -> dict[str, bytes]:
    calls = {
        "mkdir": pickle.dumps(Evil(os.mkdir, trap)),
        "inside a dictionary": pickle.dumps({"pose": Evil(os.system, f"touch {trap}")}),
        "eval": pickle.dumps(Evil(eval, f"__import__('os').mkdir({trap!r})")),
        "by its place in memory": b"cnumpy\nload\n(S'x'\ntR.",
        "a builtin called": b"cbuiltins\nint\n(S'1'\ntR.",
        "a module of PyTorch": b"ctorch.nn.modules.linear\nLinear\n)\x81}b.",
        "table of 16 GiB": bytes([0x4E, 0x72, 0xFF, 0xFF, 0xFF, 0x3F, 0x2E]),
        "byte array of 8 GiB": b"\x80\x05\x96" + (2**33).to_bytes(8, "little") + b".",
        "text of 8 GiB": b"\x80\x04\x8d" + (2**33).to_bytes(8, "little") + b".",
        "a recursive list": pickle.dumps((lambda a: a.append(a) or a)([])),
    }
    nested = []
    for _ in range(60):
        nested = [nested]
    calls["too deep"] = pickle.dumps(nested)
    return calls


@pytest.mark.parametrize("name", sorted(hostile("x")))
@pytest.mark.parametrize("joblib", [False, True])
def test_nothing_is_executed(tmp_path, name, joblib):
    if joblib and name.startswith("table"):
        pytest.skip("that reader's table is a dictionary")
    trap = tmp_path / "trap"
    data = hostile(str(trap))[name]
    # The word sends the file to the reader of joblib's streams.
    (tmp_path / "a.pkl").write_bytes(data + (b"joblib.numpy_pickle" if joblib else b""))
    with pytest.raises(InputError, match="a.pkl"):
        read_tree(tmp_path / "a.pkl")
    assert not trap.exists()


WHAT = {
    "empty": (b"", "empty"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
    "picture": (b"\x89PNG\r\n", "picture"),
    "mesh": (b"# Blender v3\nv 0 0 0\n", "mesh"),
    "ply": (b"ply\nformat ascii 1.0\n", "mesh"),
    "glb": (b"glTF" + bytes(20), "mesh"),
    "web page": (b"<!DOCTYPE html><html>", "web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
    "yaml": (b"%YAML:1.0\n---\n", "YAML"),
    "noise": (bytes(range(200, 255)), "unknown"),
    "half a pickle": (pickle.dumps(TREE)[:-9], "pickle"),
    "no json": (b"{'a': 1}", "not JSON"),
    "json of many digits": (b"[" + b"1" * 6000 + b"]", "number"),
    "deep json": (b"[" * 100_000, "JSON"),
}


@pytest.mark.parametrize("name", WHAT)
def test_what_cannot_be_read_is_named(tmp_path, name):
    data, word = WHAT[name]
    (tmp_path / "file.bin").write_bytes(data)
    with pytest.raises(InputError, match=f"file.bin.*{word}"):
        read_tree(tmp_path / "file.bin")


def test_a_module_of_pytorch_is_named(tmp_path):
    (tmp_path / "m.pt").write_bytes(hostile("x")["a module of PyTorch"])
    with pytest.raises(InputError, match="PyTorch module, not parameters.*Linear"):
        read_tree(tmp_path / "m.pt")


def test_streams_that_unpack_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 2**20)
    for pack in (gzip.compress, bz2.compress, lzma.compress, zlib.compress):
        (tmp_path / "a.pkl").write_bytes(pack(bytes(2**21)))
        with pytest.raises(InputError, match="more than 1 MiB"):
            read_tree(tmp_path / "a.pkl")
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("poses.npy", bytes(2**21))
    with pytest.raises(InputError, match="more than 1 MiB"):
        read_tree(tmp_path / "b.npz")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_tree(tmp_path / "none.pkl")
    with pytest.raises(InputError, match="folder"):
        read_tree(tmp_path)
