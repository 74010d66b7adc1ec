"""`prosepose unpack`: tars of scenes, or of a run's fits, become single files again.

  prosepose unpack DIR --out=OUT     scenes: OUT/<key>.npz, pictures, answers.json; of a run: OUT/fits/<key>.npz, …

DIR is a folder or URL of tars, or a run's folder whose fits are in tars.
Exit status: 0 all files are written, 1 nothing was found, 2 bad usage or an unusable input.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from prosepose_jax.apps._run_body import with_folder_first
from prosepose_jax.apps._usage import run_verb
from prosepose_jax.errors import InputError

FLAGS = flags.FlagValues()
flags.DEFINE_string("tars", None, "the folder or URL; or the first argument", flag_values=FLAGS)
flags.DEFINE_string("out", None, "the folder for the files", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("unpack", __doc__, FLAGS, with_folder_first(argv, "tars"), _run)


def _run() -> int:
    from prosepose_jax.scale.packing import unpack_run, unpack_scenes
    from prosepose_jax.storage import open_store

    if not FLAGS.tars or not FLAGS.out:
        raise InputError("expected prosepose unpack DIR --out=OUT")
    store, out = open_store(FLAGS.tars), Path(FLAGS.out)
    of_run = store.known_json("shards/run.json").get("container") == "tar"
    names = {name: entry.size for name, entry in store.list().items() if name.endswith(".tar") and "/" not in name}
    if not names and not of_run:
        raise InputError(f"{store.root}: no tars there, and no run whose fits are in tars")
    count = sum(1 for _ in (unpack_run(store, out) if of_run else unpack_scenes(store, names, out)))
    print(f"{count} scenes written: {out}")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
