"""Fits in batches that the device's memory holds: chosen before, made smaller when it does not.

The fit itself knows nothing of it: what did not come back is given to a new `Fitter` with half the batch.
"""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from prosepose_jax.fitting import FitSettings, Fitter
from prosepose_jax.fitting.fit import Timing
from prosepose_jax.scene import Answer, Fit, Scene

# benchmarks/memory.py: 1 GiB and 6.4 MiB a slot above the start, on the embedded body; twice that is set aside.
_FIXED_BYTES = 2 << 30
_BYTES_PER_SLOT_AND_VERTEX = 1300
_MOST_ON_CPU, _MOST = 16, 256  # beyond, a batch only takes longer to begin
_CALLS_PER_BATCH = 4


def free_bytes(device: Any) -> int | None:
    """Memory that the device, or the machine where it is a CPU, has left; None when nobody says."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0))
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def automatic_batch(free: int | None, num_vertices: int, on_cpu: bool) -> int:
    """The largest power of two of slots that half the free memory holds.

    Args:
      free: bytes; None: unknown, which gives the most that a CPU uses well.
      num_vertices: of the body.
      on_cpu: whether the device is a CPU.
    """
    most = _MOST_ON_CPU if on_cpu else _MOST
    if free is None:
        return _MOST_ON_CPU
    slots = (free // 2 - _FIXED_BYTES) // (_BYTES_PER_SLOT_AND_VERTEX * num_vertices)
    size = 1
    while size * 2 <= min(slots, most):
        size *= 2
    return size


def with_batch(settings: FitSettings, size: int) -> FitSettings:
    """Settings with `size` slots and a few times as many scenes a call."""
    return dataclasses.replace(settings, batch_size=size, scenes_per_call=_CALLS_PER_BATCH * size)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device or the machine has no memory left."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("resource_exhausted" in text or "out of memory" in text)


class PatientFitter:
    """A `Fitter` that goes on with smaller batches when memory runs out.

    Attributes:
      settings: those in use; the batch may have become smaller.
      timing: of all its fitters together.
      on_compile: is told what is about to be compiled.
    """

    def __init__(self, make: Callable[[FitSettings], Fitter], settings: FitSettings, say: Callable[[str], None]):
        """
        Args:
          make: a fitter with the given settings.
          settings: to begin with.
          say: is told when a batch becomes smaller.
        """
        self.settings, self.timing = settings, Timing()
        self.on_compile: Callable[[str], object] | None = None
        self._make, self._say = make, say
        self._fitter: Fitter | None = None

    def fit(self, scenes: Sequence[Scene], answers: Callable[[str], Sequence[Answer]], variant: str) -> Iterator[Fit]:
        """As `Fitter.fit`. A scene for which memory does not even suffice alone fails by name."""
        left = {scene.key: scene for scene in scenes}
        while left:
            try:
                for fit in self._current().fit(list(left.values()), answers, variant):
                    left.pop(fit.key, None)
                    yield fit
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._fitter = None  # its copy of the body too
            gc.collect()
            if self.settings.batch_size == 1 and self.settings.scenes_per_call == 1:
                break
            self._shrink()
        for scene in left.values():
            try:
                yield from self._current().fit([scene], answers, variant)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                status = "failed: the device has not enough memory for this scene alone"
                yield Fit(key=scene.key, status=status, variant=variant)

    def _current(self) -> Fitter:
        if self._fitter is None:
            self._fitter = self._make(self.settings)
            self._fitter.timing = self.timing
        self._fitter.on_compile = self.on_compile
        return self._fitter

    def _shrink(self) -> None:
        old = self.settings
        size = max(1, old.batch_size // 2)
        per_call = 1 if old.batch_size == 1 else max(size, old.scenes_per_call // 2)
        self.settings = dataclasses.replace(old, batch_size=size, scenes_per_call=per_call)
        self._say(
            f"the device ran out of memory with batch_size {old.batch_size}: going on with {size} "
            f"({jax.devices()[0].device_kind})"
        )
