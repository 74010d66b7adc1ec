"""Reading a `torch.save` file as data, without PyTorch and without executing anything in it.

Two containers exist. Since 1.6 PyTorch writes an uncompressed zip archive: `NAME/data.pkl` with the objects, one
member `NAME/data/KEY` a storage. Before, it wrote a stream of pickles followed by the raw storages. In both the
pickle only names a storage; the numbers lie outside of it.

The pickle is checked instruction by instruction before it is run, every name in it is looked up in one closed
table of inert stand-ins, and a tensor's extents are checked against its storage before it is read. Tensors are
read when asked for: a checkpoint's optimiser state, twice its weights, costs nothing when nobody wants it.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prosepose_jax.body._unpickle import Bad, ClosedCall
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import as_input_error, open_regular

_MOST_PICKLE_BYTES = 64 << 20
_MOST_ELEMENTS = 1 << 30  # of one tensor
_MOST_DIMENSIONS = 16
_DEEPEST = 50
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LEGACY_PICKLE = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # the magic number, pickled

# Storage class → bytes an element and numpy type. bfloat16 is widened to float32 on reading.
_STORAGES: dict[str, tuple[int, str]] = {
    "DoubleStorage": (8, "f8"), "FloatStorage": (4, "f4"), "HalfStorage": (2, "f2"), "BFloat16Storage": (2, "bf16"),
    "LongStorage": (8, "i8"), "IntStorage": (4, "i4"), "ShortStorage": (2, "i2"), "CharStorage": (1, "i1"),
    "ByteStorage": (1, "u1"), "BoolStorage": (1, "?"),
}  # fmt: skip

# What a pickle of tensors and plain containers is made of. STACK_GLOBAL, EXT* and INST never occur in one.
_INSTRUCTIONS = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "EMPTY_DICT",
        "DICT",
        "SETITEM",
        "SETITEMS",
        "EMPTY_LIST",
        "LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "GET",
        "BINGET",
        "LONG_BINGET",
        "GLOBAL",
        "REDUCE",
        "BUILD",
        "BINPERSID",
        "EMPTY_SET",
        "ADDITEMS",
    ]
)


@dataclass(frozen=True)
class _StorageClass:
    name: str


@dataclass(frozen=True)
class _Storage:
    """A storage as the pickle names it; `read(start, count)` gives elements of it."""

    key: str
    kind: str
    elements: int
    start: int = 0  # of a view into another storage (old containers)

    @property
    def item_bytes(self) -> int:
        return _STORAGES[self.kind][0]


class TorchTensor:
    """A tensor in the file: its shape, and its numbers when asked for.

    Attributes:
      shape: as the file says, checked against the storage.
    """

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]):
        self.shape = shape
        self._storage = storage
        self._offset = offset
        self._stride = stride
        self._read: Callable[[_Storage, int, int], np.ndarray] | None = None

    def __repr__(self) -> str:
        return f"TorchTensor({self._storage.kind}, {self.shape})"

    def numpy(self) -> np.ndarray:
        """The tensor's numbers, contiguous and in native byte order (bfloat16 as float32).

        Raises:
          InputError: the storage is missing or shorter than the tensor.
        """
        if self._read is None:
            raise ValueError("a tensor of a file that was not opened by load_torch_file")
        if math.prod(self.shape) == 0:
            return np.zeros(self.shape, self._read(self._storage, 0, 0).dtype)
        last = sum((n - 1) * s for n, s in zip(self.shape, self._stride, strict=True))
        flat = self._read(self._storage, self._offset, last + 1)
        strides = tuple(s * flat.itemsize for s in self._stride)
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False).copy()


class _Dict(dict):
    """collections.OrderedDict; what torch hangs on a state dict (its version numbers) is dropped."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise Bad("a dictionary with an unknown state")


