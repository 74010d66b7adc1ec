"""Reading a pickle as data: arrays, sparse matrices and plain containers, never code.

The official body models are Python 2 pickles of numpy arrays, scipy sparse matrices
and chumpy arrays. Unpickling them the usual way runs whatever the file says. Here
every name a file may mention is looked up in one closed table whose entries are
inert stand-ins defined below: nothing is imported for a file, nothing of numpy,
scipy or the standard library is called with a file's arguments, and any name
outside the table ends the reading with an InputError that says which one it was.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import budgets, read_bytes

# Element kinds rebuilt from raw bytes: bool, int, uint, float, complex, bytes, str.
_PLAIN_KINDS = "biufcSU"


class Bad(Exception):
    """Something in a pickle that a file of arrays has no business to contain."""


def _as_bytes(data: Any) -> bytes:
    # Python 2 strings arrive as latin-1 text: one character per byte.
    if isinstance(data, str):
        return data.encode("latin1")
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    raise Bad(f"raw array data of type {type(data).__name__}")


def _as_shape(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, int):
        shape = (shape,)
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and not isinstance(n, bool) for n in shape):
        raise Bad("an array whose shape is not a tuple of integers")
    if any(n < 0 for n in shape) or len(shape) > 32:
        raise Bad(f"an array of impossible shape {shape}")
    return shape


class _DType:
    """Stand-in for numpy.dtype: type code and byte order."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = str(code)
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5:
            raise Bad("a numpy.dtype with an unknown state")
        if state[3] is not None or state[2] is not None:
            raise Bad("a structured numpy.dtype")
        self.order = str(state[1])

    def numpy(self) -> np.dtype:
        order: Literal["<", ">", "="] = ">" if self.order == ">" else "<" if self.order == "<" else "="
        code = self.code.lstrip("<>|=")
        if code[:1] == "O":
            return np.dtype(object)
        if not code or code[0] not in _PLAIN_KINDS + "?" or (code[1:] and not code[1:].isdigit()):
            raise Bad(f"an array of unsupported dtype {self.code!r}")
        try:
            return np.dtype(code).newbyteorder(order)
        except TypeError as error:
            raise Bad(f"an array of unsupported dtype {self.code!r}") from error


