"""Pickles as data, with what joblib and PyTorch put into them; neither needs to be installed.

The names a pickle may mention are those of the body room's closed table and the few below, each an inert stand-in.
joblib writes the bytes of an array into the stream right after the object that describes it. PyTorch refers to its
storages by a persistent id (torch.save) or carries them as bytes in its old format (tensors inside other pickles).
"""

from __future__ import annotations

import io
import math
import mmap
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar, NoReturn, cast

import numpy as np

from prosepose_jax.body import _unpickle as base
from prosepose_jax.importing.containers.limits import MAX_BYTES, MAX_OPCODES, PICKLE_ERRORS, Unreadable

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
TORCH_MAGIC_BYTES = _TORCH_MAGIC.to_bytes(10, "little")
# Element types of PyTorch's storages. bfloat16 has no numpy type: it is the upper half of a float32.
_STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "UntypedStorage": "u1", "ComplexFloatStorage": "<c8", "ComplexDoubleStorage": "<c16",
}  # fmt: skip
_EXPANDED = 2**20  # elements a tensor may repeat beyond its storage


def _as_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise base.Bad("a tensor whose layout is not given in integers")
    return value


class StorageType:
    """Stand-in for torch.FloatStorage and its like."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __call__(self, *_: Any) -> NoReturn:
        raise base.Bad("a storage without its data")

    def __setstate__(self, state: Any) -> NoReturn:
        raise base.Bad("an attempt to alter a type")

    @property
    def itemsize(self) -> int:
        return 2 if self.code == "bfloat16" else np.dtype(self.code).itemsize


class Storage:
    """A PyTorch storage: its bytes, known at once or filled in later."""

    def __init__(self, kind: StorageType, count: int, data: bytes | None = None) -> None:
        self.kind, self.count, self.data = kind, count, data

    def __setstate__(self, state: Any) -> NoReturn:
        raise base.Bad("a storage with extra state")

    def values(self) -> np.ndarray:
        if self.data is None or len(self.data) != self.count * self.kind.itemsize:
            raise base.Bad("a storage whose data is missing or of another length")
        if self.kind.code == "bfloat16":
            return (np.frombuffer(self.data, "<u2").astype(np.uint32) << 16).view(np.float32)
        return np.frombuffer(self.data, self.kind.code)


class Tensor(base._FromBuffer):
    """Stand-in for a torch.Tensor; rebuilt as an array when asked for."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> None:
        if not isinstance(storage, Storage):
            raise base.Bad("a tensor without a storage")
        self.args = (storage, _as_int(offset), base._as_shape(shape), base._as_shape(strides))

    def numpy(self) -> np.ndarray:
        storage, offset, shape, strides = self.args
        values = storage.values()
        if len(shape) != len(strides):
            raise base.Bad("a tensor whose strides do not fit its shape")
        count = math.prod(shape)
        if count > len(values) + _EXPANDED:
            raise base.Bad(f"a tensor of shape {shape} on a storage of {len(values)} numbers")
        if count == 0:
            return np.zeros(shape, values.dtype)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if offset < 0 or last >= len(values):
            raise base.Bad("a tensor that reaches beyond its storage")
        steps = [s * values.itemsize for s in strides]
        view = np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)
        return view.copy()


def _parameter(data: Any = None, *_: Any) -> Tensor:
    if not isinstance(data, Tensor):
        raise base.Bad("a parameter without a tensor")
    return data


class _JoblibArray(base._FromBuffer):
    """Stand-in for joblib's NumpyArrayWrapper: the description, and the array once its bytes are read."""

    fields: Mapping[str, Any] = {}  # on the class: pickles make the object without calling __init__
    array: np.ndarray | None = None

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if self.fields or not isinstance(state, Mapping):
            raise base.Bad("a joblib array with an unknown description")
        self.fields = dict(state)

    def numpy(self) -> np.ndarray:
        if self.array is None:
            raise base.Bad("a joblib array without contents")
        return self.array

    def fill(self, stream: io.BytesIO, depth: int) -> None:
        """Takes the array's bytes, which follow in the stream."""
        dtype, shape = self.fields.get("dtype"), base._as_shape(self.fields.get("shape", ()))
        if not isinstance(dtype, base._DType):
            raise base.Bad("a joblib array whose dtype is not a numpy.dtype")
        kind, count = dtype.numpy(), math.prod(shape)
        if kind.hasobject:
            inner = _load_joblib(stream, depth + 1)
            self.array = np.asarray(base.to_plain(inner), dtype=object)
            return
        if self.fields.get("numpy_array_alignment_bytes") is not None:
            padding = stream.read(1)
            stream.read(padding[0] if padding else 0)
        if count * kind.itemsize > len(stream.getbuffer()) - stream.tell():
            raise base.Bad(f"an array of shape {shape} that is cut short")
        raw = stream.read(count * kind.itemsize)
        self.array = base._array_from_raw(dtype, shape, self.fields.get("order") == "F", raw)