class _Ignored:
    """Something without numbers of interest (a device, a numpy scalar of the training loop)."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def _numbers(values: Any, what: str) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > _MOST_DIMENSIONS:
        raise Bad(f"a tensor whose {what} is not a short tuple")
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in values):
        raise Bad(f"a tensor whose {what} holds something else than non-negative integers")
    return tuple(values)


def _rebuild_tensor(storage: Any = None, offset: Any = 0, size: Any = (), stride: Any = (), *_: Any) -> TorchTensor:
    if not isinstance(storage, _Storage):
        raise Bad("a tensor without a storage")
    shape, steps = _numbers(size, "size"), _numbers(stride, "stride")
    (start,) = _numbers((offset,), "offset")
    if len(shape) != len(steps):
        raise Bad(f"a tensor of size {shape} with stride {steps}")
    if math.prod(shape) > _MOST_ELEMENTS:
        raise Bad(f"a tensor of impossible size {shape}")
    if math.prod(shape):
        last = start + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
        if last >= storage.elements:
            raise Bad(f"a tensor that reaches to element {last} of a storage of {storage.elements}")
    return TorchTensor(storage, start, shape, steps)


def _rebuild_parameter(data: Any = None, *_: Any) -> TorchTensor:
    if not isinstance(data, TorchTensor):
        raise Bad("a parameter that is not a tensor")
    return data


def _size(values: Any = (), *_: Any) -> tuple[int, ...]:
    return _numbers(values, "size")


def _names() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {("torch", name): _StorageClass(name) for name in _STORAGES}
    table["collections", "OrderedDict"] = _Dict
    table["torch._utils", "_rebuild_tensor_v2"] = table["torch._utils", "_rebuild_tensor"] = ClosedCall(_rebuild_tensor)
    table["torch._utils", "_rebuild_parameter"] = ClosedCall(_rebuild_parameter)
    table["torch", "Size"] = ClosedCall(_size)
    table["torch", "device"] = table["numpy", "dtype"] = _Ignored
    for core in ("numpy.core", "numpy._core"):
        table[core + ".multiarray", "scalar"] = _Ignored
    return table


_ALLOWED = _names()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get((module, name))
        if found is None:
            raise Bad(f"a reference to {module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> _Storage:
        # ("storage", class, key, location, elements) and, in old containers, (view key, start, elements) or None.
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] not in ("storage", b"storage"):
            raise Bad("a persistent reference that is not a storage")
        kind, key, elements = pid[1], pid[2], pid[4]
        if not isinstance(kind, _StorageClass) or not isinstance(key, str):
            raise Bad("a storage of an unknown kind")
        (elements,) = _numbers((elements,), "storage")
        if len(pid) == 6 and pid[5] is not None:
            view = pid[5]
            if not isinstance(view, tuple) or len(view) != 3:
                raise Bad("a storage with an unknown view")
            start, count = _numbers(view[1:], "view")
            if start + count > elements:
                raise Bad("a storage's view that reaches beyond it")
            return _Storage(key, kind.name, count, start)
        return _Storage(key, kind.name, elements)


def _checked_length(data: bytes) -> int:
    """The length of the first pickle in `data`, all of whose instructions are known and harmless to run."""
    memo = 0
    for operation, argument, position in pickletools.genops(data):
        if operation.name not in _INSTRUCTIONS:
            raise Bad(f"the pickle instruction {operation.name}")
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            # The memo is an array: a large index alone would allocate it.
            if argument is None or int(argument) > memo + 1024:
                raise Bad("a memo index out of order")
            memo = max(memo, int(argument) + 1)
        if operation.name == "MEMOIZE":
            memo += 1
        if operation.name == "STOP" and position is not None:
            return position + 1
    raise Bad("a pickle without an end")


def _unpickle(data: bytes, source: str) -> tuple[Any, int]:
    """The object of the first pickle in `data`, and that pickle's length."""
    try:
        length = _checked_length(data)
        return _Unpickler(io.BytesIO(data[:length]), encoding="utf-8").load(), length
    except Bad as error:
        raise InputError(
            f"{source}: refused: it contains {error}; expected tensors, numbers, text and plain containers"
        ) from error
    except (
        pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
        RecursionError, MemoryError,
    ) as error:  # fmt: skip
        raise InputError(f"{source}: not a readable torch.save file ({type(error).__name__}: {error})") from error


def load_torch_file(path: str | os.PathLike[str]) -> Any:
    """What `torch.save` wrote, with tensors as `TorchTensor`; nothing in the file is executed.

    Args:
      path: of a zip container (PyTorch ≥ 1.6) or of the older stream.

    Returns:
      Plain dictionaries, lists, tuples, numbers, text and tensors. Tensors read the file when asked for.

    Raises:
      InputError: no such file, a damaged file, or one that names anything else.
    """
    path = Path(path)
    with as_input_error(path, "not a readable torch.save file"):
        with open_regular(path) as file:
            start = file.read(len(_LEGACY_PICKLE))
        if start[:2] == b"PK":
            return _load_zip(path)
        if start == _LEGACY_PICKLE:
            return _load_legacy(path)
    raise InputError(f"{path}: expected a file written by torch.save (a zip archive or torch's older stream)")


def _load_zip(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename: info for info in archive.infolist()}
            pickles = [name for name in names if name.split("/", 1)[-1] == "data.pkl"]
            if len(pickles) != 1:
                raise InputError(f"{path}: expected one member NAME/data.pkl, as torch.save writes it")
            prefix = pickles[0][: -len("data.pkl")]
            _require_stored(path, names[pickles[0]], _MOST_PICKLE_BYTES)
            data = archive.read(pickles[0])
            order = archive.read(prefix + "byteorder")[:8] if prefix + "byteorder" in names else b"little"
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable zip archive ({error})") from error
    mark = ">" if order == b"big" else "<"

    def read(storage: _Storage, start: int, count: int) -> np.ndarray:
        name = f"{prefix}data/{storage.key}"
        if name not in names:
            raise InputError(f"{path}: expected the member {name}, found none")
        info = names[name]
        wanted = storage.elements * storage.item_bytes
        _require_stored(path, info, max(wanted, 1))
        if info.file_size < wanted:
            raise InputError(f"{path}: member {name}: expected {wanted} bytes, found {info.file_size}")
        try:
            with zipfile.ZipFile(path) as archive, archive.open(info) as file:
                file.seek(start * storage.item_bytes)
                raw = file.read(count * storage.item_bytes)
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            raise InputError(f"{path}: member {name} cannot be read ({error})") from error
        return _elements(raw, storage.kind, count, mark, path)

    return _opened(_unpickle(data, str(path))[0], read, path)


