"""`prosepose generate`: scenes with known truth, noisy estimates of them and simulated answers.

  prosepose generate --kind=two_person --count=1000 --seed=0 --out=DIR
  prosepose generate --kind=self_contact --count=500 --out=DIR --level=high --images
  prosepose generate --kind=two_person --count=500 --out=DIR --noise=agreeing
  prosepose generate --kind=two_person,self_contact --count=1000,500 --out=DIR   (into DIR/two_person, DIR/self_contact)

Writes DIR/scenes and DIR/answers.jsonl (what `prosepose fit` reads), DIR/truth (without noise), DIR/figures.json
(what was measured), DIR/plots and DIR/contact_sheet.jpg. The same seed and body give the same scenes; the noise
is that of docs/synthetic.md. A stopped run goes on where it was; a larger --count adds to what is there.
Exit status: 0 all scenes made (where an unusual body refuses an interaction, others take its place), 1 no interaction
is left to make more of, 2 bad usage.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from prosepose_jax.apps._usage import run_verb
from prosepose_jax.errors import InputError

if TYPE_CHECKING:
    from prosepose_jax.synthetic import SceneMaker

FLAGS = flags.FlagValues()
flags.DEFINE_list("kind", [], "of scenes: two_person, self_contact or both", flag_values=FLAGS)
flags.DEFINE_list("count", ["100"], "scenes; one number for each kind, or one for all", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "of everything random", 0, flag_values=FLAGS)
flags.DEFINE_string("out", None, "folder to write to", flag_values=FLAGS)
flags.DEFINE_enum("level", "middle", ["low", "middle", "high"], "of noise", flag_values=FLAGS)
flags.DEFINE_string("noise", None, "a noise family (docs/synthetic.md) in place of a level", flag_values=FLAGS)
flags.DEFINE_integer("noise_seed", 0, "other errors and answers about the same people", 0, flag_values=FLAGS)
flags.DEFINE_integer("num_answers", 20, "answers per scene", 0, flag_values=FLAGS)
flags.DEFINE_list("templates", [], "interactions to make; all of the kinds when not given", flag_values=FLAGS)
flags.DEFINE_bool("images", False, "draw a picture of every scene", flag_values=FLAGS)
flags.DEFINE_integer("sheet", 40, "scenes on the contact sheet", 0, flag_values=FLAGS)
flags.DEFINE_string("body", None, "body file in SMPL-X format; default: the embedded body", flag_values=FLAGS)
flags.DEFINE_integer("samples", 0, "surface samples that keep people apart; 0: as usual", 0, flag_values=FLAGS)
flags.DEFINE_integer("steps", 0, "steps of refining; 0: as usual", 0, flag_values=FLAGS)
flags.DEFINE_integer("workers", 0, "scenes made side by side; 0: one a core, at most four", 0, flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("generate", __doc__, FLAGS, argv, _run)


def _run() -> int:
    for name, what in (("kind", "two_person, self_contact or both"), ("out", "the folder to write to")):
        if not FLAGS[name].value:
            raise InputError(f"--{name} is missing: {what}")
    wanted, noise = _counts(), _noise()
    templates = _templates(tuple(wanted))
    out = Path(FLAGS.out)
    # One kind lies in the folder itself, several beside each other.
    folders = {kind: out / kind if len(wanted) > 1 else out for kind in wanted}

    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.io.claim import claimed, make_folder
    from prosepose_jax.synthetic.families import family_of
    from prosepose_jax.synthetic.generate import SceneMaker
    from prosepose_jax.synthetic.refine import STEPS, SURFACE_SAMPLES

    set_up_jax()
    body = load_body(FLAGS.body)  # a body that cannot be used locks no folder
    for kind, folder in folders.items():  # all are locked before the first scene is made
        make_folder(folder, "the folder of the scenes")
        _lock(folder / "generate.json", kind, wanted[kind], templates[kind])
    family = family_of(noise)
    maker = SceneMaker(body, FLAGS.samples or SURFACE_SAMPLES, FLAGS.steps or STEPS, family.people, family.cameras)
    status = 0
    for kind, folder in folders.items():
        with claimed(folder):
            status = max(status, _make(maker, kind, wanted[kind], folder, templates[kind], noise))
    return status


def _noise() -> str:
    """The name of the noise asked for."""
    from prosepose_jax.synthetic.families import NAMES

    if FLAGS.noise is None:
        return FLAGS.level
    if FLAGS["level"].present:
        raise InputError(f"--noise={FLAGS.noise}: expected either --noise or --level, found both")
    if FLAGS.noise not in NAMES:
        raise InputError(f"--noise={FLAGS.noise}: expected one of {', '.join(NAMES)}")
    return FLAGS.noise


def _counts() -> dict[str, int]:
    """Scenes wanted of each kind, in the order given."""
    from prosepose_jax.synthetic.generate import KINDS  # late: --help needs none of it

    for kind in FLAGS.kind:
        if kind not in KINDS:
            raise InputError(f"--kind: unknown kind {kind!r}, expected two_person, self_contact or both")
    numbers = [int(text) if text.strip().isdecimal() else 0 for text in FLAGS.count]
    kinds = tuple(dict.fromkeys(FLAGS.kind))
    if len(numbers) not in (1, len(kinds)) or min(numbers) < 1:
        words = f"one for each of {', '.join(kinds)}, or one for all" if len(kinds) > 1 else "one"
        raise InputError(f"--count={','.join(FLAGS.count)}: expected positive whole numbers, {words}")
    return dict(zip(kinds, numbers if len(numbers) > 1 else numbers * len(kinds), strict=True))


def _templates(kinds: Sequence[str]) -> dict[str, list[str]]:
    """The interactions asked for, by kind; none: all of the kind."""
    from prosepose_jax.synthetic.generate import library

    known = {kind: library(kind) for kind in kinds}
    for name in FLAGS.templates:
        if not any(name in one for one in known.values()):
            expected = ", ".join(itertools.chain(*known.values()))
            raise InputError(f"--templates: unknown interaction {name!r}, expected some of {expected}")
    asked = {kind: [name for name in dict.fromkeys(FLAGS.templates) if name in known[kind]] for kind in kinds}
    for kind, names in asked.items():
        if FLAGS.templates and not names:
            raise InputError(f"--templates: none is an interaction of --kind={kind}")
    return asked


def _make(maker: SceneMaker, kind: str, count: int, out: Path, templates: list[str], noise: str) -> int:
    """One kind of scenes into its folder; the exit status."""
    from prosepose_jax.apps._progress import Progress
    from prosepose_jax.synthetic.collection import write_collection
    from prosepose_jax.synthetic.dataset import make_truths, read_exhausted
    from prosepose_jax.synthetic.generate import TooManyRefused, library, share_out

    with Progress(count, "scenes", notes=True) as progress:
        there = 0

        def report(done: int, _: int, note: str) -> None:
            nonlocal there
            if done > there:
                progress.step(note, done - there)
            there = done

        try:
            truths = make_truths(
                maker.body, kind, count, FLAGS.seed, out / "truth", templates or None, report, maker, FLAGS.workers
            )
        except TooManyRefused as error:
            progress.say(f"FAILED {error}; what was made is kept")
            return 1
        wanted = share_out(count, templates or tuple(library(kind)))
        for name, number in read_exhausted(out / "truth").items():
            if number < wanted.get(name, 0):
                progress.say(
                    f"{name}: {number} scenes, then too many candidates in a row were refused; others take its place"
                )
    with Progress(len(truths), "observed") as progress:
        summary = write_collection(
            maker, truths, out, noise, num_answers=FLAGS.num_answers, noise_seed=FLAGS.noise_seed,
            images=FLAGS.images, sheet=FLAGS.sheet, progress=progress.step,
        )  # fmt: skip
    kept = f"{100 * summary['accepted']:.0f} % of the tries were kept"
    print(f"{len(truths)} {kind} scenes of {len(summary['templates'])} templates; {kept}")
    print(f"written: {out} (scenes, answers.jsonl, truth, figures.json, plots, contact_sheet.jpg)")
    return 0


def _lock(file: Path, kind: str, count: int, templates: list[str]) -> None:
    """Writes how the folder's scenes are made, or checks that they are made in the same way."""
    from prosepose_jax.io.atomic import write_json
    from prosepose_jax.io.lock import read_lock

    names = ("seed", "level", "noise", "noise_seed", "num_answers", "body", "samples", "steps")
    this = {"kind": kind, "templates": templates} | {name: FLAGS[name].value for name in names}
    if file.is_file():
        before = read_lock(file, "a folder of generated scenes")
        before = before if isinstance(before, dict) else {}
        for name, value in this.items():
            if before.get(name) != value:
                raise InputError(
                    f"{file}: this folder holds scenes made with --{name}={before.get(name)}, now it is {value}; "
                    "choose another --out or delete it"
                )
        if before.get("count", 0) > count:
            raise InputError(f"--count={count}: {file.parent} is a set of {before['count']} scenes already")
    write_json(file, this | {"count": count})


if __name__ == "__main__":
    sys.exit(main(sys.argv))
