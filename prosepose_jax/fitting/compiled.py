"""Compiled programs: one per function, array shapes and settings in a process, let go of before they are too many.

On a CPU every small kernel of a program takes three memory maps of the process; a stage has about two thousand. Linux
gives a process 65,530 of them, and XLA ends the process when they run out: after some 30 stages, which a folder of
many array shapes meets. So programs are forgotten when they hold half of the maps. One that is needed again comes
from JAX's persistent cache where the command line keeps it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import jax
import numpy as np

_MOST_SHARE = 0.5
_PROGRAMS: dict[Hashable, Any] = {}
_LOCK = threading.Lock()


def compiled(
    function: Any,
    device: jax.Device,
    args: tuple[Any, ...],
    static: dict[str, Any],
    on_compile: Callable[[str], object] | None = None,
) -> tuple[Any, bool]:
    """A jitted function compiled ahead of time for these arguments.

    Args:
      function: from `jax.jit`.
      device: where the program runs.
      args: arrays or pytrees of arrays; only their shapes and types matter.
      static: the function's static arguments, hashable.
      on_compile: is told the function's name before it is compiled.

    Returns:
      What can be called with such `args`, and whether it was compiled just now.
    """
    leaves, tree = jax.tree.flatten(args)
    signature = (function, device, tree, tuple((np.shape(x), x.dtype) for x in leaves), *static.items())
    with _LOCK:
        program = _PROGRAMS.get(signature)
        if program is not None:
            return program, False
        if share_of_maps() > _MOST_SHARE:
            _forget()
        if on_compile is not None:
            on_compile(function.__name__)
        # Full float32 products, also on GPUs and TPUs, whose default has fewer digits.
        with jax.default_device(device), jax.default_matmul_precision("highest"):
            program = _PROGRAMS[signature] = function.lower(*args, **static).compile()
        return program, True


def signatures() -> list[tuple[Any, ...]]:
    """What there are programs for: function, device, and so on, oldest first."""
    with _LOCK:
        return list(_PROGRAMS)  # type: ignore[arg-type]


def forget_compiled() -> None:
    """Lets go of all programs of this process, those that JAX keeps by itself included."""
    with _LOCK:
        _forget()


def _forget() -> None:
    _PROGRAMS.clear()
    jax.clear_caches()  # JAX holds on to what was compiled ahead of time, too
    gc.collect()


def share_of_maps() -> float:
    """Memory maps of this process as a share of what the system allows; 0 where nobody counts them."""
    try:
        limit = int(Path("/proc/sys/vm/max_map_count").read_bytes())
        return Path("/proc/self/maps").read_bytes().count(b"\n") / limit
    except (OSError, ValueError):
        return 0.0
