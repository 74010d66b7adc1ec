"""The edge of every reader: what can go wrong inside becomes an InputError that names file and field."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import budgets

_LONGEST_SHOWN = 200


def one_line(text: object) -> str:
    """A stranger's text as it may be printed: on one line, control characters and escapes spelled out.

    Names of files may hold bytes that are no UTF-8: those are spelled out too.
    """
    return "".join(c if c.isprintable() else _spelled(c) for c in str(text))


def shown(text: object) -> str:
    """`one_line`, cut when long."""
    plain = one_line(text)
    return plain if len(plain) <= _LONGEST_SHOWN else plain[:_LONGEST_SHOWN] + "…"


def printable(text: str) -> str:
    """Text of several lines with all other control characters and escapes spelled out."""
    return "".join(c if c.isprintable() or c in "\n\t" else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()


@contextlib.contextmanager
def as_input_error(source: object, what: str = "cannot be read") -> Iterator[None]:
    """Turns whatever the block raises into an InputError.

    Damaged files make the libraries that read them fail in more ways than anyone has listed: no list of
    exceptions was ever complete, so this is the one place that catches all of them.

    Args:
      source: the file, and the field where one is read.
      what: goes wrong.

    Raises:
      InputError: the block raised an Exception; its own InputErrors pass.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{source}: no such file") from error
    except OSError as error:
        raise InputError(f"{source}: {what} ({(error.strerror or str(error)).lower()})") from error
    except MemoryError as error:
        raise InputError(f"{source}: {what} (not enough memory for what it claims to hold)") from error
    except RecursionError as error:
        raise InputError(f"{source}: {what} (nested too deeply)") from error
    except Exception as error:
        told = error.args[0] if error.args and isinstance(error.args[0], str) else error  # not the places beside it
        raise InputError(f"{source}: {what} ({shown(told) or type(error).__name__})") from error


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Opens a regular file for reading; a device or a pipe is refused without waiting for it.

    Raises:
      InputError: another kind of file, or a name that no file can have.
      OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:
        raise InputError(f"{shown(path)}: no name of a file ({error})") from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        found = "a folder" if stat.S_ISDIR(kind) else "a device, pipe or socket"
        raise InputError(f"{path}: expected a regular file, found {found}")
    return open(descriptor, "rb")


def read_bytes(path: str | os.PathLike[str], most: int = budgets.FILE_BYTES) -> bytes:
    """A regular file's content.

    Raises:
      InputError: missing, no regular file, not readable, or larger than `most` bytes.
    """
    path = Path(path)
    with as_input_error(path), open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most + 1) if size <= most else b""
        if size > most or len(data) > most:
            raise InputError(f"{path}: is larger than the budget of {most >> 20} MiB")
        return data
