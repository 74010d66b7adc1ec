"""`prosepose demo`: the main job on the packaged scenes and recorded answers.

  prosepose demo --workdir=DIR

Fits the packaged two-person and self-contact scenes on the embedded free body, with their recorded
(simulated) answers and without, and writes fits, metrics, pictures and report.html to DIR. Needs no
network and no licensed file. A stopped run goes on where it was.
Exit status: 0 all scenes done, 1 some failed, 2 bad usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from prosepose_jax.apps._usage import run_verb
from prosepose_jax.errors import InputError


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string("workdir", None, "folder of the run", flag_values=values)
    flags.DEFINE_bool("pictures", True, "write renders and meshes", flag_values=values)
    flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    values = _flags()

    def run_demo() -> int:
        if not values.workdir:
            raise InputError("--workdir is missing, expected a folder for the run")
        from prosepose_jax.apps._runtime import set_up_jax

        set_up_jax()
        from prosepose_jax.apps._run import run
        from prosepose_jax.config import load_config
        from prosepose_jax.io import load_answers, load_scenes
        from prosepose_jax.resources import demo_dir

        configs = [load_config("two_person"), load_config("self_contact")]
        for config in configs:
            config.no_answers = True
        scenes = load_scenes(demo_dir() / "scenes")
        answers = load_answers(demo_dir() / "answers.json")
        return run(configs, scenes, answers, Path(values.workdir), values.pictures)

    return run_verb("demo", __doc__, values, argv, run_demo)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
