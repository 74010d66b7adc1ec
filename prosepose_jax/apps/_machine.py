"""What a run was made with: versions, device, revision; every run.json begins with it."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

_PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy", "ml-collections", "absl-py", "pillow")


def machine_info() -> dict[str, Any]:
    """Versions, platform, device and git revision as plain values."""
    import jax

    from prosepose_jax import __version__

    return {
        "prosepose_jax": __version__,
        "git_revision": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "backend": jax.default_backend(),
    }


def _git_revision() -> str | None:
    """The checkout's revision; None for an installed package."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():  # an installed package may lie inside somebody else's repository
        return None
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