def _defaultdict(factory: Any = None, *items: Any) -> base._OrderedDict:
    return base._OrderedDict(*items) if not items or isinstance(items[0], Mapping) else base._OrderedDict()


def _inert(what: str) -> Callable[..., Any]:
    def refuse(*_: Any) -> NoReturn:
        raise base.Bad(f"a call of {what}")

    return base.ClosedCall(refuse)


def _container(kind: type) -> Callable[..., Any]:
    def make(items: Any = (), *_: Any) -> Any:
        if not isinstance(items, (list, tuple, dict)):
            raise base.Bad("a container of unknown contents")
        return kind(items)

    return base.ClosedCall(make)


def _size(items: Any = (), *_: Any) -> tuple[int, ...]:
    if not isinstance(items, (list, tuple)):
        raise base.Bad("a size that is no tuple")
    return tuple(items)


def _path(*parts: Any) -> str:
    return "/".join(str(p) for p in parts if isinstance(p, str))


def _device(*parts: Any) -> str:
    return ":".join(str(p) for p in parts if isinstance(p, (str, int)))


def _names() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = dict(base._ALLOWED)
    for name, code in _STORAGES.items():
        for module in ("torch", "torch.storage", "torch.cuda"):
            table[module, name] = StorageType(code)
    table["torch._utils", "_rebuild_tensor_v2"] = table["torch._utils", "_rebuild_tensor"] = base.ClosedCall(Tensor)
    table["torch._utils", "_rebuild_parameter"] = base.ClosedCall(_parameter)
    table["torch", "Size"] = base.ClosedCall(_size)
    table["torch", "device"] = base.ClosedCall(_device)
    table["torch.storage", "_load_from_bytes"] = base.ClosedCall(_storage_from_bytes)
    table["collections", "defaultdict"] = base.ClosedCall(_defaultdict)
    table["joblib.numpy_pickle", "NumpyArrayWrapper"] = _JoblibArray
    for module in ("__builtin__", "builtins"):
        table[module, "dict"], table[module, "list"] = _container(dict), _container(list)
        table[module, "tuple"] = _container(tuple)
        for name in ("int", "float", "str", "bool"):
            table[module, name] = _inert(name)
    for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path"):
        for module in ("pathlib", "pathlib._local"):
            table[module, name] = base.ClosedCall(_path)
    return table


_ALLOWED: dict[tuple[str, str], Any] = {}  # filled below, when every stand-in is defined


def _find(module: str, name: str) -> Any:
    stub = _ALLOWED.get((module, name))
    if stub is None and module.split(".")[0] == "torch" and name.endswith("Storage"):
        raise base.Bad(f"a PyTorch storage of an unknown kind, {name}")
    if stub is None:
        raise base.Bad(f"a reference to {module}.{name}")
    return stub


class _Unpickler(pickle.Unpickler):
    """The C unpickler over the wider table; storages come from `storage(key, kind, count)`."""

    storage: Callable[[str, StorageType, int], Storage] | None = None

    def find_class(self, module: str, name: str) -> Any:
        return _find(module, name)

    def persistent_load(self, pid: Any) -> Storage:
        if self.storage is None or not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise base.Bad("a persistent reference")
        _, kind, key, _, count = pid[:5]
        if not isinstance(kind, StorageType) or not isinstance(key, str) or _as_int(count) < 0:
            raise base.Bad("a persistent reference to something else than a storage")
        return self.storage(key, kind, count)


_PythonUnpickler: Any = pickle._Unpickler


class _StreamUnpickler(_PythonUnpickler):
    """The pure Python unpickler, which can be told to read joblib's raw bytes between two instructions."""

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, stream: io.BytesIO, depth: int) -> None:
        super().__init__(stream, encoding="latin1")
        self._stream, self._nesting = stream, depth

    def find_class(self, module: str, name: str) -> Any:
        return _find(module, name)

    def persistent_load(self, pid: Any) -> NoReturn:
        raise base.Bad("a persistent reference")

    def get_extension(self, code: int) -> NoReturn:
        raise base.Bad("a reference to a registered class")

    def load_build(self) -> None:
        super().load_build()
        top = self.stack[-1]
        if isinstance(top, _JoblibArray):
            top.fill(self._stream, self._nesting)

    dispatch[pickle.BUILD[0]] = load_build

    def load_bytearray8(self) -> NoReturn:
        raise base.Bad("a bytearray")  # it would be made as long as the file says

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def _load_joblib(stream: io.BytesIO, depth: int = 0) -> Any:
    if depth > 5:
        raise base.Bad("object arrays nested too deeply")
    return _StreamUnpickler(stream, depth).load()


