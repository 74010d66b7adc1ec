"""Pickles of datasets: tensors come out as arrays, and nothing in a file runs."""

from __future__ import annotations

import os
import pickle
import tracemalloc

import numpy as np
import pytest
from miniatures import Tensor, write_pickle

from prosepose_jax.datasets.pickles import read_pickle
from prosepose_jax.errors import InputError

ARRAYS = [np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.arange(5, dtype=np.int64), np.eye(3, dtype=bool),
          np.zeros((0, 4), np.float64), np.float32(3.0).reshape(())]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_tensors_inside_pickles(tmp_path, array) -> None:
    write_pickle(tmp_path / "a.pkl", {"one": [Tensor(array), array]})
    found = read_pickle(tmp_path / "a.pkl").get("one")
    for index in (0, 1):
        value = found.get(index).array()
        np.testing.assert_array_equal(value, array)
        assert value.dtype == array.dtype


@pytest.mark.parametrize(
    "data",
    [b"cos\nsystem\n(S'true'\ntR.", b"cbuiltins\neval\n(S'1'\ntR.", b"ctorch.nn\nLinear\n.",
     b"ctorch.storage\n_load_from_bytes\n(S'no blob'\ntR.", b"\x80\x04}q\x00", b""],
)  # fmt: skip
def test_other_things_are_refused(tmp_path, data) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.pkl"):
        read_pickle(tmp_path / "a.pkl")


def _blob(*pickles: bytes) -> bytes:
    """A pickle of a tensor's storage whose bytes are these pickles."""
    data = b"".join(pickles)
    return b"\x80\x04ctorch.storage\n_load_from_bytes\nB" + len(data).to_bytes(4, "little") + data + b"\x85R."


HOSTILE = {
    "table": b"\x80\x04]r\xff\xff\xff\x7f.",  # LONG_BINPUT: the unpickler's table gets as long as it says
    "bytearray": b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"abc.",  # made before it is read
    "frame": b"\x80\x04\x95" + (1 << 33).to_bytes(8, "little") + b"N.",
    "bytes": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"abc.",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("nested", [False, True])
def test_sizes_that_a_file_only_announces_are_refused(tmp_path, name, nested) -> None:
    (tmp_path / "a.pkl").write_bytes(_blob(HOSTILE[name]) if nested else HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"a\.pkl"):
            read_pickle(tmp_path / "a.pkl")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_only_regular_files_are_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.pkl")
    with pytest.raises(InputError, match="expected a regular file"):
        read_pickle(tmp_path / "a.pkl")


def test_a_tensor_may_not_reach_beyond_its_storage(tmp_path) -> None:
    write_pickle(tmp_path / "a.pkl", Tensor(np.arange(6, dtype=np.float32)))
    data = (tmp_path / "a.pkl").read_bytes()
    # The size (6,) of the tensor becomes (250,).
    assert data.count(b"K\x06\x85") == 1
    (tmp_path / "b.pkl").write_bytes(data.replace(b"K\x06\x85", b"K\xfa\x85"))
    with pytest.raises(InputError, match="reaches beyond its storage"):
        read_pickle(tmp_path / "b.pkl").array()


def test_errors_say_where(tmp_path) -> None:
    write_pickle(tmp_path / "a.pkl", {"pair00": [{"x": np.array([1.0, np.nan])}, {"y": "text"}]})
    root = read_pickle(tmp_path / "a.pkl")
    with pytest.raises(InputError, match=r"a\.pkl: \['pair00'\]\[0\]\['x'\]: expected finite"):
        root.get("pair00").get(0).get("x").floats((2,))
    with pytest.raises(InputError, match=r"expected shape \(3,\), found \(2,\)"):
        root.get("pair00").get(0).get("x").floats((3,))
    with pytest.raises(InputError, match="field 'z' is missing; found y"):
        root.get("pair00").get(1).get("z")
    with pytest.raises(InputError, match="expected numbers"):
        root.get("pair00").get(1).get("y").floats((2,))
    assert pickle.loads((tmp_path / "a.pkl").read_bytes())["pair00"][1]["y"] == "text"
    with pytest.raises(InputError, match="no such file"):
        read_pickle(tmp_path / "b.pkl")
