"""Other tools' `.npz`, `.pkl` and `.json` files as plain Python containers and arrays; nothing is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body._files import read_fields
from prosepose_jax.body._unpickle import loads, to_plain
from prosepose_jax.errors import InputError


def read_tree(path: Path) -> Any:
    """The contents of a `.npz` or `.pkl` as nested dictionaries, lists and arrays.

    Pickled parts go through the restricted unpickler of the body room.

    Raises:
      InputError: the file is missing, damaged, or mentions anything but arrays and containers.
    """
    if path.suffix.lower() in (".pkl", ".pickle"):
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        return _plain(loads(path.read_bytes(), str(path)), path)
    return _plain(read_fields(path), path)


def _plain(value: Any, path: Path) -> Any:
    try:
        value = to_plain(value)
    except InputError:
        raise
    except Exception as error:  # stand-ins of a damaged pickle fail in their own ways
        raise InputError(f"{path}: holds data that cannot be read ({error})") from error
    if isinstance(value, Mapping):
        return {str(_plain(k, path)): _plain(value[k], path) for k in value}
    if isinstance(value, (list, tuple)):
        return [_plain(v, path) for v in value]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [_plain(v, path) for v in value.reshape(-1)]
    return value


def read_json(path: Path) -> Any:
    """A JSON file's contents.

    Raises:
      InputError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error


def float_array(path: Path, name: str, value: Any, shape: tuple[int | str, ...]) -> np.ndarray:
    """`value` as a finite float32 array of the given shape; a string in `shape` names a free dimension.

    Raises:
      InputError: names the file, the field, what was expected and what was found.
    """
    wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    try:
        array = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        found = type(value).__name__
        raise InputError(f"{path}: field {name!r}: expected numbers of shape {wanted}, found {found}") from error
    if array.ndim != len(shape) or any(not isinstance(s, str) and s != n for s, n in zip(shape, array.shape)):  # noqa: B905
        raise InputError(f"{path}: field {name!r}: expected shape {wanted}, found {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{path}: field {name!r}: expected finite numbers, found NaN or infinite values")
    return array
