"""A file of any known container as nested dictionaries, lists, numbers and arrays."""

from __future__ import annotations

import io
import tokenize
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body import _unpickle as base
from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers.limits import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ITEMS,
    Unreadable,
    decompress,
    member,
    unzlib,
)
from prosepose_jax.importing.containers.pickles import load_pickle, load_torch_zip
from prosepose_jax.untrusted import parse_json, read_bytes, shown
from prosepose_jax.untrusted.json_file import NotJson

# First bytes of files that are no parameters, and what they are.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF", "an HDF5 file; save the fields with numpy (np.savez)"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file; save the fields with numpy (np.savez)"),
    (b"\x89PNG", "a picture, not parameters"),
    (b"\xff\xd8\xff", "a picture, not parameters"),
    (b"glTF", "a mesh (glTF): a mesh alone has no pose; save the tool's parameters"),
    (b"ply\n", "a mesh (PLY): a mesh alone has no pose; save the tool's parameters"),
    (b"# Blender", "a mesh (OBJ): a mesh alone has no pose; save the tool's parameters"),
    (b"v ", "a mesh (OBJ): a mesh alone has no pose; save the tool's parameters"),
    (b"\x04\x22\x4d\x18", "an lz4 stream; save without compression, or with zlib or gzip"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard stream; save without compression, or with zlib or gzip"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"Kaydara FBX", "an animation (FBX), which has no camera; save the tool's parameters"),
    (b"HIERARCHY", "a motion (BVH), which has no camera; save the tool's parameters"),
    (b"%YAML", "an OpenCV or YAML file; write JSON (OpenPose: --write_json)"),
    (b"<?xml", "XML; write JSON (OpenPose: --write_json)"),
    (b"\xff\xfe", "text in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16; save it as UTF-8"),
)  # fmt: skip
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
# numpy takes a header apart as Python source, with Python's own tokenizer where it is an old one.
_HEADER_ERRORS = (
    ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError, EOFError, tokenize.TokenError,
)  # fmt: skip


def read_tree(path: Path) -> Any:
    """The contents of a file, its kind told by its first bytes.

    `.npz`, `.npy`, pickles (plain, of joblib, of PyTorch), torch.save's zip files, JSON; each also inside a gzip, zlib,
    bz2 or xz stream. Dictionary keys become text, tuples lists, tensors arrays, object arrays lists.

    Raises:
      InputError: the file is missing, damaged or too large, or holds anything but arrays and containers; it says what.
    """
    data = read_bytes(path, MAX_BYTES)
    try:
        return _Plain().of(_load(data))
    except Unreadable as error:
        raise InputError(
            f"{path}: cannot be read: it holds {error}; expected arrays and plain containers only"
        ) from error


def _load(data: bytes, depth: int = 0) -> Any:
    if not data:
        raise Unreadable("nothing, it is empty")
    if depth > 2:
        raise Unreadable("streams compressed several times over")
    for start, what in _OTHERS:
        if data.startswith(start):
            raise Unreadable(what)
    if data.startswith(b"PK\x03\x04") or data.startswith(b"PK\x05\x06"):
        return _load_zip(data)
    if data.startswith(b"\x93NUMPY"):
        return _load_npy(data)
    if data.startswith(b"\x1f\x8b"):
        return _load(decompress(data, "gzip"), depth + 1)
    if data.startswith(b"BZh"):
        return _load(decompress(data, "bz2"), depth + 1)
    if data.startswith(b"\xfd7zXZ") or data.startswith(b"\x5d\x00\x00"):
        return _load(decompress(data, "xz"), depth + 1)
    if data.startswith(_ZLIB):
        return _load(unzlib(data), depth + 1)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _load_json(data)
    if data[:500].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise Unreadable("a web page, not parameters; the download went wrong")
    if data[:1] in (b"\x80", b"(", b"]", b"}", b"c", b")", b"N"):
        return load_pickle(data)
    if data[:200].isascii() and b"\0" not in data[:200]:
        raise Unreadable(f"text that is neither JSON nor rows of numbers (it begins with {shown(data[:40].decode())})")
    raise Unreadable("data of an unknown kind")


def _load_json(data: bytes) -> Any:
    try:
        return parse_json(data, "JSON", MAX_ITEMS)
    except NotJson as error:
        lines = _json_lines(data)
        if lines is not None:
            return lines
        raise Unreadable(f"text that is not JSON: {error.reason}") from error
    except InputError as error:  # beyond a budget, or no UTF-8
        raise Unreadable(f"text that is no usable {error}") from error


