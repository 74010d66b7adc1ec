"""Whether other processes of this machine still run."""

from __future__ import annotations

import os


def process_is_gone(pid: object) -> bool:
    """Whether this machine has no process of that id; False where it cannot be told."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
