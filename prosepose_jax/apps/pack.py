"""`prosepose pack`: a folder of scene files becomes tars of a thousand scenes each, as WebDataset has them.

  prosepose pack --scenes=SCENES --out=OUT [--answers=ANSWERS]     OUT is a folder or URL
  prosepose fit --scenes=OUT …                                     reads them as they are

A scene's answers and picture stand beside it. An index beside each tar says where everything is.
Exit status: 0 all scenes are packed, 1 some could not be read (named on stderr), 2 bad usage or an unusable input.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError

FLAGS = flags.FlagValues()
flags.DEFINE_string("scenes", None, "folder of scene files (<key>.npz)", flag_values=FLAGS)
flags.DEFINE_string("answers", None, "answers, .json or .jsonl, to go beside the scenes", flag_values=FLAGS)
flags.DEFINE_string("out", None, "a new folder or URL for the tars", flag_values=FLAGS)
flags.DEFINE_integer("scenes_per_tar", 1000, "scenes of a tar, at most", flag_values=FLAGS)
flags.DEFINE_bool("pictures", True, "pack the photographs too", flag_values=FLAGS)
flags.DEFINE_string("image_root", None, "folder that may hold images besides the scenes' own", flag_values=FLAGS)
flags.DEFINE_bool("allow_outside_images", False, "pack images from anywhere", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("pack", __doc__, FLAGS, argv, _run)


def _run() -> int:
    from prosepose_jax.apps._progress import Progress
    from prosepose_jax.io.image_paths import image_rule
    from prosepose_jax.io.scenes import scene_files
    from prosepose_jax.scale.packing import pack
    from prosepose_jax.scale.sources import answers_at
    from prosepose_jax.storage import open_store

    for name, what in (("scenes", "the folder of scene files"), ("out", "where the tars go")):
        if not FLAGS[name].value:
            raise InputError(f"--{name} is missing: {what}")
    if FLAGS.scenes_per_tar < 1:
        raise InputError(f"--scenes_per_tar={FLAGS.scenes_per_tar}: expected 1 or more")
    out = open_store(FLAGS.out)
    if any(name.endswith(".tar") for name in out.list()):
        raise InputError(f"{out.root}: holds tars already; expected a new place")
    images = image_rule(FLAGS.image_root, FLAGS.allow_outside_images)
    answers = answers_at(FLAGS.answers)
    failures: dict[str, str] = {}
    folder = Path(FLAGS.scenes)
    total = len(scene_files(folder))
    with Progress(total, "pack") as progress:
        for key, problem in pack(folder, out, answers, FLAGS.pictures, images, FLAGS.scenes_per_tar):
            if problem:
                failures[key] = problem
            progress.step()
    print(f"{total - len(failures)} of {total} scenes packed: {out.root}")
    say_failures(failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
