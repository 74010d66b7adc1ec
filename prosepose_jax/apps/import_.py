"""`prosepose import`: outputs of other tools on photographs become scene files.

  prosepose import --estimates=bev.npz --keypoints=vitpose.json,openpose.json \\
      [--image=FILE] [--annotations=FILE] [--name=KEY] --out=SCENES
  prosepose import --estimates=wham_output.pkl --frame=5 --keypoints=mmpose.json --image=FILE --people=1 --out=SCENES
  prosepose import --folder=DIR --out=SCENES
  prosepose import --source=hi4d|chi3d|flickrci3d|moyo --root=DIR --split=test --out=SCENES   (its own --help)

The tool that wrote the estimates is recognised. People are matched between the files. Scenes are called KEY_0,
KEY_1, …: one for each annotated pair in the annotation's order, else for each overlapping pair (the left person
first); with --people=1 for each person. With --frame=all they are called KEY_FRAME_0, ….
Exit status: 0 all imported, 1 some failed (named on stderr), 2 bad usage or an unusable input.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from prosepose_jax.apps import _dataset
from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import as_input_error, one_line

if TYPE_CHECKING:
    from prosepose_jax.body import BodyModel
    from prosepose_jax.importing.images import ImageInputs
    from prosepose_jax.scene import Scene

# A set of its own: several verbs can be imported into one process without their flags getting into each other's way.
FLAGS = flags.FlagValues()
flags.DEFINE_string("source", "auto", "what wrote the estimates; auto recognises it", flag_values=FLAGS)
flags.DEFINE_list("estimates", [], "people of one image: a tool's file or files, or their folder", flag_values=FLAGS)
flags.DEFINE_string("frame", None, "which frame of a video's file; all: each becomes scenes", flag_values=FLAGS)
flags.DEFINE_string(
    "image_id", None, "which image of a keypoint file for many; auto: by name, else by its people", flag_values=FLAGS
)
flags.DEFINE_list(
    "keypoint_layout", [], "the keypoints' layout, one for all files or one each; auto recognises it", flag_values=FLAGS
)
flags.DEFINE_float("focal", None, "focal length in pixels where the file has none", lower_bound=1e-3, flag_values=FLAGS)
flags.DEFINE_bool("check", False, "print how well estimates and keypoints agree, write nothing", flag_values=FLAGS)
flags.DEFINE_bool("force", False, "import also where they contradict each other", flag_values=FLAGS)
flags.DEFINE_list("keypoints", [], "keypoint files of any detector, or their folders, surest first", flag_values=FLAGS)
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
    if _dataset.is_asked_for(argv):  # its flags are others
        return _dataset.main(argv)
    return run_verb("import", __doc__, FLAGS, argv, _run)


def _run() -> int:
    # Late: --help and usage errors need no JAX.
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.importing.folders import find_images
    from prosepose_jax.importing.images import SOURCES

    if FLAGS.source not in SOURCES:
        raise InputError(f"--source={FLAGS.source}: expected one of {', '.join(SOURCES)}")
    if not FLAGS.out and not FLAGS.check:
        raise InputError("--out is missing: the folder for the scene files")
    out = Path(FLAGS.out or ".")
    failures: dict[str, str] = {}
    if FLAGS.folder:
        for name in ("estimates", "image", "name"):
            if FLAGS[name].value:
                raise InputError(f"--{name} is for one image; with --folder the files are found by their names")
        if FLAGS.image_id not in (None, "auto"):
            raise InputError("--image_id is for one image; with --folder it may be `auto`")
        annotations = _existing(FLAGS.annotations, "annotations") if FLAGS.annotations else None
        images, failures = find_images(Path(FLAGS.folder), annotations)
        keypoints: dict[str, Any] = {"keypoints": _keypoints()} if FLAGS.keypoints else {}
        images = [dataclasses.replace(image, **_choices(), **keypoints) for image in images]
    else:
        images = [_one_image()]
    say_failures(failures)

    set_up_jax()
    body = load_body(FLAGS.body, keypoints=FLAGS.body_keypoints, kid_template=FLAGS.body_kid_template)
    written: dict[str, str] = {}  # the image of each scene
    for image in images:
        try:
            failed = _import(body, image, out, written)
        except InputError as error:
            _print_notes(getattr(error, "__notes__", ()))
            if not FLAGS.folder:
                raise
            failed = {image.name: str(error)}
        say_failures(failed)
        failures |= failed
    done = len(written)
    did = "scenes checked, none written" if FLAGS.check else f"scenes written to {out}"
    print(f"{done} {did}" + (f", {len(failures)} failed" if failures else ""))
    return 1 if failures else 0


def _import(body: BodyModel, image: ImageInputs, out: Path, written: dict[str, str]) -> dict[str, str]:
    """Imports one image and writes its scenes; returns {scene or image: reason} of what failed."""
    from prosepose_jax.importing.images import import_image
    from prosepose_jax.io.scenes import save_scene

    # What the system refuses when scenes are written is no fault of the estimates.
    with as_input_error(image.estimates, "cannot be imported"):
        result = import_image(body, image, FLAGS.source, int(FLAGS.people), FLAGS.betas == "keep", FLAGS.force)
    _print_notes(result.notes)
    failures = dict(result.failures)
    for imported in result.scenes:
        key = imported.scene.key
        if key in written:
            failures[key] = f"{written[key]} and {image.name}: both have a scene of this name; rename one"
            continue
        path = "(not written)" if FLAGS.check else str(save_scene(out, _with_picture_inside(out, imported.scene)))
        written[key] = image.name
        print(f"{key}: {path}")
        for index, person in enumerate(imported.people):
            print(f"  person {index}: {person.summary()}; {_agreement(imported.scene, index)}")
    return failures


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {one_line(note)}", file=sys.stderr)


def _agreement(scene: Scene, person: int) -> str:
    """How far the person's limbs are from its keypoints, for the user."""
    share = float("nan") if scene.agreement is None else float(scene.agreement[person])
    if share != share:
        return "too few keypoints at the limbs to compare with"
    return f"limbs {100 * share:.1f} % of its size from the keypoints"


