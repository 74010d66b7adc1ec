"""`prosepose merge DIR`: what the shards of a run wrote becomes one metrics.json, report.html and run.json.

  prosepose merge DIR                    the run that several workers wrote to, a folder or URL
  prosepose merge DIR1 DIR2 --out=OUT    runs in places of their own, divided or not, brought together

May be called again at any time; memory does not grow with the number of scenes. docs/scaling.md tells more.
Exit status: 0 all scenes are there, 1 some failed or blocks are missing (named on stderr), 2 bad usage or no run there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import flags

from prosepose_jax.apps._run_body import define_body_flag
from prosepose_jax.apps._usage import run_verb
from prosepose_jax.errors import InputError

FLAGS = flags.FlagValues()
flags.DEFINE_multi_string("run", [], "a run's folder or URL; or the first arguments", flag_values=FLAGS)
flags.DEFINE_string("out", None, "a new place for several runs together", flag_values=FLAGS)
flags.DEFINE_string("scenes", None, "where the run's scenes are now; default: where they were", flag_values=FLAGS)
flags.DEFINE_integer(
    "report_scenes", 200, "scenes that the report shows, evenly chosen where there are more; 0: no report",
    flag_values=FLAGS,
)  # fmt: skip
define_body_flag(FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    argv = [*argv[:1], *(arg if arg.startswith("-") else f"--run={arg}" for arg in argv[1:])]
    return run_verb("merge", __doc__, FLAGS, argv, _run)


def _run() -> int:
    if not FLAGS.run:
        raise InputError("the run is missing: prosepose merge DIR")
    if FLAGS.report_scenes < 0:
        raise InputError(f"--report_scenes={FLAGS.report_scenes}: expected 0 or more")
    # Late: --help and usage errors need no JAX.
    from prosepose_jax.apps._runtime import set_up_jax

    set_up_jax()
    from prosepose_jax.apps._merging import merge

    return merge(FLAGS.run, FLAGS.out, FLAGS.scenes, FLAGS.report_scenes, FLAGS.body)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
