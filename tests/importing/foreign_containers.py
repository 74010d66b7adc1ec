"""Writes what joblib and PyTorch write, without either: pickles with their names, raw arrays and storages."""

from __future__ import annotations

import collections
import gzip
import io
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage", "i4": "IntStorage", "?": "BoolStorage"}
_PythonPickler: Any = pickle._Pickler


class Global:
    """A name that a pickle refers to."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *_: Any) -> None:
        raise AssertionError("only written, never called")


class Tensor(NamedTuple):
    """An array that is to be written as a torch.Tensor."""

    array: np.ndarray


def tensors(tree: Any) -> Any:
    """The same with every array of numbers as a tensor."""
    if isinstance(tree, dict):
        return {name: tensors(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [tensors(value) for value in tree]
    return Tensor(np.ascontiguousarray(tree)) if isinstance(tree, np.ndarray) else tree


def _storage_name(array: np.ndarray) -> str:
    return _STORAGES["?" if array.dtype == bool else array.dtype.str[1:]]


def _strides(array: np.ndarray) -> tuple[int, ...]:
    return tuple(s // array.itemsize for s in array.strides)


class _Pickler(_PythonPickler):
    """A pickler that knows `Global` and `Tensor`; where a tensor's storage goes is up to the sub-class."""

    def __init__(self, file: Any, protocol: int = 2) -> None:
        super().__init__(file, protocol)
        self.file = file

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, Global):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Tensor):
            array = value.array
            arguments = (self.storage(array), 0, array.shape, _strides(array), False, collections.OrderedDict())
            self.save_reduce(Global("torch._utils", "_rebuild_tensor_v2"), arguments)
        elif isinstance(value, _Bytes):
            self.save_reduce(Global("torch.storage", "_load_from_bytes"), (value.data,))
        else:
            super().save(value, save_persistent_id)

    def storage(self, array: np.ndarray) -> Any:
        return _Bytes(_old_storage(array))


class _Bytes(NamedTuple):
    data: bytes


class _Persistent(NamedTuple):
    reference: tuple


class _TorchPickler(_Pickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.storages: list[np.ndarray] = []

    def storage(self, array: np.ndarray) -> Any:
        self.storages.append(array)
        key = str(len(self.storages) - 1)
        return _Persistent(("storage", Global("torch", _storage_name(array)), key, "cpu", array.size))

    def persistent_id(self, value: Any) -> Any:
        return value.reference if isinstance(value, _Persistent) else None


def _old_storage(array: np.ndarray) -> bytes:
    """torch's format before 1.6 of one storage."""
    out = io.BytesIO()
    for value in (_MAGIC, 1001, {"protocol_version": 1001, "little_endian": True}):
        out.write(pickle.dumps(value, 2))
    pickler = _TorchPickler(out)
    reference = pickler.storage(array).reference
    pickler.dump(_Persistent((*reference, None)))
    out.write(pickle.dumps(["0"], 2))
    out.write(array.size.to_bytes(8, "little") + array.tobytes())
    return out.getvalue()


def write_torch(path: Path, tree: Any) -> Path:
    """`torch.save` since 1.6; arrays become tensors."""
    stream = io.BytesIO()
    pickler = _TorchPickler(stream)
    pickler.dump(tensors(tree))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        archive.writestr("archive/byteorder", "little")
        for key, array in enumerate(pickler.storages):
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_pickle_with_tensors(path: Path, tree: Any) -> Path:
    """`pickle.dump` of tensors: each storage as bytes in torch's old format."""
    with path.open("wb") as file:
        _Pickler(file).dump(tensors(tree))
    return path


class _JoblibPickler(_Pickler):
    """An array is described, then its bytes follow in the stream, aligned to 16."""

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if not isinstance(value, np.ndarray):
            super().save(value, save_persistent_id)
            return
        self.save(Global("joblib.numpy_pickle", "NumpyArrayWrapper"))
        self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        self.save(
            {
                "subclass": Global("numpy", "ndarray"),
                "shape": value.shape,
                "order": "C",
                "dtype": value.dtype,
                "allow_mmap": True,
                "numpy_array_alignment_bytes": 16,
            }
        )
        self.write(pickle.BUILD)
        padding = 16 - (self.file.tell() + 1) % 16
        self.file.write(bytes([padding]) + b"\xff" * padding + value.tobytes())


def write_joblib(path: Path, tree: Any, packed: bool = False) -> Path:
    """`joblib.dump`, plain or with compress=3 (one zlib stream)."""
    stream = io.BytesIO()
    _JoblibPickler(stream).dump(tree)
    path.write_bytes(zlib.compress(stream.getvalue()) if packed else stream.getvalue())
    return path


def write_pickle(path: Path, tree: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(tree, protocol))
    return path


def write_gzip(path: Path, tree: Any) -> Path:
    path.write_bytes(gzip.compress(pickle.dumps(tree)))
    return path


def write_npz(path: Path, tree: dict) -> Path:
    """`np.savez(**tree)`; dictionaries and lists become object arrays, as numpy makes them."""
    np.savez(path, **{n: np.array(v, dtype=object) if isinstance(v, dict) else v for n, v in tree.items()})
    return path


def write_npy(path: Path, tree: Any) -> Path:
    """`np.save` of one object, with tensors or without."""
    array = np.empty((), dtype=object)
    array[()] = tree
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        _Pickler(file).dump(array)
    return path