def _with_picture_inside(out: Path, scene: Scene) -> Scene:
    from prosepose_jax.io.image_paths import with_picture_inside

    moved = with_picture_inside(out, scene)
    if moved is not scene and scene.image is not None and moved.image != scene.image.resolve():
        where = one_line(moved.image)
        print(f"note: {one_line(scene.key)}: the photograph was linked or copied to {where}", file=sys.stderr)
    return moved


def _one_image() -> ImageInputs:
    from prosepose_jax.importing.folders import default_name
    from prosepose_jax.importing.images import ImageInputs
    from prosepose_jax.io.scenes import check_key

    if not FLAGS.estimates:
        raise InputError("--estimates is missing (or --folder, to import a folder of images)")
    estimates, *more = (_existing(path, "estimates", folder=True) for path in FLAGS.estimates)
    image = _existing(FLAGS.image, "image") if FLAGS.image else None
    name = FLAGS.name or default_name(estimates, image)
    check_key(name)
    return ImageInputs(
        name=name,
        estimates=estimates,
        more_estimates=tuple(more),
        keypoints=_keypoints(),
        image=image,
        annotations=_existing(FLAGS.annotations, "annotations") if FLAGS.annotations else None,
        **_choices(),
    )


def _keypoints() -> tuple[Path, ...]:
    return tuple(_existing(path, "keypoints", folder=True) for path in FLAGS.keypoints)


def _choices() -> dict[str, Any]:
    """What files do not tell by themselves, for one image or all of a folder."""
    return {
        "frame": FLAGS.frame,
        "focal": FLAGS.focal,
        "keypoint_layouts": tuple(FLAGS.keypoint_layout),
        "image_id": FLAGS.image_id,
    }


def _existing(path: str, flag: str, folder: bool = False) -> Path:
    if not (Path(path).is_file() or (folder and Path(path).is_dir())):
        raise InputError(f"--{flag}: no such file: {path}")
    return Path(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
