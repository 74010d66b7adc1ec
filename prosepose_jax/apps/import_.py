"""`prosepose import`: outputs of other tools on photographs become scene files.

  prosepose import --source=bev --estimates=bev.npz --keypoints=vitpose.json,openpose.json \\
      [--image=FILE] [--annotations=FILE] [--name=KEY] --out=SCENES
  prosepose import --source=smpl --estimates=params.npz --keypoints=vitpose.json --people=1 --out=SCENES
  prosepose import --folder=DIR --out=SCENES

People are matched between the files. Scenes are called KEY_0, KEY_1, …: one for each annotated pair in the
annotation's order, else for each overlapping pair (the left person first); with --people=1 for each person.
Exit status: 0 all imported, 1 some failed (named on stderr), 2 bad usage or an unusable input.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import as_input_error, one_line

if TYPE_CHECKING:
    from prosepose_jax.io.importing import ImageInputs
    from prosepose_jax.scene import Scene

# A set of its own: several verbs can be imported into one process without their flags getting into each other's way.
FLAGS = flags.FlagValues()
flags.DEFINE_enum("source", "bev", ["bev", "smpl"], "what wrote the estimates", flag_values=FLAGS)
flags.DEFINE_string("estimates", None, "people of one image: BEV's .npz, or SMPL/SMPL-X parameters", flag_values=FLAGS)
flags.DEFINE_list("keypoints", [], "BODY_25 keypoint files (OpenPose JSON), most trusted first", flag_values=FLAGS)
flags.DEFINE_string("image", None, "the photograph", flag_values=FLAGS)
flags.DEFINE_string("annotations", None, "FlickrCI3D contact annotations", flag_values=FLAGS)
flags.DEFINE_string("name", None, "name of the scenes; default: that of the image or its folder", flag_values=FLAGS)
flags.DEFINE_string("folder", None, "import every image of a folder (docs/import.md)", flag_values=FLAGS)
flags.DEFINE_enum("people", "2", ["1", "2"], "people in a scene", flag_values=FLAGS)
flags.DEFINE_string("out", None, "folder for the scene files", flag_values=FLAGS)
flags.DEFINE_string("body", None, "SMPL-X format body of the scenes; default: the embedded one", flag_values=FLAGS)
flags.DEFINE_string("body_keypoints", None, "the body's keypoint vertices, .json", flag_values=FLAGS)
flags.DEFINE_string("body_kid_template", None, "the body's child template, .npy", flag_values=FLAGS)
flags.DEFINE_enum(
    "betas",
    "estimate",
    ["estimate", "keep"],
    "estimate the shape for the body in use, or keep the tool's (only when it used this very body)",
    flag_values=FLAGS,
)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("import", __doc__, FLAGS, argv, _run)


def _run() -> int:
    # Late: --help and usage errors need no JAX.
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.io.folders import find_images
    from prosepose_jax.io.importing import import_image
    from prosepose_jax.io.scenes import save_scene

    if not FLAGS.out:
        raise InputError("--out is missing: the folder for the scene files")
    out = Path(FLAGS.out)
    failures: dict[str, str] = {}
    if FLAGS.folder:
        for name in ("estimates", "keypoints", "image", "name"):
            if FLAGS[name].value:
                raise InputError(f"--{name} is for one image; with --folder the files are found by their names")
        annotations = _existing(FLAGS.annotations, "annotations") if FLAGS.annotations else None
        images, failures = find_images(Path(FLAGS.folder), annotations)
    else:
        images = [_one_image()]
    say_failures(failures)

    set_up_jax()
    body = load_body(FLAGS.body, keypoints=FLAGS.body_keypoints, kid_template=FLAGS.body_kid_template)
    done = 0
    for image in images:
        try:
            with as_input_error(image.estimates, "cannot be imported"):
                result = import_image(body, image, FLAGS.source, int(FLAGS.people), FLAGS.betas == "keep")
            for note in result.notes:
                print(f"note: {one_line(note)}", file=sys.stderr)
            for imported in result.scenes:
                path = save_scene(out, _with_picture_inside(out, imported.scene))
                done += 1
                print(f"{imported.scene.key}: {path}")
                for index, person in enumerate(imported.people):
                    print(f"  person {index}: {person.summary()}")
        except InputError as error:
            if not FLAGS.folder:
                raise
            failed = {image.name: str(error)}
        else:
            failed = result.failures
        say_failures(failed)
        failures |= failed
    print(f"{done} scenes written to {out}" + (f", {len(failures)} failed" if failures else ""))
    return 1 if failures else 0


def _with_picture_inside(out: Path, scene: Scene) -> Scene:
    """The scene with its picture below the scenes' folder, where alone other commands take it from."""
    from prosepose_jax.io.image_paths import bring_inside

    if scene.image is None or not scene.image.is_file():
        return scene
    image = bring_inside(out, scene.image)
    if image != scene.image.resolve():
        print(f"note: {scene.key}: the photograph was linked or copied to {image}", file=sys.stderr)
    return dataclasses.replace(scene, image=image)


def _one_image() -> ImageInputs:
    from prosepose_jax.io.folders import default_name
    from prosepose_jax.io.importing import ImageInputs
    from prosepose_jax.io.scenes import check_key

    if not FLAGS.estimates:
        raise InputError("--estimates is missing (or --folder, to import a folder of images)")
    estimates = _existing(FLAGS.estimates, "estimates")
    image = _existing(FLAGS.image, "image") if FLAGS.image else None
    name = FLAGS.name or default_name(estimates, image)
    check_key(name)
    return ImageInputs(
        name=name,
        estimates=estimates,
        keypoints=tuple(_existing(path, "keypoints") for path in FLAGS.keypoints),
        image=image,
        annotations=_existing(FLAGS.annotations, "annotations") if FLAGS.annotations else None,
    )


def _existing(path: str, flag: str) -> Path:
    if not Path(path).is_file():
        raise InputError(f"--{flag}: no such file: {path}")
    return Path(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
