"""`prosepose fit`: scenes and answers become fits, metrics, pictures and a report.

  prosepose fit --config=configs/two_person.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

--config takes a path or the name of a packaged config: two_person, self_contact, heuristic,
parity_two_person, parity_self_contact, buddi, buddi_answers, two_person_prior. Any field is set with
--config.a.b=value, for example --config.body.path=SMPLX_NEUTRAL.npz or --config.stage1.steps=200. Without --answers
every scene takes the fallback. A stopped run goes on where it was when started again with the same --workdir.
--shard_index and --shard_count make it one of many, and SCENES, ANSWERS and DIR may be URLs (s3://, gs://):
docs/scaling.md. --config.batch_size=auto takes the free memory as its measure. docs/fit.md explains every field.
Exit status: 0 all scenes done, 1 some failed (named on stderr), 2 bad usage or an unusable body, config
or answers file, 3 the system refused (a full disk), 130, 143, 129 stopped by Ctrl-C, SIGTERM, SIGHUP.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags
from ml_collections import ConfigDict

from prosepose_jax.apps._dividing import (
    check_positive,
    define_run_flags,
    define_shard_flags,
    needs_blocks,
    shard_from_flags,
    start_distributed,
)
from prosepose_jax.apps._ray_cluster import cluster_from_flags, leave_devices_alone
from prosepose_jax.apps._usage import run_verb_with_config, take_auto
from prosepose_jax.errors import InputError
from prosepose_jax.scale.shard import Shard

if TYPE_CHECKING:
    from prosepose_jax.io.image_paths import ImageRule


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string("scenes", None, "folder of scene files (<key>.npz) or of tars of them", flag_values=values)
    flags.DEFINE_string("answers", None, "answers, .json or .jsonl; none: every scene falls back", flag_values=values)
    flags.DEFINE_string("workdir", None, "folder of the run", flag_values=values)
    flags.DEFINE_bool("pictures", True, "write renders and meshes", flag_values=values)
    flags.DEFINE_string("image_root", None, "folder that may hold images besides the scenes' own", flag_values=values)
    flags.DEFINE_bool("allow_outside_images", False, "draw images from anywhere", flag_values=values)
    define_shard_flags(values)
    define_run_flags(values)
    flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    argv, automatic = take_auto(argv)
    values = _flags()

    def run_fit(config: ConfigDict) -> int:
        for name, what in (("scenes", "a folder of scene files"), ("workdir", "a folder for the run")):
            if not values[name].value:
                raise InputError(f"--{name} is missing, expected {what}")
        check_positive(values, "block_scenes", "lease_s", "ray_actors")
        # Late: usage errors need no JAX.
        from prosepose_jax.apps._runtime import set_up_jax
        from prosepose_jax.io.image_paths import image_rule

        process = start_distributed() if values["distributed"].value else None
        on_ray = cluster_from_flags(values) is not None
        shard = None if on_ray else shard_from_flags(values, process)
        if on_ray:
            leave_devices_alone()
        set_up_jax()
        images = image_rule(values.image_root, values.allow_outside_images)
        blocks = on_ray or values["results"].value or needs_blocks(values.scenes, values.workdir)
        if blocks or (shard is not None and shard.count > 1):
            return _fit_divided(values, config, shard, images, automatic)
        from prosepose_jax.apps._run import run
        from prosepose_jax.io import load_scenes
        from prosepose_jax.scale.sources import answers_at

        answers = answers_at(values.answers)
        scenes = load_scenes(values.scenes, images)
        return run([config], scenes, answers, Path(values.workdir), values.pictures, automatic)

    about = "config file or packaged name"
    return run_verb_with_config("fit", __doc__, values, argv, run_fit, default="two_person", about=about)


def _fit_divided(
    values: flags.FlagValues, config: ConfigDict, shard: Shard | None, images: ImageRule, automatic: bool
) -> int:
    """One shard; or, of a run that is not divided, all blocks and what `prosepose merge` makes of them."""
    from prosepose_jax.apps._blocks import Job
    from prosepose_jax.apps._merging import merge
    from prosepose_jax.apps._shards import run_shard
    from prosepose_jax.scale.crew import LEASE_S

    job = Job(
        configs=(config,), scenes=values.scenes, answers=values.answers, workdir=values.workdir, images=images,
        pictures=values.pictures if values["pictures"].present or not values.pictures else None,
        automatic_batch=automatic, container=values["results"].value or "",
    )  # fmt: skip
    lease_s = values["lease_s"].value or LEASE_S
    cluster = cluster_from_flags(values)
    if cluster is not None:
        from prosepose_jax.apps._ray import RayOptions, run_on_ray

        run_on_ray(job, RayOptions(cluster, values["block_scenes"].value, lease_s))
        return merge([values.workdir], scenes=values.scenes)
    whole = shard is None or shard.count == 1
    status = run_shard(
        job, shard or Shard(0, 1), values["block_scenes"].value, lease_s, alone=whole, together=values.distributed
    )
    return merge([values.workdir], scenes=values.scenes) if whole else status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
