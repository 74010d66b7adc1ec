"""Compiled loops where Numba is installed (the extra `fast`), else NumPy: the figures are the same."""

from __future__ import annotations

import functools
import importlib.util
from types import ModuleType

from absl import logging

from prosepose_jax.untrusted import one_line


def kernels(compiled: bool = True) -> ModuleType | None:
    """The compiled loops (`metrics._compiled`); None where they are not wanted or Numba cannot be used."""
    return _kernels() if compiled else None


@functools.cache
def _kernels() -> ModuleType | None:
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        from prosepose_jax.metrics import _compiled
    except (ImportError, OSError) as error:  # made for another NumPy, or its library cannot be loaded
        logging.warning("Numba cannot be loaded (%s): NumPy does its work, more slowly", one_line(error))
        return None
    return _compiled
