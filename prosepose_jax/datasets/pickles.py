"""Pickles that datasets are distributed in, PyTorch tensors inside included; nothing in them is executed.

A tensor inside an ordinary pickle carries its numbers as a byte blob that is itself a file of `torch.save`'s older
kind: a few small pickles, then the raw storage. Every name a pickle mentions is looked up in the closed table of the
body room's reader and the two names of PyTorch below; entries are inert stand-ins, rebuilt as arrays when asked for.
A file of thousands of scenes is therefore read once and turned into arrays scene by scene.
"""

from __future__ import annotations

import io
import math
import mmap
import os
import pickle
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from prosepose_jax.body import _unpickle as base
from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers.pickles import check_instructions
from prosepose_jax.untrusted import as_input_error, open_regular, shown

_MAGIC = 0x1950A86A20F9469CFC6C
_KINDS = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
# Steps of one file: those of the releases hold thousands of scenes of some hundred values each.
_MOST_STEPS = 50_000_000
_BLOB_STEPS = 10_000  # of a pickle within a tensor's bytes, which names one storage
_MOST_REPEATED = 1 << 20  # elements that a tensor may repeat beyond its storage


class _Kind:
    """Stand-in for torch.FloatStorage and its like."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __call__(self, *_: Any) -> NoReturn:
        raise base.Bad("a storage without its numbers")

    def __setstate__(self, state: Any) -> NoReturn:
        raise base.Bad("an attempt to alter a type")


class _Storage:
    """The numbers of a storage, filled in when their bytes are reached."""

    def __init__(self, kind: _Kind, count: int) -> None:
        self.kind, self.count = kind, count
        self.values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> NoReturn:
        raise base.Bad("a storage with extra state")


class _Tensor(base._FromBuffer):
    """Stand-in for a torch.Tensor."""

    def __init__(self, storage: Any = None, offset: Any = 0, shape: Any = (), strides: Any = (), *_: Any) -> None:
        if not isinstance(storage, _Storage):
            raise base.Bad("a tensor without a storage")
        if not isinstance(offset, int) or offset < 0:
            raise base.Bad("a tensor with an unknown offset")
        self.args = (storage, offset, base._as_shape(shape), base._as_shape(strides))

    def numpy(self) -> np.ndarray:
        storage, offset, shape, strides = self.args
        values = storage.values
        if values is None or len(shape) != len(strides):
            raise base.Bad("a tensor whose numbers are missing")
        count = math.prod(shape)
        if count == 0:
            return np.zeros(shape, values.dtype)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if last >= len(values) or count > len(values) + _MOST_REPEATED:
            raise base.Bad(f"a tensor of shape {shape} on a storage of {len(values)} numbers")
        steps = tuple(s * values.itemsize for s in strides)
        return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False).copy()


def _parameter(data: Any = None, *_: Any) -> _Tensor:
    if not isinstance(data, _Tensor):
        raise base.Bad("a parameter that is not a tensor")
    return data


class _Unpickler(pickle.Unpickler):
    storages: dict[str, _Storage] | None = None  # inside a blob: those that it names

    def find_class(self, module: str, name: str) -> Any:
        found = _NAMES.get((module, name))
        if found is None:
            raise base.Bad(f"a reference to {module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> _Storage:
        if self.storages is None or not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise base.Bad("a persistent reference")
        kind, key, count = pid[1], pid[2], pid[4]
        if not isinstance(kind, _Kind) or not isinstance(key, str) or not isinstance(count, int) or count < 0:
            raise base.Bad("a persistent reference to something else than a storage")
        return self.storages.setdefault(key, _Storage(kind, count))


def _storage_from_bytes(data: Any = b"", *_: Any) -> _Storage:
    """The storage in a blob of torch.save's older kind: magic number, version, system, object, keys, raw numbers."""
    stream = io.BytesIO(base._as_bytes(data))
    storages: dict[str, _Storage] = {}

    def load() -> Any:
        check_instructions(stream, _BLOB_STEPS)
        unpickler = _Unpickler(stream, encoding="latin1")
        unpickler.storages = storages
        return unpickler.load()

    if load() != _MAGIC:
        raise base.Bad("tensor data of an unknown kind")
    load(), load()
    value, keys = load(), load()
    if not isinstance(value, _Storage) or not isinstance(keys, list):
        raise base.Bad("tensor data without its storage")
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise base.Bad("tensor data with an unknown storage")
        count = int.from_bytes(stream.read(8), "little")
        dtype = np.dtype(storages[key].kind.code)
        raw = stream.read(min(count * dtype.itemsize, len(stream.getbuffer())))
        if len(raw) != count * dtype.itemsize or count < storages[key].count:
            raise base.Bad("tensor data that is cut short")
        storages[key].values = np.frombuffer(raw, dtype)
    return value


def _names() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = dict(base._ALLOWED)
    for name, code in _KINDS.items():
        table["torch", name] = table["torch.storage", name] = _Kind(code)
    table["torch._utils", "_rebuild_tensor_v2"] = table["torch._utils", "_rebuild_tensor"] = base.ClosedCall(_Tensor)
    table["torch._utils", "_rebuild_parameter"] = base.ClosedCall(_parameter)
    table["torch.storage", "_load_from_bytes"] = base.ClosedCall(_storage_from_bytes)
    return table