class _Array:
    """Stand-in for numpy.ndarray under construction."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple[Any, ...] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Bad("a numpy array with an unknown state")
        self.state = state[-4:]

    def numpy(self) -> np.ndarray:
        if self.state is None:
            raise Bad("a numpy array without contents")
        shape, dtype, fortran, data = self.state
        return _array_from_raw(dtype, _as_shape(shape), bool(fortran), data)


class _FromBuffer:
    """Stand-in for numpy's protocol 5 array constructor."""

    def __init__(self, data: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> None:
        self.args = (data, dtype, shape, order)

    def __setstate__(self, state: Any) -> None:
        raise Bad("a numpy array with an unknown state")

    def numpy(self) -> np.ndarray:
        data, dtype, shape, order = self.args
        return _array_from_raw(dtype, _as_shape(shape), order == "F", data)


class _Scalar:
    """Stand-in for a numpy scalar."""

    def __init__(self, dtype: Any, data: Any = b"", *_: Any) -> None:
        self.args = (dtype, data)

    def __setstate__(self, state: Any) -> None:
        raise Bad("a numpy scalar with an unknown state")

    def numpy(self) -> np.ndarray:
        return _array_from_raw(self.args[0], (), False, self.args[1])


def _array_from_raw(dtype: Any, shape: tuple[int, ...], fortran: bool, data: Any) -> np.ndarray:
    if not isinstance(dtype, _DType):
        raise Bad("an array whose dtype is not a numpy.dtype")
    kind = dtype.numpy()
    order: Literal["F", "C"] = "F" if fortran else "C"
    count = math.prod(shape)
    if kind.hasobject:
        if not isinstance(data, list) or len(data) != count:
            raise Bad("an object array whose contents do not fit its shape")
        out = np.empty(count, dtype=object)
        for i, item in enumerate(data):
            out[i] = item
        return out.reshape(shape, order=order)
    raw = _as_bytes(data)
    if len(raw) != count * kind.itemsize:
        raise Bad(f"an array of shape {shape} with {len(raw)} bytes instead of {count * kind.itemsize}")
    if count == 0:
        return np.zeros(shape, dtype=kind.newbyteorder("="))
    array = np.frombuffer(raw, dtype=kind).reshape(shape, order=order)
    return array.astype(kind.newbyteorder("="))


class _Record:
    """Stand-in for an instance of a class: its attributes, no behaviour."""

    def __init__(self, *_: Any) -> None:
        self.fields: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2 and state[0] is None:
            state = state[1]
        if not isinstance(state, Mapping):
            raise Bad(f"a {type(self).__name__} with an unknown state")
        self.fields = {str(name): value for name, value in state.items()}


class Sparse(_Record):
    """A scipy.sparse matrix as read: format and parts."""

    layout = ""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, as the file claims them."""
        shape = self.fields.get("_shape", self.fields.get("shape"))
        if not isinstance(shape, (tuple, list)) or len(shape) != 2:
            raise Bad("a sparse matrix without a shape")
        return int(to_plain(shape[0])), int(to_plain(shape[1]))

    def dense(self) -> np.ndarray:
        """The matrix as a dense array; every index checked."""
        rows, columns = self.shape
        if rows < 0 or columns < 0 or rows * columns > 2**28:
            raise Bad(f"a sparse matrix of impossible shape {(rows, columns)}")
        data = self._part("data")
        if self.layout == "coo":
            if "coords" in self.fields:
                row, column = (np.asarray(to_plain(c)) for c in self.fields["coords"])
            else:
                row, column = self._part("row"), self._part("col")
        else:
            indices, pointers = self._part("indices"), self._part("indptr")
            major = columns if self.layout == "csc" else rows
            if pointers.shape != (major + 1,) or pointers[0] != 0 or np.any(np.diff(pointers) < 0):
                raise Bad("a sparse matrix with broken index pointers")
            if pointers[-1] > len(indices) or len(indices) != len(data):
                raise Bad("a sparse matrix with broken index pointers")
            indices, data = indices[: pointers[-1]], data[: pointers[-1]]
            along = np.repeat(np.arange(major), np.diff(pointers))
            row, column = (indices, along) if self.layout == "csc" else (along, indices)
        if not len(row) == len(column) == len(data):
            raise Bad("a sparse matrix whose parts differ in length")
        if len(row) and (row.min() < 0 or row.max() >= rows or column.min() < 0 or column.max() >= columns):
            raise Bad("a sparse matrix with indices outside its shape")
        out = np.zeros((rows, columns), dtype=np.float64)
        np.add.at(out, (row, column), data)
        return out

    def _part(self, name: str) -> np.ndarray:
        if name not in self.fields:
            raise Bad(f"a sparse matrix without {name}")
        part = to_plain(self.fields[name])
        if not isinstance(part, np.ndarray) or part.ndim != 1 or part.dtype.kind not in "iuf":
            raise Bad(f"a sparse matrix whose {name} is not an array of numbers")
        return part


class _Csc(Sparse):
    layout = "csc"


class _Csr(Sparse):
    layout = "csr"


class _Coo(Sparse):
    layout = "coo"


class _Ch(_Record):
    """Stand-in for chumpy arrays: leaves (Ch) and index selections (Select)."""

    def numpy(self) -> Any:
        if "x" in self.fields:
            return to_plain(self.fields["x"])
        if "a" in self.fields and "idxs" in self.fields:
            source, ids = to_plain(self.fields["a"]), to_plain(self.fields["idxs"])
            if not isinstance(source, np.ndarray) or not isinstance(ids, np.ndarray) or ids.dtype.kind not in "iu":
                raise Bad("a chumpy selection of something that is not an array")
            if ids.size and (ids.min() < 0 or ids.max() >= source.size):
                raise Bad("a chumpy selection with indices outside its array")
            picked = source.ravel()[ids]
            if "preferred_shape" not in self.fields:
                return picked
            shape = tuple(int(n) for n in np.ravel(to_plain(self.fields["preferred_shape"])))
            if math.prod(shape) != picked.size:
                raise Bad("a chumpy selection whose shape does not fit")
            return picked.reshape(shape)
        raise Bad("a chumpy expression that is not a stored array")


class _OrderedDict(dict):
    def __setstate__(self, state: Any) -> None:
        raise Bad("a dictionary with extra state")


class _Object:
    """Stand-in for the builtin `object`, named by Python 2 pickles as a base class."""

    def __setstate__(self, state: Any) -> None:
        raise Bad("an object without a class")


class ClosedCall:
    """A callable a pickle may name, closed against being altered by the pickle."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise Bad("an attempt to alter a function")

    def __setstate__(self, state: Any) -> NoReturn:
        raise Bad("an attempt to alter a function")


def _reconstruct(subtype: Any = None, *_: Any) -> _Array:
    if subtype is not _Array:
        raise Bad("a numpy array of an unknown type")
    return _Array()


def _reconstructor(cls: Any = None, base: Any = None, *_: Any) -> Any:
    if not (isinstance(cls, type) and issubclass(cls, (_Record, _Array))):
        raise Bad("an object of an unknown class")
    return cls()


def _encode(text: Any = None, encoding: Any = "latin1", *_: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Bad("bytes in an unknown encoding")
    return text.encode("latin1")


def _make_set(items: Any = (), *_: Any) -> set:
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise Bad("a set of unknown contents")
    return set(items)


def _make_bytes(data: Any = b"", *_: Any) -> bytes:
    if isinstance(data, int):  # bytes(n) would allocate what the file asks for
        raise Bad("bytes of unknown contents")
    return _as_bytes(data)


def _allowed_names() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {}
    for core in ("numpy.core", "numpy._core"):
        table[core + ".multiarray", "_reconstruct"] = ClosedCall(_reconstruct)
        table[core + ".multiarray", "scalar"] = _Scalar
        table[core + ".numeric", "_frombuffer"] = _FromBuffer
    table["numpy", "ndarray"] = table["numpy", "matrix"] = _Array
    table["numpy.matrixlib.defmatrix", "matrix"] = _Array
    table["numpy", "dtype"] = _DType
    for layout, stub in (("csc", _Csc), ("csr", _Csr), ("coo", _Coo)):
        for module in (f"scipy.sparse.{layout}", f"scipy.sparse._{layout}"):
            for kind in ("matrix", "array"):
                table[module, f"{layout}_{kind}"] = stub
    table["chumpy.ch", "Ch"] = table["chumpy", "Ch"] = table["chumpy.reordering", "Select"] = _Ch
    for module in ("copy_reg", "copyreg"):
        table[module, "_reconstructor"] = ClosedCall(_reconstructor)
    for module in ("__builtin__", "builtins"):
        table[module, "object"] = _Object
        table[module, "set"] = table[module, "frozenset"] = ClosedCall(_make_set)
        table[module, "bytes"] = table[module, "bytearray"] = ClosedCall(_make_bytes)
    table["_codecs", "encode"] = ClosedCall(_encode)
    table["collections", "OrderedDict"] = _OrderedDict
    return table


_ALLOWED = _allowed_names()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stub = _ALLOWED.get((module, name))
        if stub is None:
            raise Bad(f"a reference to {module}.{name}")
        return stub

    def persistent_load(self, pid: Any) -> NoReturn:
        raise Bad("a persistent reference")


def to_plain(value: Any) -> Any:
    """One pickled value as a numpy array or Python object; containers keep their own stand-ins."""
    if isinstance(value, (_Array, _FromBuffer, _Scalar, _Ch)):
        value = value.numpy()
    elif isinstance(value, Sparse):
        value = value.dense()
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 0:
        return to_plain(value[()])
    return value


class LazyFields(Mapping[str, Any]):
    """Fields of a pickled dictionary, each rebuilt when asked for."""

    def __init__(self, source: str, fields: Mapping[str, Any]) -> None:
        self._source = source
        self._fields = fields

    def __getitem__(self, name: str) -> Any:
        value = self._fields[name]
        try:
            # Most fields are arrays, whose size the file itself bounds; other things may be far larger than the file.
            plain = to_plain(value)
            return _deep_plain(value, {}, 0)[0] if isinstance(plain, (list, tuple, Mapping)) else plain
        except (Bad, TypeError, ValueError, OverflowError, RecursionError, AttributeError) as error:
            raise InputError(f"{self._source}: field {name!r} cannot be read: it holds {_describe(error)}") from error

    def __iter__(self) -> Any:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def _describe(error: BaseException) -> str:
    return str(error) if isinstance(error, Bad) else f"broken data ({type(error).__name__}: {error})"


def _check_opcodes(data: bytes) -> None:
    """Refuses opcodes that reserve memory for what the file does not hold.

    Python's unpickler makes the table of remembered objects as large as the largest number in it, and reserves the
    bytes that an opcode announces before it reads them; `genops` does neither.
    """
    for seen, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if seen > budgets.PICKLE_OPCODES:
            raise Bad(f"more than the budget of {budgets.PICKLE_OPCODES:,} steps")
        if opcode.name in _REMEMBER and not 0 <= int(argument or 0) <= len(data):
            raise Bad(f"an object remembered under the number {argument}, more than it has bytes")
        if opcode.name in _EXTENSIONS:
            raise Bad("a reference by an extension code")


_REMEMBER = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_EXTENSIONS = frozenset({"EXT1", "EXT2", "EXT4"})


def loads(data: bytes, source: str) -> Any:
    """The object in a pickle, with nothing executed.

    Args:
      data: the pickle.
      source: name of the file, for messages.

    Returns:
      Plain Python containers whose arrays are stand-ins; pass values through `to_plain`.

    Raises:
      InputError: the pickle is broken, or mentions anything but arrays and containers
        (the message names the class or function).
    """
    try:
        _check_opcodes(data)
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except Bad as error:
        raise InputError(
            f"{source}: refused: this pickle contains {error}; a body file may only contain arrays, sparse matrices, "
            "chumpy arrays and plain containers"
        ) from error
    except (EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{source}: not a complete pickle file ({error})") from error
    except Exception as error:  # a pickle made to break its reader fails in many ways, none of them ours
        raise InputError(f"{source}: not a readable pickle file ({type(error).__name__}: {error})") from error


def load_fields(data: bytes, source: str) -> LazyFields:
    """The fields of a pickled dictionary, arrays rebuilt when asked for; see `loads` for errors."""
    fields = loads(data, source)
    if not isinstance(fields, Mapping):
        raise InputError(f"{source}: expected a pickled dictionary of fields, found {type(fields).__name__}")
    return LazyFields(source, {str(name): value for name, value in fields.items()})


def safe_load(path: str | Path) -> Any:
    """The whole content of a pickle file as plain containers, numbers and numpy arrays.

    Raises:
      InputError: no such file, a damaged file, or one that mentions anything but arrays and containers.
    """
    path = Path(path)
    data = read_bytes(path)
    return plain_tree(loads(data, str(path)), str(path))


def plain_tree(value: Any, source: str) -> Any:
    """A pickled value with everything inside it as plain containers, numbers and numpy arrays.

    Shared parts stay shared, but are counted each time they are met: whatever walks through the result afterwards
    takes that long.

    Raises:
      InputError: something in it is broken, contains itself, or is beyond a budget of depth or number.
    """
    try:
        return _deep_plain(value, {}, 0)[0]
    except (Bad, TypeError, ValueError, OverflowError, RecursionError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{source}: cannot be read: it holds {_describe(error)}") from error


_OPEN = object()  # stands for a container whose contents are being looked at


def _deep_plain(value: Any, done: dict[int, tuple[Any, Any, int]], depth: int) -> tuple[Any, int]:
    """The plain value and the number of values in it."""
    # `done` keeps shared parts shared (and alive, so that ids stay theirs).
    if id(value) in done:
        _, plain, count = done[id(value)]
        if plain is _OPEN:
            raise Bad("a container that contains itself")
        return plain, count
    if depth > budgets.PICKLE_DEPTH:
        raise Bad("containers nested too deeply")
    done[id(value)] = (value, _OPEN, 0)
    plain = to_plain(value)
    count = 1
    if isinstance(plain, Mapping):
        inner = {_key(k): _deep_plain(v, done, depth + 1) for k, v in plain.items()}
        count += sum(n for _, n in inner.values())
        plain = {k: v for k, (v, _) in inner.items()}
    elif isinstance(plain, (list, tuple)) or (isinstance(plain, np.ndarray) and plain.dtype == object):
        items = [_deep_plain(v, done, depth + 1) for v in (plain.ravel() if isinstance(plain, np.ndarray) else plain)]
        count += sum(n for _, n in items)
        if isinstance(plain, np.ndarray):
            out = np.empty(len(items), dtype=object)
            for i, (item, _) in enumerate(items):
                out[i] = item
            plain = out.reshape(plain.shape)
        else:
            plain = (list if isinstance(plain, list) else tuple)(item for item, _ in items)
    elif isinstance(plain, (set, frozenset)):
        plain = {_key(v) for v in plain}
        count += len(plain)
    elif isinstance(plain, np.ndarray) and plain.ndim == 0:
        plain = plain.item()
    if count > budgets.PICKLE_VALUES:
        raise Bad(f"more than the budget of {budgets.PICKLE_VALUES:,} values, shared ones counted as often as met")
    done[id(value)] = (value, plain, count)
    return plain, count


def _key(value: Any) -> Any:
    plain = to_plain(value)
    return plain.item() if isinstance(plain, np.ndarray) and plain.ndim == 0 else plain
