"""Compiled loops where Numba is installed (the extra `fast`), else NumPy: the figures are the same."""

from __future__ import annotations

import functools
import importlib.util
from types import ModuleType


def kernels(compiled: bool = True) -> ModuleType | None:
    """The compiled loops (`metrics._compiled`); None where they are not wanted or Numba is not installed."""
    return _kernels() if compiled else None


@functools.cache
def _kernels() -> ModuleType | None:
    if importlib.util.find_spec("numba") is None:
        return None
    from prosepose_jax.metrics import _compiled

    return _compiled