def _json_lines(data: bytes) -> list[Any] | None:
    """The values of a file with a JSON value a line; None where it is none."""
    lines = [line for line in data.split(b"\n") if line.strip()]
    if not all(line.strip()[:1] in (b"{", b"[") and line.strip()[-1:] in (b"}", b"]") for line in lines):
        return None
    try:
        return [parse_json(line, "a line", MAX_ITEMS // max(len(lines), 1)) for line in lines]
    except InputError:
        return None


def _load_zip(data: bytes) -> Any:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise Unreadable(f"an incomplete zip archive ({error})") from error
    with archive:
        names = archive.namelist()
        pickled = next((n for n in names if n == "data.pkl" or n.endswith("/data.pkl")), None)
        if pickled is not None:
            prefix = pickled.removesuffix("data.pkl")
            if f"{prefix}constants.pkl" in names or any(n.startswith(f"{prefix}code/") for n in names):
                raise Unreadable("a PyTorch module (TorchScript), not parameters")
            if f"{prefix}byteorder" in names and member(archive, f"{prefix}byteorder").strip() == b"big":
                raise Unreadable("a PyTorch file in big-endian order")
            return load_torch_zip(member(archive, pickled), lambda key: member(archive, f"{prefix}data/{key}"))
        arrays = [n for n in names if n.endswith(".npy")]
        if not arrays:
            raise Unreadable("a zip archive that is neither numpy's nor PyTorch's")
        if sum(archive.getinfo(n).file_size for n in arrays) > MAX_BYTES:
            raise Unreadable(f"arrays of more than {MAX_BYTES // 2**20} MiB")
        fields = {}
        for name in arrays:
            try:
                fields[name.removesuffix(".npy")] = _load_npy(member(archive, name))
            except Unreadable as error:
                raise Unreadable(f"a field {name.removesuffix('.npy')!r} that cannot be read: {error}") from error
        return fields


def _load_npy(data: bytes) -> Any:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise Unreadable(f"a .npy of unknown version {version}")
    except _HEADER_ERRORS as error:
        raise Unreadable(f"a damaged .npy header ({error})") from error
    raw = stream.read()
    if dtype.hasobject:
        return load_pickle(raw)  # an array of Python objects is a pickle inside the .npy
    try:
        base._as_shape(shape)
        count = int(np.prod([int(n) for n in shape], dtype=object)) if shape else 1
        if dtype.itemsize == 0 or len(raw) != dtype.itemsize * count:
            raise Unreadable(f"an array of shape {shape} and type {dtype} with {len(raw)} bytes")
        return np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    except (base.Bad, ValueError, TypeError, OverflowError) as error:
        raise Unreadable(f"a damaged .npy array ({error})") from error


class _Plain:
    """Stand-ins turned into arrays, containers into plain ones; shared parts once."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}
        self._items = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, (int, float, str, bytes, bool, type(None))):
            return value
        if id(value) in self._done:
            return self._done[id(value)][1]
        if depth > MAX_DEPTH:
            raise Unreadable("containers nested too deeply")
        try:
            plain = base.to_plain(value)
        except base.Bad as error:
            raise Unreadable(str(error)) from error
        except (TypeError, ValueError, OverflowError, RecursionError, AttributeError, IndexError, KeyError) as error:
            raise Unreadable(f"broken data ({type(error).__name__}: {error})") from error
        if isinstance(plain, Mapping):
            self._count(len(plain))
            plain = {self._key(k): self.of(v, depth + 1) for k, v in plain.items()}
        elif isinstance(plain, (list, tuple)):
            self._count(len(plain))
            plain = [self.of(v, depth + 1) for v in plain]
        elif isinstance(plain, np.ndarray) and plain.dtype == object:
            self._count(plain.size)
            plain = [self.of(v, depth + 1) for v in plain.reshape(-1)]
        elif isinstance(plain, (set, frozenset)):
            plain = sorted(str(v) for v in plain)
        elif not isinstance(plain, (np.ndarray, int, float, str, bytes, bool, complex, type(None))):
            plain = None  # an object without contents that matter
        self._done[id(value)] = (value, plain)
        return plain

    def _count(self, number: int) -> None:
        self._items += number
        if self._items > MAX_ITEMS:
            raise Unreadable(f"more than {MAX_ITEMS} entries")

    def _key(self, key: Any) -> str:
        try:
            plain = base.to_plain(key)
        except (base.Bad, TypeError, ValueError) as error:
            raise Unreadable(f"an unusable key ({error})") from error
        return str(plain.item() if isinstance(plain, np.ndarray) and plain.ndim == 0 else plain)
