"""Other tools' `.npz`, `.pkl` and `.json` files as plain Python containers and arrays; nothing is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body._files import read_mapping
from prosepose_jax.body._unpickle import loads, plain_tree
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import as_input_error, read_bytes, read_json


def read_tree(path: Path) -> Any:
    """The contents of a `.npz` or `.pkl` as nested dictionaries, lists and arrays.

    Pickled parts go through the restricted unpickler of the body room.

    Raises:
      InputError: the file is missing, damaged, or mentions anything but arrays and containers.
    """
    if path.suffix.lower() in (".pkl", ".pickle"):
        return _lists(plain_tree(loads(read_bytes(path), str(path)), str(path)))
    with as_input_error(path):
        return _lists(plain_tree(read_mapping(path), str(path)))


def _lists(value: Any) -> Any:
    """Names as text, and lists for tuples and arrays of objects; `plain_tree` bounds how often this is called."""
    if isinstance(value, Mapping):
        return {str(k): _lists(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lists(v) for v in value]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [_lists(v) for v in value.reshape(-1)]
    return value


__all__ = ["float_array", "read_json", "read_tree"]


def float_array(path: Path, name: str, value: Any, shape: tuple[int | str, ...]) -> np.ndarray:
    """`value` as a finite float32 array of the given shape; a string in `shape` names a free dimension.

    Raises:
      InputError: names the file, the field, what was expected and what was found.
    """
    wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    try:
        array = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        found = type(value).__name__
        raise InputError(f"{path}: field {name!r}: expected numbers of shape {wanted}, found {found}") from error
    if array.ndim != len(shape) or any(not isinstance(s, str) and s != n for s, n in zip(shape, array.shape)):  # noqa: B905
        raise InputError(f"{path}: field {name!r}: expected shape {wanted}, found {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{path}: field {name!r}: expected finite numbers, found NaN or infinite values")
    return array
