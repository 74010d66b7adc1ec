"""Folders that a command writes to: made, and held against other processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from prosepose_jax.errors import InputError

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Windows
    fcntl = None  # type: ignore[assignment]

CLAIM_FILE = ".running"


def claim(descriptor: int) -> bool:
    """Claims an open file for this process until the file is closed; False when another process has it.

    Where the system or the file system knows no locks, every claim succeeds.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def make_folder(folder: Path, what: str) -> None:
    """Makes a folder where there is none.

    Args:
      folder: may be there already.
      what: it is to be, for the error message.

    Raises:
      InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be {what} ({error.strerror})") from None


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Holds a folder that is there against other processes. A process that dies, also by `kill -9`, gives it up.

    Raises:
      InputError: another process holds it, or it cannot be written to.
    """
    file = folder / CLAIM_FILE
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror})") from None
    try:
        if not claim(descriptor):
            raise InputError(f"{folder}: another prosepose is writing to this folder; give each run its own")
        yield
    finally:
        os.close(descriptor)
