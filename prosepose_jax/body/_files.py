"""Fields of .npz and .pkl files as numpy arrays, read without trusting the file."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body._unpickle import load_fields, loads, to_plain
from prosepose_jax.errors import InputError


class _NpzFields(Mapping[str, Any]):
    """Arrays of a .npz file, each read when asked for; object arrays go through the restricted unpickler."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {n[:-4] if n.endswith(".npy") else n: n for n in archive.namelist()}
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise InputError(f"{path}: not a complete .npz file ({error})") from error

    def __getitem__(self, name: str) -> Any:
        member = self._members[name]
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(member) as stream:
                return _read_npy(stream, f"{self._path}: field {name!r}")
        except InputError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, NotImplementedError) as error:
            raise InputError(
                f"{self._path}: field {name!r} cannot be read; the file is damaged or cut short ({error})"
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def _read_npy(stream: Any, source: str) -> Any:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise InputError(f"{source}: unknown .npy format version {version}")
    if dtype.hasobject:
        # An array of Python objects is a pickle inside the .npy: never numpy's own unpickling.
        return to_plain(loads(stream.read(), source))
    raw = stream.read()
    if len(raw) != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"expected {shape} {dtype}, found {len(raw)} bytes")
    return np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def read_fields(path: str | Path) -> Mapping[str, Any]:
    """The named fields of a .npz or .pkl file.

    Args:
      path: file ending in .npz or .pkl (.pickle).

    Returns:
      Mapping from field name to numpy array (or plain Python value), each read when asked for.

    Raises:
      InputError: no such file, another kind of file, a damaged file, or a pickle with anything
        but arrays and containers in it. Nothing in the file is ever executed.
    """
    path = Path(path)
    data_suffix = path.suffix.lower()
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in (".npz", ".pkl"))
        raise InputError(
            f"{path}: is a folder; name one body file" + (f" of it: {', '.join(inside[:12])}" if inside else "")
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if data_suffix == ".npz":
        return _NpzFields(path)
    if data_suffix in (".pkl", ".pickle"):
        return load_fields(_read_bytes(path), str(path))
    raise InputError(f"{path}: expected a .npz or .pkl file, found {data_suffix or 'no ending'}")


def read_array(path: str | Path) -> np.ndarray:
    """The array in a .npy file. Raises InputError when it is missing or damaged."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return np.asarray(_read_npy(stream, str(path)))
    except InputError:
        raise
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as a .npy array ({error})") from error


def read_json(path: str | Path) -> Any:
    """The value in a JSON file. Raises InputError when it is missing or not JSON."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error


def read_mapping(path: str | Path) -> dict[str, Any]:
    """A {name: value} mapping from a .json, .npz or .pkl file, keys as text.

    Raises:
      InputError: the file is missing, damaged, or holds something else than a mapping.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        value = read_json(path)
        if not isinstance(value, dict):
            raise InputError(f"{path}: expected a JSON object, found {type(value).__name__}")
        return value
    if path.suffix.lower() in (".pkl", ".pickle"):
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        value = loads(_read_bytes(path), str(path))
        if not isinstance(value, Mapping):
            raise InputError(f"{path}: expected a pickled dictionary, found {type(value).__name__}")
        return {str(to_plain(key)): item for key, item in value.items()}
    return dict(read_fields(path))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
