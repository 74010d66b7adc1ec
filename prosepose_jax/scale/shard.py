"""Which part of a run this process does: as its flags say, else as its scheduler does."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import shown


@dataclasses.dataclass(frozen=True)
class Shard:
    """One part of a run.

    Attributes:
      index: from 0.
      count: parts in all.
      told_by: who said so, for people.
    """

    index: int
    count: int
    told_by: str = "--shard_index"

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"shard count {self.count} (from {self.told_by}): expected 1 or more")
        if not 0 <= self.index < self.count:
            raise InputError(f"shard index {self.index} (from {self.told_by}): expected 0 to {self.count - 1}")


def find_shard(
    index: int | None, count: int | None, environ: Mapping[str, str], process: tuple[int, int] | None = None
) -> Shard | None:
    """The shard of this process; None: the run is not divided.

    The first that says something counts: the flags, `jax.distributed`, a SLURM array, a Kubernetes indexed job. A
    count of 1 turns all of it off.

    Args:
      index: of --shard_index.
      count: of --shard_count; with a scheduler's index it may stand alone.
      environ: the environment's variables.
      process: index and number of processes of `jax.distributed`, where it is in use.

    Raises:
      InputError: an index without a count, or numbers that don't belong together.
    """
    if index is not None:
        if count is None:
            raise InputError("--shard_index needs --shard_count, into how many parts the run is divided")
        return Shard(index, count)
    if count == 1:
        return Shard(0, 1, "--shard_count")
    found = _of_process(process) or _of_slurm(environ, count) or _of_kubernetes(environ, count)
    if found is None and count is not None:
        raise InputError(
            f"--shard_count={count} needs --shard_index: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set, "
            "and jax.distributed is not in use"
        )
    if found is not None and count is not None and found.count != count:
        raise InputError(f"--shard_count={count}, but {found.told_by} says {found.count}")
    return found


def shard_of_key(key: str, count: int) -> int:
    """To which of `count` shards a scene belongs, by its key alone, where every scene is by itself."""
    return zlib.crc32(key.encode("utf-8", "surrogateescape")) % count


def _of_process(process: tuple[int, int] | None) -> Shard | None:
    return None if process is None else Shard(*process, "jax.distributed")


def _of_slurm(environ: Mapping[str, str], count: int | None) -> Shard | None:
    if not environ.get("SLURM_ARRAY_TASK_ID"):
        return None
    task = _number(environ, "SLURM_ARRAY_TASK_ID")
    # An array may begin anywhere and leave numbers out: --array=10-40:10 has four tasks.
    first = _number(environ, "SLURM_ARRAY_TASK_MIN", 0)
    step = max(1, _number(environ, "SLURM_ARRAY_TASK_STEP", 1))
    tasks = _number(environ, "SLURM_ARRAY_TASK_COUNT", 0) or count
    if not tasks:
        raise InputError("SLURM_ARRAY_TASK_ID is set but SLURM_ARRAY_TASK_COUNT is not; say --shard_count")
    last = _number(environ, "SLURM_ARRAY_TASK_MAX", first + (tasks - 1) * step)
    if (last - first) // step + 1 > tasks:
        raise InputError(
            f"SLURM_ARRAY_TASK_ID={task}: the array's numbers from {first} to {last} have gaps; expected an array like "
            f"--array=0-{tasks - 1}, or --shard_index and --shard_count"
        )
    return Shard((task - first) // step, tasks, "SLURM_ARRAY_TASK_ID")


def _of_kubernetes(environ: Mapping[str, str], count: int | None) -> Shard | None:
    if not environ.get("JOB_COMPLETION_INDEX"):
        return None
    index = _number(environ, "JOB_COMPLETION_INDEX")
    if count is None:
        raise InputError(
            "JOB_COMPLETION_INDEX is set, and Kubernetes does not say how many completions the job has: say "
            "--shard_count (1 for a run that is not divided)"
        )
    return Shard(index, count, "JOB_COMPLETION_INDEX")


def _number(environ: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environ.get(name, "")
    if not text and default is not None:
        return default
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name}={shown(text)}: expected a whole number") from None
