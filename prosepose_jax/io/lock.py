"""What a folder is a folder of, kept in a JSON file of its own, so that different runs don't mix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import read_json


def read_lock(file: Path, what: str) -> Any:
    """The JSON of a lock file.

    Args:
      file: the lock file.
      what: it should be the JSON of, for the error message.

    Raises:
      InputError: the file cannot be read or is not JSON.
    """
    try:
        return read_json(file)
    except InputError as error:
        raise InputError(f"{file}: not the JSON of {what} ({error})") from None


def read_known(file: Path) -> dict[str, Any]:
    """What an earlier run noted in a JSON file; empty when there is nothing that can be read."""
    try:
        known = read_json(file)
    except InputError:
        return {}
    return known if isinstance(known, dict) else {}
