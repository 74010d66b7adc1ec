"""A small cache of computed arrays in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import read_members


def cache_dir() -> Path:
    """Folder of cached results: $XDG_CACHE_HOME/prosepose_jax, else ~/.cache/prosepose_jax."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "prosepose_jax"


def content_key(*parts: np.ndarray | str | int) -> str:
    """A name for a result: the hash of everything it was computed from."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(f"{type(part).__name__}:{part};".encode())
    return digest.hexdigest()[:32]


def load_cached(name: str) -> dict[str, np.ndarray] | None:
    """The arrays stored under a name, or None when there are none that can be read."""
    try:
        return read_members(cache_dir() / f"{name}.npz")
    except InputError:
        return None  # absent, or left damaged by another program: computing again is always right


def store_cached(name: str, arrays: dict[str, np.ndarray]) -> None:
    """Stores arrays under a name; a folder that cannot be written to only costs time next time."""
    try:
        folder = cache_dir()
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez(stream, **arrays)  # type: ignore[arg-type]
            os.replace(temporary, folder / f"{name}.npz")
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError:
        return
