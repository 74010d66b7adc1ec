"""Reading `.npz` files that others wrote: every way they can be broken becomes one clear InputError."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import budgets, read_members


def read_npz(
    path: Path, names: Collection[str] | None = None, most: int = budgets.ARCHIVE_BYTES
) -> dict[str, np.ndarray]:
    """Arrays of an `.npz`, read without unpickling anything.

    Args:
      path: the file.
      names: of the fields to read; None: all.
      most: bytes they may take unpacked, together.

    Raises:
      InputError: the file is missing, is no `.npz`, is truncated, holds an object array or exceeds a budget.
    """
    return read_members(path, names, most)


class FieldReader:
    """Takes fields out of an archive's arrays, checking type, shape and values as it goes."""

    def __init__(self, path: Path, arrays: dict[str, np.ndarray]):
        self.path = path
        self.arrays = arrays

    def fail(self, name: str, problem: str) -> InputError:
        """The error that names this file and field."""
        return InputError(f"{self.path}: field {name!r}: {problem}")

    def has(self, name: str) -> bool:
        return name in self.arrays

    def raw(self, name: str) -> np.ndarray:
        """The array as it is in the file."""
        if name not in self.arrays:
            raise InputError(f"{self.path}: field {name!r} is missing")
        return self.arrays[name]

    def floats(self, name: str, shape: tuple[int | str, ...], finite: bool = True) -> np.ndarray:
        """A float32 array of the given shape; a string in `shape` names a free dimension.

        Its values are checked to be finite unless `finite` is False.
        """
        array = self.raw(name)
        if array.dtype.kind not in "fiu":
            raise self.fail(name, f"expected numbers, found dtype {array.dtype}")
        if not _shape_fits(array.shape, shape):
            raise self.fail(name, f"expected shape {_shape_text(shape)}, found {array.shape}")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        if finite:
            self.check_finite(name, array)
        return array

    def check_finite(self, name: str, array: np.ndarray) -> None:
        """Raises the error that names the first value that is NaN or infinite."""
        bad = ~np.isfinite(array)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            at = f"; the first at index {where}" if where else ""
            raise self.fail(name, f"expected finite numbers, found {int(bad.sum())} NaN or infinite{at}")

    def text(self, name: str) -> str:
        """One string."""
        array = self.raw(name)
        if array.dtype.kind != "U" or array.size != 1:
            raise self.fail(name, f"expected one string, found dtype {array.dtype} of shape {array.shape}")
        return str(array.reshape(-1)[0])


def _shape_fits(found: tuple[int, ...], expected: tuple[int | str, ...]) -> bool:
    return len(found) == len(expected) and all(
        isinstance(e, str) or f == e for f, e in zip(found, expected, strict=True)
    )


def _shape_text(shape: tuple[int | str, ...]) -> str:
    return "(" + ", ".join(str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"
