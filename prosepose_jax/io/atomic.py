"""Writing files so that no half-written one is ever seen under its final name.

Each writer fills a temporary file in the same folder and moves it into place with `os.replace`.
Temporary names start with a dot and end in `.tmp`: a reader that looks for `*.npz` never meets one,
and what a killed process leaves behind does no harm until `remove_temporaries` takes it away.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from prosepose_jax.io._processes import process_is_gone


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file to write that appears at `path` only when the block ends without an error.

    Missing parent folders are made. When the block raises, the temporary file is removed and an older
    file at `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        # "x": never follow or overwrite something that is already there.
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


_TEMPORARY = re.compile(r"\.(.+)\.(\d+)-[0-9a-f]{8}\.tmp")
_DEEPEST = 2  # a run's files lie in its folder and in folders of it, a sweep's one deeper


def remove_temporaries(folder: str | os.PathLike[str]) -> int:
    """Removes what killed processes left of half-written files in a folder.

    Those of other processes that still run are spared: an evaluation, which claims nothing, may write for hours.

    Args:
      folder: of a run; hidden folders and those more than two levels below are left alone.

    Returns:
      How many files were removed.
    """
    folder = Path(folder)
    removed = 0
    for root, below, files in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        below[:] = [] if depth >= _DEEPEST else [name for name in below if not name.startswith(".")]
        for name in files:
            found = _TEMPORARY.fullmatch(name)
            if found and (int(found[2]) == os.getpid() or process_is_gone(int(found[2]))):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(root, name))
                    removed += 1
    return removed


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` to `path` in one step."""
    with atomic_file(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` to `path` as UTF-8 in one step; what UTF-8 cannot hold (a lone surrogate) becomes "?"."""
    write_bytes(path, text.encode("utf-8", errors="replace"))


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = 2) -> None:
    """Writes `value` as strict JSON in one step (a NaN is an error: it would not be JSON)."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Writes arrays as an `.npz` in one step.

    Raises:
      TypeError: an array has dtype object, which could only be read back by unpickling.
    """
    checked = {name: np.asarray(value) for name, value in arrays.items()}
    for name, array in checked.items():
        if array.dtype.hasobject:
            raise TypeError(f"{path}: field {name!r} has dtype object and cannot be stored without pickle")
    with atomic_file(path) as file:
        np.savez(file, **checked)  # type: ignore[arg-type]  # the names are fields, none is an option of savez