_NAMES = _names()
_BROKEN = (base.Bad, TypeError, ValueError, OverflowError, AttributeError, IndexError, KeyError, RecursionError)


class Node:
    """A part of a pickled file: knows where it is, so that whatever is wrong with it can be said."""

    def __init__(self, source: str, value: Any, where: str = "") -> None:
        self.source, self.where = source, where
        self._value = value

    def fail(self, problem: str) -> InputError:
        at = f"{self.where}: " if self.where else ""
        return InputError(f"{self.source}: {at}{problem}")

    def plain(self) -> Any:
        """The value with stand-ins of arrays, scalars and tensors turned into arrays (one level deep)."""
        try:
            return base.to_plain(self._value)
        except _BROKEN as error:
            raise self.fail(f"cannot be read: it holds {error}") from error

    def names(self) -> list[Any]:
        """The keys of a dictionary, as the file has them (numbers stay numbers)."""
        return list(self._mapping())

    def has(self, key: Any) -> bool:
        return key in self._mapping()

    def get(self, key: Any) -> Node:
        """A field or, of a list, an item.

        Raises:
          InputError: there is none; the message lists what there is.
        """
        where = f"{self.where}[{key!r}]"
        if isinstance(key, int) and not isinstance(self._value, Mapping):
            items = self.items()
            if not 0 <= key < len(items):
                raise self.fail(f"expected an item {key}, found {len(items)} items")
            return Node(self.source, items[key], where)
        fields = self._mapping()
        if key not in fields:
            shown = ", ".join(map(str, list(fields)[:12]))
            raise self.fail(f"field {key!r} is missing; found {shown or 'nothing'}")
        return Node(self.source, fields[key], where)

    def items(self) -> list[Any]:
        value = self.plain()
        if isinstance(value, np.ndarray) and value.ndim:
            return list(value)
        if not isinstance(value, (list, tuple)):
            raise self.fail(f"expected a list, found {type(value).__name__}")
        return list(value)

    def nodes(self) -> list[Node]:
        return [Node(self.source, item, f"{self.where}[{i}]") for i, item in enumerate(self.items())]

    def floats(self, shape: tuple[int, ...]) -> np.ndarray:
        """Finite float32 numbers of a shape; axes of length 1 may be missing or too many.

        Raises:
          InputError: says what was expected and found.
        """
        value = self.plain()
        try:
            array = np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise self.fail(f"expected numbers of shape {shape}, found {type(value).__name__}") from error
        wanted = tuple(n for n in shape if n != 1)
        if tuple(n for n in array.shape if n != 1) != wanted:
            raise self.fail(f"expected shape {shape}, found {array.shape}")
        if not np.isfinite(array).all():
            raise self.fail("expected finite numbers, found NaN or infinite values")
        return array.reshape(shape)

    def array(self) -> np.ndarray:
        """Numbers of any shape."""
        value = self.plain()
        array = np.asarray(value) if not isinstance(value, Mapping) else np.zeros(0, object)
        if array.dtype.kind not in "fiub":
            raise self.fail(f"expected an array of numbers, found {type(value).__name__}")
        return array

    def integer(self) -> int:
        value = self.plain()
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "iuf" or int(array.reshape(-1)[0]) != array.reshape(-1)[0]:
            raise self.fail(f"expected one integer, found {value!r}"[:200])
        return int(array.reshape(-1)[0])

    def flag(self) -> bool:
        return bool(np.asarray(self.plain()).reshape(-1)[0])

    def text(self) -> str:
        value = self.plain()
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(-1)[0]
        if not isinstance(value, str):
            raise self.fail(f"expected text, found {type(value).__name__}")
        return str(value)

    def _mapping(self) -> Mapping[Any, Any]:
        value = self.plain()
        if not isinstance(value, Mapping):
            raise self.fail(f"expected a dictionary, found {type(value).__name__}")
        return value


def read_pickle(path: Path) -> Node:
    """A pickle of a dataset; its parts are turned into arrays when asked for.

    Raises:
      InputError: no such file, a damaged file, or one that mentions anything but arrays, tensors and containers.
    """
    with as_input_error(path, "not a complete pickle file"), open_regular(path) as file:
        try:
            value = _load(file)
        except base.Bad as error:
            raise InputError(
                f"{path}: refused: it contains {shown(error)}; expected arrays, tensors, numbers, text and containers"
            ) from error
    return Node(str(path), value)


def _load(file: BufferedReader) -> Any:
    """The object of a file whose instructions were looked over: Python's unpickler reserves what they announce.

    The file is mapped: a mapping gives no more than there is, a buffered file reserves what it's asked for.
    """
    if os.fstat(file.fileno()).st_size == 0:
        raise EOFError("it is empty")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        check_instructions(content, _MOST_STEPS)
        return _Unpickler(content, encoding="latin1").load()
