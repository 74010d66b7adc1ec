"""How much a file may unpack to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zipfile
import zlib

from prosepose_jax.untrusted import budgets

MAX_BYTES = budgets.FOREIGN_BYTES
MAX_DEPTH = budgets.FOREIGN_DEPTH
MAX_ITEMS = budgets.FOREIGN_VALUES
MAX_OPCODES = budgets.FOREIGN_OPCODES

# Whatever the pickle machines of Python come upon in a damaged file.
PICKLE_ERRORS = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    RecursionError, MemoryError, AssertionError, struct.error,
)  # fmt: skip


class Unreadable(Exception):
    """What is in the file, or what is wrong with it; the reader adds the file's name."""


def unzlib(data: bytes) -> bytes:
    """A zlib stream's content.

    Raises:
      Unreadable: damaged, or larger than a parameter file has any business to be.
    """
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise Unreadable(f"a damaged zlib stream ({error})") from error
    return _complete(out, stream.eof)


def decompress(data: bytes, kind: str) -> bytes:
    """The content of a gzip, bz2 or xz/lzma stream.

    Raises:
      Unreadable: damaged, or larger than a parameter file has any business to be.
    """
    source = io.BytesIO(data)
    try:
        stream = gzip.GzipFile(fileobj=source) if kind == "gzip" else bz2.BZ2File(source) if kind == "bz2" else None
        with stream or lzma.LZMAFile(source) as opened:
            out = opened.read(MAX_BYTES + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise Unreadable(f"a damaged {kind} stream ({error})") from error
    return _complete(out, len(out) <= MAX_BYTES)


def _complete(out: bytes, complete: bool) -> bytes:
    if not complete:
        problem = f"more than {MAX_BYTES // 2**20} MiB" if len(out) >= MAX_BYTES else "cut short"
        raise Unreadable(f"a compressed stream that is {problem}")
    return out


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One member of a zip archive, read only as far as the limit.

    Raises:
      Unreadable: there is no such member, it is damaged, or it is too large.
    """
    try:
        if archive.getinfo(name).file_size > MAX_BYTES:
            raise Unreadable(f"a member {name!r} of more than {MAX_BYTES // 2**20} MiB")
        with archive.open(name) as stream:
            return stream.read(MAX_BYTES + 1)
    except KeyError as error:
        raise Unreadable(f"an archive without {name!r}") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError,
            NotImplementedError) as error:  # fmt: skip
        raise Unreadable(f"a damaged member {name!r} ({error})") from error
