"""`prosepose import --source=DATASET`: a split of a dataset becomes scene files.

  prosepose import --source=hi4d --root=DIR --split=test --out=SCENES [--body=SMPLX_NEUTRAL.npz]

--source is hi4d, chi3d, flickrci3d or moyo; --root the dataset's folder, or the one that holds original/ and
processed/ as the releases have them. What is missing is named, what was counted is printed, the filters are those of
the published table (docs/datasets.md). Exit status: 0 all imported, 1 some failed (named on stderr), 2 bad usage or an
unusable input.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import one_line, printable

if TYPE_CHECKING:
    from prosepose_jax.body.model import BodyModel

NAMES = ("hi4d", "chi3d", "flickrci3d", "moyo")

FLAGS = flags.FlagValues()
flags.DEFINE_enum("source", None, NAMES, "the dataset", flag_values=FLAGS)
flags.DEFINE_string("root", None, "its folder", flag_values=FLAGS)
flags.DEFINE_string("split", "test", "train, val, test; CHI3D also a subject", flag_values=FLAGS)
flags.DEFINE_string("out", None, "folder for the scene files", flag_values=FLAGS)
flags.DEFINE_list("cameras", [], "cameras; default: those of the published table", flag_values=FLAGS)
flags.DEFINE_integer("every", 5, "Hi4D: each how manyth contact frame", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_enum(
    "mocap_frames", "published", ["published", "toolkit"],
    "MOYO: mocap frame = 2 × image number, or one image earlier as its toolkit counts", flag_values=FLAGS,
)  # fmt: skip
flags.DEFINE_string("truth_fits", None, "FlickrCI3D: folder of pseudo ground truth", flag_values=FLAGS)
flags.DEFINE_string("body", None, "SMPL-X format body of the scenes; default: the embedded one", flag_values=FLAGS)
flags.DEFINE_string("body_keypoints", None, "the body's keypoint vertices, .json", flag_values=FLAGS)
flags.DEFINE_string("body_kid_template", None, "the body's child template, .npy", flag_values=FLAGS)
flags.DEFINE_enum(
    "betas", "auto", ["auto", "keep", "estimate"],
    "keep the dataset's shapes, estimate them for the body in use; auto: keep on SMPL-X", flag_values=FLAGS,
)  # fmt: skip
flags.DEFINE_string("record", None, "file for counts, notes and failures, .json", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def is_asked_for(argv: Sequence[str]) -> bool:
    """Whether a command line of `prosepose import` names a dataset as its source."""
    words = list(argv[1:])
    given = [word.partition("=")[2] for word in words if word.lstrip("-").startswith("source=")]
    given += [following for word, following in itertools.pairwise(words) if word in ("--source", "-source")]
    return any(name in NAMES for name in given)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("import", __doc__, FLAGS, argv, _run)


def _run() -> int:
    for name, what in (("root", "the dataset's folder"), ("out", "the folder for the scene files")):
        if not FLAGS[name].value:
            raise InputError(f"--{name} is missing: {what}")
    # Late: --help and usage errors need no JAX.
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body

    set_up_jax()
    body = load_body(FLAGS.body, keypoints=FLAGS.body_keypoints, kid_template=FLAGS.body_kid_template)
    return import_dataset(
        FLAGS.source, Path(FLAGS.root), FLAGS.split, Path(FLAGS.out), body,
        keep_betas={"auto": None, "keep": True, "estimate": False}[FLAGS.betas], cameras=tuple(FLAGS.cameras) or None,
        every=FLAGS.every, mocap_frames=FLAGS.mocap_frames,
        truth_fits=Path(FLAGS.truth_fits) if FLAGS.truth_fits else None,
        record=Path(FLAGS.record) if FLAGS.record else None,
    )  # fmt: skip


def import_dataset(
    name: str,
    root: Path,
    split: str,
    out: Path,
    body: BodyModel,
    *,
    keep_betas: bool | None = None,
    cameras: tuple[str, ...] | None = None,
    every: int = 5,
    mocap_frames: str = "published",
    truth_fits: Path | None = None,
    record: Path | None = None,
    asked: Mapping[str, Any] | None = None,
) -> int:
    """Writes the scenes of a split, prints counts, notes and failures.

    Args:
      name: of the dataset.
      root: its folder.
      split: as it names it.
      out: folder for the scene files.
      body: the body in use.
      keep_betas: see `read_dataset`.
      cameras: see `read_dataset`.
      every: see `read_dataset`.
      mocap_frames: see `read_dataset`.
      truth_fits: see `read_dataset`.
      record: where counts, notes and failures are written as JSON, also when nothing could be made; None: nowhere.
      asked: what the record says of the question, for who takes its scenes as they are.

    Returns:
      The exit status: 0, or 1 when some scenes failed.

    Raises:
      InputError: nothing of the split could be read.
    """
    from prosepose_jax.datasets import read_dataset
    from prosepose_jax.io import save_scene, write_json
    from prosepose_jax.io.image_paths import with_picture_inside

    dataset = read_dataset(
        name, root, split, body, keep_betas=keep_betas, cameras=cameras, every=every, mocap_frames=mocap_frames,
        truth_fits=truth_fits,
    )  # fmt: skip
    done = 0
    failures: dict[str, str] = {}
    for scene in dataset:
        try:
            # Elsewhere the other commands wouldn't take it: scenes may come from a stranger.
            save_scene(out, with_picture_inside(out, scene))
            done += 1
        except InputError as error:
            failures[scene.key] = str(error)
    failures = dict(dataset.failures) | failures
    for note in dataset.notes:
        print(f"note: {one_line(note)}", file=sys.stderr)
    say_failures(failures)
    print(f"{name}, split {split}:\n{printable(dataset.summary())}")
    print(f"{done} scenes written to {out}" + (f", {len(failures)} failed" if failures else ""))
    if record is not None:
        write_json(record, {"dataset": name, "split": split, "asked": dict(asked or {}), "written": done,
                            "counts": dataset.counts, "notes": dataset.notes, "failures": failures})  # fmt: skip
    if not done:
        raise InputError(f"{root}: no scene of split {split} could be made; the notes and counts above say why")
    return 1 if failures else 0
