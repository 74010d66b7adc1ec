"""Pickles that datasets are distributed in, PyTorch tensors inside included; nothing in them is executed.

They are read as other tools' pickles are (importing/containers/pickles.py): entries are inert stand-ins, rebuilt as
arrays when asked for. A file of thousands of scenes is therefore read once and turned into arrays scene by scene.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body import _unpickle as base
from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers.pickles import load_mapped
from prosepose_jax.untrusted import as_input_error, open_regular, shown

# Steps of one file: those of the releases hold thousands of scenes of some hundred values each.
_MOST_STEPS = 50_000_000
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
        return load_mapped(content, _MOST_STEPS)
