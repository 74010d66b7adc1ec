"""Compiled loops kept in the user's cache, for several processes, processors and versions at once.

Numba numbers the compiled forms of a function in the order in which they come and writes the list of them before
themselves: two processes that compile different forms at a time may leave one under the other's name. Here each form
has files of its own, named by what Numba tells forms apart by (types, processor and its features, bytecode), in a
folder of this file's content and Numba's version. A disk that refuses costs compiling again, never an evaluation.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

from prosepose_jax.body import cache_dir

_CONFIG: Any = numba.config  # its names come from the environment
_REFUSED = (OSError, EOFError, UnpicklingError)  # the disk refuses, or a machine died before all was written


class Kept(FunctionCache):  # type: ignore[misc, unused-ignore]
    """Numba's cache of one function, which never raises where the disk refuses."""

    @classmethod
    def of(cls, function: Callable[..., Any], file: str) -> Kept | None:
        """The cache of a function; None where nothing can be kept.

        Args:
          function: to be compiled.
          file: with all that it calls.
        """
        before = _CONFIG.CACHE_DIR
        try:
            folder = _folder(file)
            folder.mkdir(parents=True, exist_ok=True)
            _CONFIG.CACHE_DIR = str(folder)
            kept = cls(function)
        except (OSError, RuntimeError):  # nobody's home, or no folder to write to
            return None
        finally:
            _CONFIG.CACHE_DIR = before
        return kept if Path(kept.cache_path).is_relative_to(folder) else None

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        forms: Any = _Forms(self.cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())
        self._cache_file = forms

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """A compiled form, or None."""
        with contextlib.suppress(*_REFUSED):
            return super().load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keeps a compiled form."""
        with contextlib.suppress(*_REFUSED):
            super().save_overload(sig, data)


class _Forms:
    """The files of a function: two for each of its compiled forms."""

    def __init__(self, folder: str, name: str, stamp: Any) -> None:
        self._folder, self._name, self._stamp = folder, name, stamp

    def _of(self, key: Any) -> Any:
        mark = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return IndexDataCacheFile(self._folder, f"{self._name}.{mark}", self._stamp)

    def load(self, key: Any) -> Any:
        return self._of(key).load(key)

    def save(self, key: Any, data: Any) -> None:
        self._of(key).save(key, data)


@functools.cache
def _folder(file: str) -> Path:
    """Where the loops of a file are kept."""
    mark = hashlib.sha256(Path(file).read_bytes() + numba.__version__.encode()).hexdigest()[:16]
    return cache_dir() / f"numba-{mark}"
