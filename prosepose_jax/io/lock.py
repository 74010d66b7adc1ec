"""What a folder is a folder of, kept in a JSON file of its own, so that different runs don't mix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prosepose_jax.errors import InputError


def read_lock(file: Path, what: str) -> Any:
    """The JSON of a lock file.

    Args:
      file: the lock file.
      what: it should be the JSON of, for the error message.

    Raises:
      InputError: the file cannot be read or is not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not the JSON of {what} ({error})") from None


def read_known(file: Path) -> dict[str, Any]:
    """What an earlier run noted in a JSON file; empty when there is nothing that can be read."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