def _require_stored(path: Path, info: zipfile.ZipInfo, most: int) -> None:
    """Torch never compresses: a member that is packed, or larger than it claims to be, is a trap."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise InputError(f"{path}: member {info.filename} is compressed; torch.save stores its members as they are")
    if info.file_size > most:
        raise InputError(f"{path}: member {info.filename} has {info.file_size} bytes, expected at most {most}")


def _load_legacy(path: Path) -> Any:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            head = file.read(_MOST_PICKLE_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    source, at, parts = str(path), 0, []
    for _ in range(5):  # magic number, protocol, system, object, storage keys
        value, length = _unpickle(head[at:], source)
        parts.append(value)
        at += length
    magic, protocol, system, value, keys = parts
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL or not isinstance(system, Mapping):
        raise InputError(f"{path}: expected torch's older stream of version {_LEGACY_PROTOCOL}")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError(f"{path}: expected a list of storage keys")
    mark = "<" if system.get("little_endian", True) else ">"
    widths = {s.key: s.item_bytes for s in _storages_of(value, path)}
    places: dict[str, tuple[int, int]] = {}
    with path.open("rb") as file:
        for key in keys:
            count = _read_count(file, at, path)
            # A storage that no tensor names can only be skipped when its width is known.
            if key not in widths:
                raise InputError(f"{path}: storage {key!r} belongs to no tensor")
            places[key] = (at + 8, count)
            at += 8 + count * widths[key]
            if at > size:
                raise InputError(f"{path}: expected {at} bytes or more, found {size}: the file is cut short")

    def read(storage: _Storage, start: int, count: int) -> np.ndarray:
        if storage.key not in places or places[storage.key][1] < storage.start + storage.elements:
            raise InputError(f"{path}: storage {storage.key!r} is missing or shorter than its tensors")
        try:
            with path.open("rb") as file:
                file.seek(places[storage.key][0] + (storage.start + start) * storage.item_bytes)
                raw = file.read(count * storage.item_bytes)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error})") from error
        return _elements(raw, storage.kind, count, mark, path)

    return _opened(value, read, path)


def _read_count(file: BinaryIO, at: int, path: Path) -> int:
    file.seek(at)
    raw = file.read(8)
    if len(raw) != 8:
        raise InputError(f"{path}: the file is cut short")
    (count,) = struct.unpack("<q", raw)
    if not 0 <= count < 1 << 40:
        raise InputError(f"{path}: a storage of impossible length {count}")
    return count


def _elements(raw: bytes, kind: str, count: int, mark: str, path: Path) -> np.ndarray:
    width, code = _STORAGES[kind]
    if len(raw) != count * width:
        raise InputError(f"{path}: expected {count * width} bytes of a storage, found {len(raw)}")
    if code == "bf16":
        return (np.frombuffer(raw, mark + "u2").astype(np.uint32) << 16).view(np.float32)
    stored = np.frombuffer(raw, np.dtype(code).newbyteorder("<" if mark == "<" else ">"))
    return stored.astype(np.dtype(code))


def _storages_of(value: Any, path: Path) -> list[_Storage]:
    found: list[_Storage] = []
    _visit(value, lambda tensor: found.append(tensor._storage), path)
    return found


def _opened(value: Any, read: Callable[[_Storage, int, int], np.ndarray], path: Path) -> Any:
    def give(tensor: TorchTensor) -> None:
        tensor._read = read

    return _visit(value, give, path)


def _visit(value: Any, visit: Callable[[TorchTensor], None], path: Path) -> Any:
    """`value` in plain containers, `visit` called with each tensor."""
    # Shared parts stay shared: without it a small pickle could unfold into a large one.
    done: dict[int, Any] = {}

    def plain(item: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise InputError(f"{path}: containers nested too deeply")
        if id(item) in done:
            return done[id(item)]
        out = item
        if isinstance(item, TorchTensor):
            visit(item)
        elif isinstance(item, dict):
            out = {key: plain(part, depth + 1) for key, part in item.items()}
        elif isinstance(item, (list, tuple)):
            out = type(item)(plain(part, depth + 1) for part in item)
        elif isinstance(item, (_Ignored, ClosedCall, _Storage, _StorageClass, type)):
            out = None
        done[id(item)] = out
        return out

    return plain(value, 0)
