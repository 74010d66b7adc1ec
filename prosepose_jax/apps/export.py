"""`prosepose export`: fits to other programs: meshes, skinned bodies with their skeleton, motions (docs/export.md).

  prosepose export DIR --format=glb            skinned, with skeleton: Blender, game engines, viewers
  prosepose export DIR --format=obj,ply,bvh    several at once
  prosepose export DIR --format=npz --scenes=SCENES   SMPL-X parameters; hands and face come from the scenes

Files go to DIR/exports/FORMAT/. Metres, y up (amass: z up).
Exit status: 0 all exported, 1 some failed (named on stderr), 2 bad usage or an unusable input.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from prosepose_jax.apps._run_body import body_files, define_body_flag, run_config, run_folder, with_folder_first
from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError

FLAGS = flags.FlagValues()
flags.DEFINE_string("fits", None, "the folder of the run; or its first argument", flag_values=FLAGS)
flags.DEFINE_list("format", ["glb"], "of glb, usd, obj, ply, bvh, npz, amass; several with commas", flag_values=FLAGS)
flags.DEFINE_string("out", None, "where the files go; default: exports/FORMAT in the run's folder", flag_values=FLAGS)
flags.DEFINE_string("scenes", None, "the run's scenes, where they hold hands or faces", flag_values=FLAGS)
define_body_flag(FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    argv = with_folder_first(argv)
    return run_verb("export", __doc__, FLAGS, argv, _run)


def _run() -> int:
    # Late: --help and usage errors need no JAX.
    from prosepose_jax.apps._progress import Progress
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.exporting import FORMATS, export_scene, posed_people
    from prosepose_jax.io import load_fits, load_scenes
    from prosepose_jax.io.scenes import SceneSet

    if not FLAGS.fits:
        raise InputError("the folder of the run is missing: prosepose export DIR --format=glb")
    unknown = [name for name in FLAGS.format if name not in FORMATS]
    if unknown or not FLAGS.format:
        raise InputError(f"--format: expected some of {', '.join(FORMATS)}, found {', '.join(unknown) or 'none'}")
    folder = run_folder(FLAGS.fits)
    fits = load_fits(FLAGS.fits)
    set_up_jax()
    found = load_scenes(FLAGS.scenes) if FLAGS.scenes else SceneSet(())
    scenes = {scene.key: scene for scene in found}
    body = load_body(**body_files(run_config(folder), FLAGS.body))
    failures: dict[str, str] = {}
    with Progress(len(fits), "export") as progress:
        for key, fit in fits.items():
            try:
                if key in found.failures:
                    raise InputError(f"its scene cannot be read: {found.failures[key]}")
                people = posed_people(body, fit, scenes.get(key))
                for name in FLAGS.format:
                    out = Path(FLAGS.out) if FLAGS.out else folder / "exports" / name
                    if FLAGS.out and len(FLAGS.format) > 1:
                        out /= name
                    export_scene(out, key, people, name)
            except InputError as error:
                failures[key] = str(error).removeprefix(f"{key}: ")
            progress.step()
    print(f"{len(fits) - len(failures)} of {len(fits)} scenes exported")
    failures = found.failures | failures
    say_failures(failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
