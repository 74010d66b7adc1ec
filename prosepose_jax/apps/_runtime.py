"""What every verb that computes sets up once: JAX's devices and its compilation cache."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

from prosepose_jax.body import cache_dir
from prosepose_jax.errors import InputError

_PROBE_LIMIT_S = 120.0


def set_up_jax() -> None:
    """Finds JAX's devices and keeps compiled programs between runs.

    They are kept where $JAX_COMPILATION_CACHE_DIR says, and not at all where it is "" or no folder can be made there.

    Raises:
      InputError: JAX cannot start as the environment says (JAX_PLATFORMS, XLA_FLAGS, …).
    """
    _check_xla_flags(os.environ.get("XLA_FLAGS", "").strip())
    import jax

    _set_up_cache()
    try:
        jax.block_until_ready(jax.numpy.zeros(()))
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0][:300]
        given = "".join(f" {name}={os.environ[name]}" for name in _DEVICE_VARIABLES if os.environ.get(name))
        hint = f"; set in the environment:{given}" if given else ""
        raise InputError(f"JAX finds no device to compute on: {reason}{hint}") from error


_DEVICE_VARIABLES = (
    "JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_DEFAULT_DEVICE", "JAX_NUM_CPU_DEVICES", "CUDA_VISIBLE_DEVICES",
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
)  # fmt: skip


@functools.cache
def _check_xla_flags(given: str) -> None:
    """Raises InputError for XLA_FLAGS that XLA does not know: it would end this process without a word to the user."""
    if not given:
        return
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import jax; jax.devices()"],
            env={**os.environ, "XLA_FLAGS": given, "JAX_PLATFORMS": "cpu"},
            capture_output=True, text=True, errors="replace", timeout=_PROBE_LIMIT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return  # not to be found out here
    if done.returncode:
        lines = done.stderr.splitlines() or [f"exit status {done.returncode}"]
        line = next((line for line in lines if "XLA_FLAGS" in line), lines[-1])
        raise InputError(f"XLA_FLAGS={given}: {line.partition('] ')[2] or line}")


def _set_up_cache() -> None:
    import jax

    given = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    folder = str(cache_dir() / "jax") if given is None else given
    if folder and "://" not in folder:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK)
        except (OSError, ValueError):
            writable = False
        if not writable:
            print(f"note: compiled programs are not kept, {folder} is no folder to write to", file=sys.stderr)
            folder = ""
    if given is None or folder != given:
        jax.config.update("jax_compilation_cache_dir", folder or None)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
