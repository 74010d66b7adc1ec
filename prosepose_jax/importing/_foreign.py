"""Numbers out of other tools' files, with every oddity named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError


def float_array(path: Path, name: str, value: Any, shape: tuple[int | str, ...]) -> np.ndarray:
    """`value` as a finite float32 array of the given shape; a string in `shape` names a free dimension.

    Raises:
      InputError: names the file, the field, what was expected and what was found.
    """
    wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    try:
        if isinstance(value, np.ndarray) and np.iscomplexobj(value):
            raise TypeError("complex numbers")  # numpy would drop their imaginary part
        array = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        found = type(value).__name__
        raise InputError(f"{path}: field {name!r}: expected numbers of shape {wanted}, found {found}") from error
    if array.ndim != len(shape) or any(not isinstance(s, str) and s != n for s, n in zip(shape, array.shape)):  # noqa: B905
        raise InputError(f"{path}: field {name!r}: expected shape {wanted}, found {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{path}: field {name!r}: expected finite numbers, found NaN or infinite values")
    return array
