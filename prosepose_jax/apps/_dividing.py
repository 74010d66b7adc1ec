"""Flags of verbs that may be one of many: which shard they are, how the run is cut, where its fits go."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from absl import flags

from prosepose_jax.apps._ray_cluster import define_ray_flags
from prosepose_jax.errors import InputError
from prosepose_jax.scale.shard import Shard, find_shard


def define_shard_flags(values: flags.FlagValues) -> None:
    """--shard_index and --shard_count."""
    flags.DEFINE_integer("shard_index", None, "part of the run, from 0; default: the scheduler's", flag_values=values)
    flags.DEFINE_integer("shard_count", None, "parts of the run; 1: not divided", flag_values=values)


def define_run_flags(values: flags.FlagValues) -> None:
    """Further flags of a divided fit."""
    define_ray_flags(values)
    flags.DEFINE_bool("distributed", False, "start jax.distributed; its process is the shard", flag_values=values)
    flags.DEFINE_integer("block_scenes", None, "scenes that a worker takes at once (64)", flag_values=values)
    flags.DEFINE_float("lease_s", None, "seconds of silence after which a worker is dead (60)", flag_values=values)
    flags.DEFINE_enum(
        "results",
        None,
        ["files", "tar"],
        "a file a fit or a tar a block; default: as the scenes are",
        flag_values=values,
    )


def start_distributed() -> tuple[int, int]:
    """Starts `jax.distributed`; returns this process's index and how many there are.

    On a TPU slice, under SLURM and in other clusters that JAX knows it finds everything by itself. Elsewhere
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID say it.

    Raises:
      InputError: it cannot be started.
    """
    import jax

    def number(name: str) -> int | None:
        return int(os.environ[name]) if os.environ.get(name) else None

    try:
        jax.distributed.initialize(
            coordinator_address=os.environ.get("JAX_COORDINATOR_ADDRESS"),
            num_processes=number("JAX_NUM_PROCESSES"),
            process_id=number("JAX_PROCESS_ID"),
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"--distributed: jax.distributed does not start: {str(error).splitlines()[0]}") from None
    return jax.process_index(), jax.process_count()


def shard_from_flags(values: flags.FlagValues, process: tuple[int, int] | None = None) -> Shard | None:
    """The shard that the flags or the scheduler name, said on stderr; None: the run is not divided.

    Raises:
      InputError: what they say does not fit together.
    """
    shard = find_shard(values["shard_index"].value, values["shard_count"].value, os.environ, process)
    if shard is not None and shard.count > 1:
        print(f"shard {shard.index} of {shard.count}, by {shard.told_by}", file=sys.stderr)
    return shard


def shard_file(file: str, shard: Shard) -> str:
    """A shard's own file beside the one that was named: `answers-00003-of-00016.jsonl`."""
    path = Path(file)
    return str(path.with_name(f"{path.stem}-{shard.index:05d}-of-{shard.count:05d}{path.suffix}"))


def needs_blocks(scenes: str, workdir: str) -> bool:
    """Whether a run that nobody divided is worked on in blocks all the same.

    It is when its scenes or results are no plain files, or its folder is that of a divided run.
    """
    # Late: --help and usage errors need none of it.
    from prosepose_jax.scale.sources import holds_tars, is_elsewhere
    from prosepose_jax.storage import is_url, local_path

    if is_elsewhere(scenes) or is_url(workdir):
        return True
    folder = local_path(workdir)
    return holds_tars(Path(scenes)) or (folder is not None and (folder / "shards" / "run.json").is_file())


def check_positive(values: flags.FlagValues, *names: str) -> None:
    """Raises InputError for a number that must be positive and is not."""
    for name in names:
        value = values[name].value
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name}={value}: expected a positive number")