def _storage_from_bytes(data: Any = b"", *_: Any) -> Storage:
    value = _load_old_torch(io.BytesIO(base._as_bytes(data)))
    if not isinstance(value, Storage):
        raise base.Bad("a storage in an unknown form")
    return value


def _load_old_torch(stream: io.BytesIO) -> Any:
    """torch.save's format before version 1.6: five pickles, then the storages' raw data."""
    storages: dict[str, Storage] = {}

    def storage(key: str, kind: StorageType, count: int) -> Storage:
        return storages.setdefault(key, Storage(kind, count))

    def load(with_storages: bool = False) -> Any:
        check_instructions(stream)
        unpickler = _Unpickler(stream, encoding="latin1")
        if with_storages:
            unpickler.storage = storage
        return unpickler.load()

    if load() != _TORCH_MAGIC:
        raise base.Bad("a PyTorch file of an unknown kind")
    load(), load()
    value = load(with_storages=True)
    keys = load()
    if not isinstance(keys, list):
        raise base.Bad("a PyTorch file without its list of storages")
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise base.Bad("a PyTorch file whose list of storages is not that of its tensors")
        count = int.from_bytes(stream.read(8), "little")
        size = count * storages[key].kind.itemsize
        if size > len(stream.getbuffer()) - stream.tell():
            raise base.Bad("a PyTorch storage that is cut short")
        storages[key].count, storages[key].data = count, stream.read(size)
    return value


def load_pickle(data: bytes) -> Any:
    """The object of a plain pickle, a joblib file or an old PyTorch file; arrays are stand-ins (`to_plain`).

    Raises:
      Unreadable: says what the file holds that cannot be read.
    """
    if data[:40].find(TORCH_MAGIC_BYTES) > 0:
        return _guarded(lambda: _load_old_torch(io.BytesIO(data)))
    if b"joblib.numpy_pickle" in data:
        return _guarded(lambda: _load_joblib(io.BytesIO(data)))

    def load() -> Any:
        stream = io.BytesIO(data)
        check_instructions(stream)
        return _Unpickler(stream, encoding="latin1").load()

    return _guarded(load)


def load_mapped(content: mmap.mmap, most: int) -> Any:
    """The object of a plain pickle of at most so many instructions, in a file that is mapped; see `load_pickle`.

    Raises:
      Bad: it mentions anything but arrays, tensors and containers.
      Exception: whatever Python's unpickler says about a damaged one.
    """
    check_instructions(content, most)
    return _Unpickler(cast(Any, content), encoding="latin1").load()


def load_torch_zip(data: bytes, read: Callable[[str], bytes]) -> Any:
    """The object of a torch.save zip file.

    Args:
      data: `data.pkl`.
      read: gives the bytes of a storage's key.

    Raises:
      Unreadable: says what the file holds that cannot be read.
    """
    storages: dict[str, Storage] = {}
    total = 0

    def storage(key: str, kind: StorageType, count: int) -> Storage:
        nonlocal total
        if key not in storages:
            storages[key] = Storage(kind, count, read(key))
            total += len(storages[key].data or b"")
            if total > MAX_BYTES:
                raise Unreadable(f"storages of more than {MAX_BYTES // 2**20} MiB")
        return storages[key]

    def load() -> Any:
        stream = io.BytesIO(data)
        check_instructions(stream)
        unpickler = _Unpickler(stream, encoding="latin1")
        unpickler.storage = storage
        return unpickler.load()

    return _guarded(load)


def _guarded(load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (base.Bad, Unreadable) as error:
        text = str(error)
        if any(word in text for word in ("torch.nn.", ".models.", "pytorch_lightning", "torch.jit", "lightning.")):
            text = f"a PyTorch module, not parameters ({text})"
        raise Unreadable(text) from error
    except PICKLE_ERRORS as error:
        raise Unreadable(f"an incomplete or damaged pickle ({type(error).__name__}: {error})") from error


def check_instructions(stream: io.BytesIO | mmap.mmap, most: int = MAX_OPCODES) -> None:
    """Goes through the next pickle of a stream without running it, and back to its beginning.

    Python's unpickler keeps a table as long as the largest number in it and makes byte arrays as long as they say,
    so that nine bytes can take all memory.

    Args:
      stream: a file's content, which gives no more bytes than it has however many are asked for.
      most: instructions.

    Raises:
      Bad: an instruction asks for more than the file holds.
    """
    start, entries = stream.tell(), 0
    for count, (operation, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], stream))):
        if count > most:
            raise base.Bad(f"a pickle of more than {most} instructions")
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            if not isinstance(argument, int) or argument > entries + 1024:
                raise base.Bad("a pickle that asks for a table larger than its contents")
            entries = max(entries, argument + 1)
        elif operation.name == "MEMOIZE":
            entries += 1
    stream.seek(start)


_ALLOWED.update(_names())
