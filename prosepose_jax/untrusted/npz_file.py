"""Arrays of a `.npz`, read member by member: nothing is unpacked that was not asked for or exceeds the budget."""

from __future__ import annotations

import functools
import io
import math
import os
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import budgets
from prosepose_jax.untrusted.edge import as_input_error, open_regular, shown

_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}  # of a header's length, by version
Unpickle = Callable[[bytes, str], Any]


def read_members(
    path: str | os.PathLike[str],
    names: Collection[str] | None = None,
    most: int = budgets.ARCHIVE_BYTES,
    unpickle: Unpickle | None = None,
) -> dict[str, Any]:
    """The arrays of an archive by name.

    Args:
      path: the file.
      names: of the fields to read; None: all. Fields that are not there are left out.
      most: bytes that the fields may take unpacked, together.
      unpickle: reads the pickle of an object array, given its bytes and what to call it; None: refused.

    Raises:
      InputError: missing, damaged, an object array, or beyond a budget; names the file and the field.
    """
    path = Path(path)
    found: dict[str, Any] = {}
    with as_input_error(path, "not a readable .npz file (truncated or damaged?)"), open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > budgets.FILE_BYTES:
            raise InputError(f"{path}: is larger than the budget of {budgets.FILE_BYTES >> 20} MiB")
        if file.read(6) == b"\x93NUMPY":
            raise InputError(f"{path}: expected an .npz archive, found a single .npy array")
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > budgets.ARCHIVE_MEMBERS:
                raise InputError(f"{path}: holds more than the budget of {budgets.ARCHIVE_MEMBERS:,} fields")
            for member in members:
                name = member.filename.removesuffix(".npy")
                if names is not None and name not in names:
                    continue
                source = f"{path}: field {shown(name)!r}"
                most -= member.file_size
                if most < 0:
                    raise InputError(f"{source}: unpacks beyond the budget of the file's fields")
                with as_input_error(source), archive.open(member) as stream:
                    found[name] = read_array(stream, member.file_size, source, unpickle)
    return found


def read_npy(path: str | os.PathLike[str], unpickle: Unpickle | None = None) -> Any:
    """The array of a `.npy` file.

    Raises:
      InputError: missing, damaged, an object array without `unpickle`, or beyond the budget.
    """
    path = Path(path)
    with as_input_error(path, "cannot be read as a .npy array"), open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > budgets.ARCHIVE_BYTES:
            raise InputError(f"{path}: is larger than the budget of {budgets.ARCHIVE_BYTES >> 20} MiB")
        return read_array(stream, size, str(path), unpickle)


def read_array(stream: IO[bytes], size: int, source: str, unpickle: Unpickle | None = None) -> Any:
    """One `.npy` from a stream of `size` bytes; what it claims is compared with that before anything is reserved.

    Raises:
      InputError: an object array without `unpickle`, or another size than the header says.
      Exception: whatever numpy says about a damaged header.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _LENGTH_BYTES:
        raise InputError(f"{source}: unknown .npy format version {version}")
    length = stream.read(_LENGTH_BYTES[version])
    text = stream.read(min(int.from_bytes(length, "little"), budgets.HEADER_BYTES + 1))
    shape, fortran, dtype = _header(version, length + text)
    if dtype.hasobject:
        # An array of Python objects is a pickle inside the .npy: never numpy's own unpickling.
        if unpickle is None:
            raise InputError(f"{source}: is an object array (pickled); expected plain numbers or strings")
        return unpickle(stream.read(size), source)
    if any(n < 0 for n in shape):
        raise InputError(f"{source}: claims the impossible shape {shape}")
    count = math.prod(shape)
    wanted = dtype.itemsize * count
    if dtype.itemsize == 0 and count:
        # Any number of them fits into no bytes, and takes memory when it becomes numbers.
        raise InputError(f"{source}: claims shape {shape} of {dtype}, elements without content")
    if wanted > size:
        raise InputError(f"{source}: claims shape {shape} of {dtype}, {wanted} bytes, but holds at most {size}")
    raw = stream.read(size)
    if len(raw) != wanted:
        raise InputError(f"{source}: claims shape {shape} of {dtype}, {wanted} bytes, but holds {len(raw)}")
    if wanted == 0:
        return np.zeros(shape, dtype)
    array = np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    if dtype.kind == "U":
        _check_text(array, source)
    return array.copy() if not array.flags.writeable else array


@functools.lru_cache(1024)
def _header(version: tuple[int, int], raw: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """What a header says; files of a folder have few different ones."""
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(io.BytesIO(raw), budgets.HEADER_BYTES)
    return shape, fortran, dtype


def _check_text(array: np.ndarray, source: str) -> None:
    """Numpy keeps four bytes a character, which may be none."""
    codes = np.frombuffer(array.astype(array.dtype.newbyteorder("=")).tobytes(), dtype=np.uint32)
    if codes.size and (codes.max() > 0x10FFFF or ((codes >= 0xD800) & (codes <= 0xDFFF)).any()):
        raise InputError(f"{source}: holds characters that no text can have")
