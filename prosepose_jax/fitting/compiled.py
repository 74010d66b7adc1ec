"""Compiled programs: one per function, array shapes and settings in a process, let go of before they are too many.

On a CPU every small kernel of a program takes three memory maps of the process; a stage has about two thousand. Linux
gives a process 65,530 of them, and XLA ends the process when they run out: after some 30 stages, which a folder of
many array shapes meets. So programs are forgotten when they hold half of the maps. One that is needed again comes
from JAX's persistent cache where the command line keeps it.

Compiling takes up to half a minute in which nothing else happens, so whoever `watch`es is told of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from prosepose_jax.body.model import BodyParams

_MOST_SHARE = 0.5
_PROGRAMS: dict[Hashable, Any] = {}
_LOCK = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Compilation:
    """A program that is being made, or has been.

    Attributes:
      program: name of the function.
      people: scenes and people of its arrays; () where it has none.
      seconds: that it took, tracing included; None: it has only begun.
      cached: whether it came from JAX's persistent cache; False as long as it has only begun.
    """

    program: str
    people: tuple[int, ...]
    seconds: float | None = None
    cached: bool = False


_WATCHERS: list[Callable[[Compilation], None]] = []


@contextlib.contextmanager
def watch(watcher: Callable[[Compilation], None]) -> Iterator[None]:
    """Within the block the watcher is told when a program is begun and when it is there; it must compile nothing."""
    _WATCHERS.append(watcher)
    try:
        yield
    finally:
        _WATCHERS.remove(watcher)


class _CacheHits(threading.local):
    """Programs that this thread has had from the persistent cache."""

    count = 0


_HITS = _CacheHits()


def _count_hits(event: str, **_: Any) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        _HITS.count += 1


jax.monitoring.register_event_listener(_count_hits)


def compiled(function: Any, device: jax.Device, args: tuple[Any, ...], static: dict[str, Any]) -> tuple[Any, bool]:
    """A jitted function compiled ahead of time for these arguments.

    Args:
      function: from `jax.jit`.
      device: where the program runs.
      args: arrays or pytrees of arrays; only their shapes and types matter.
      static: the function's static arguments, hashable.

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
        begin, hits = time.monotonic(), _HITS.count
        people = next((x.transl.shape[:-1] for x in args if isinstance(x, BodyParams)), ())
        event = Compilation(function.__name__, people)
        _tell(event)
        # Full float32 products, also on GPUs and TPUs, whose default has fewer digits.
        with jax.default_device(device), jax.default_matmul_precision("highest"):
            program = _PROGRAMS[signature] = function.lower(*args, **static).compile(_options(device.platform))
        _tell(dataclasses.replace(event, seconds=time.monotonic() - begin, cached=_HITS.count > hits))
        return program, True


# Our programs are many small kernels, which XLA's newer emitters of fused loops compile half as fast again, and the
# machine code is no faster.
_CPU_OPTIONS: dict[str, str | bool] = {"xla_cpu_use_fusion_emitters": False}


@functools.cache
def _options(platform: str) -> dict[str, str | bool] | None:
    """What the compiler is told; nothing where this jaxlib does not know it."""
    if platform != "cpu":
        return None
    try:
        jax.jit(lambda x: x).lower(0.0).compile(_CPU_OPTIONS)
    except jax.errors.JaxRuntimeError:
        return None
    return _CPU_OPTIONS


def _tell(event: Compilation) -> None:
    for watcher in list(_WATCHERS):
        watcher(event)


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
