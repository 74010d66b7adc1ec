"""Fields of .npz and .pkl files as numpy arrays, read without trusting the file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body._unpickle import load_fields, loads, plain_tree, to_plain
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import as_input_error, open_regular, read_bytes, read_json, read_members, read_npy


class _NpzFields(Mapping[str, Any]):
    """Arrays of a .npz file, each read when asked for; object arrays go through the restricted unpickler."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with as_input_error(path, "not a complete .npz file"), open_regular(path) as f, zipfile.ZipFile(f) as archive:
            self._names = list(dict.fromkeys(n.removesuffix(".npy") for n in archive.namelist()))

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return read_members(self._path, (name,), unpickle=unpickle_plain)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def unpickle_plain(data: bytes, source: str) -> Any:
    return plain_tree(loads(data, source), source)


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
        return load_fields(read_bytes(path), str(path))
    raise InputError(f"{path}: expected a .npz or .pkl file, found {data_suffix or 'no ending'}")


def read_array(path: str | Path) -> np.ndarray:
    """The array in a .npy file. Raises InputError when it is missing or damaged."""
    with as_input_error(path, "cannot be read as a .npy array"):
        return np.asarray(read_npy(path, unpickle_plain))


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
        value = loads(read_bytes(path), str(path))
        if not isinstance(value, Mapping):
            raise InputError(f"{path}: expected a pickled dictionary, found {type(value).__name__}")
        return plain_tree({str(to_plain(key)): item for key, item in value.items()}, str(path))
    if path.suffix.lower() == ".npz":
        return read_members(path, unpickle=unpickle_plain)  # one budget for all fields
    return dict(read_fields(path))
