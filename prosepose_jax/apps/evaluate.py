"""`prosepose evaluate`: fits and ground truth become metrics.

  prosepose evaluate --scenes=SCENES --fits=DIR [--answers=FILE] [--out=metrics.json]

Prints the means and writes DIR/metrics.json. The body is the one of DIR/config.json; --body and --regions
replace its files. Without ground truth a scene still gets reprojection and penetration. docs/evaluate.md
explains every figure. Exit status: 0 all evaluated, 1 some scenes failed (named on stderr), 2 bad usage or an
unusable input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from prosepose_jax.apps._run_body import body_files, define_body_flag, run_config, section
from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import shown

if TYPE_CHECKING:
    from prosepose_jax.apps._evaluating import Entry, Unreadable
    from prosepose_jax.metrics.sequences import Sequences

# A set of its own: several verbs can be imported into one process without their flags getting into each other's way.
FLAGS = flags.FlagValues()
flags.DEFINE_string("scenes", None, "folder of scene files", flag_values=FLAGS)
flags.DEFINE_string("fits", None, "folder of a run (the --workdir of prosepose fit)", flag_values=FLAGS)
flags.DEFINE_string("answers", None, "answers file, for the contact F1 of the answers", flag_values=FLAGS)
flags.DEFINE_enum(
    "parser", None, ["published", "extended"], "how the contact F1 reads the answers; default: as the run did",
    flag_values=FLAGS,
)  # fmt: skip
define_body_flag(FLAGS)
flags.DEFINE_alias("body_path", "body", flag_values=FLAGS)
flags.DEFINE_string("regions", None, "the body's regions file", flag_values=FLAGS)
flags.DEFINE_string("joint_regressor", None, "J14 or H36M regressor of the body (.npy, .npz)", flag_values=FLAGS)
flags.DEFINE_string(
    "sequences", None,
    "which scenes are frames of one sequence: an expression of keys, '(?P<sequence>.+)_(?P<frame>\\d+)_0'",
    flag_values=FLAGS,
)  # fmt: skip
flags.DEFINE_string("out", None, "where the figures go; default: metrics.json of the run's folder", flag_values=FLAGS)
flags.DEFINE_integer(
    "processes", 0, "evaluate in so many processes; 0: as many as there are cores, where it is worth it",
    lower_bound=0, flag_values=FLAGS,
)  # fmt: skip
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("evaluate", __doc__, FLAGS, argv, _run)


def _run() -> int:
    # Late: --help and usage errors need no JAX.
    from prosepose_jax.apps._evaluating import Job, evaluate_files, evaluate_in_processes, processes_for
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.io import load_answers, load_fits, scene_files
    from prosepose_jax.metrics.evaluate import NO_ANSWERS, Evaluator
    from prosepose_jax.metrics.joint_sets import load_joint_set
    from prosepose_jax.metrics.records import METRICS
    from prosepose_jax.metrics.sequences import Sequences
    from prosepose_jax.metrics.table import format_table

    for name, what in (("scenes", "the folder of scene files"), ("fits", "the folder of the run")):
        if not FLAGS[name].value:
            raise InputError(f"--{name} is missing: {what}")
    set_up_jax()
    folder = Path(FLAGS.fits)
    folder = folder.parent if folder.name == "fits" else folder
    config = run_config(folder)
    files = scene_files(FLAGS.scenes)
    fits = load_fits(FLAGS.fits)
    answers = load_answers(FLAGS.answers) if FLAGS.answers else None
    of_body = body_files(config, FLAGS.body, FLAGS.regions)
    body = load_body(**of_body)
    regressor_file = FLAGS.joint_regressor or section(config, "body").get("joint_regressor")
    regressor = load_joint_set(regressor_file, body.num_vertices) if regressor_file else None
    # Frames of a sequence belong together: they stay in one process.
    processes = 1 if FLAGS.sequences else FLAGS.processes or processes_for(len(files))
    given = [answers.for_scene(file.stem) if answers else () for file in files]
    sequences = Sequences(FLAGS.sequences) if FLAGS.sequences else None
    entries: Iterator[Entry | Unreadable]
    if processes > 1:
        job = Job(str(folder if (folder / "fits").is_dir() else FLAGS.fits), of_body, regressor_file, _parser(config))
        entries = evaluate_in_processes(job, files, given, processes)
    else:
        evaluator, beside = Evaluator(body, regressor), load_fits(folder, NO_ANSWERS)
        pairs = zip(files, given, strict=True)
        entries = evaluate_files(evaluator, pairs, fits, beside, _parser(config), sequences)
    out = Path(FLAGS.out) if FLAGS.out else folder / "metrics.json"
    mean, states = _write(out, entries, sequences)
    print(format_table({"mean": mean}))
    for name, found in (sequences.figures() if sequences else {}).items():
        error = METRICS["acceleration_error_mm"]
        print(f"{name}: {error.titled()} {error.written(found.get(error.name))} over {found.get('frames', 0)} frames")
    print(f"\nwritten: {out}")
    failures = {key: problem for key in (shown(file.stem) for file in files) if (problem := states.get(key, "no fit"))}
    say_failures(failures)
    return 1 if failures else 0


def _write(
    out: Path, entries: Iterable[Entry | Unreadable], sequences: Sequences | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Writes metrics.json as the entries come. Returns the means, and of every scene seen its problem or ""."""
    from prosepose_jax.apps._evaluating import Unreadable
    from prosepose_jax.io import EntryWriter, atomic_file
    from prosepose_jax.metrics.evaluate import KINDS
    from prosepose_jax.metrics.streaming import StreamedMeans

    means = {kind: StreamedMeans() for kind in KINDS}
    states: dict[str, str] = {}
    with atomic_file(out) as file:
        writer = EntryWriter(file)
        for found in entries:
            if isinstance(found, Unreadable):
                states[found.key] = found.reason
                continue
            key, kind, entry = found
            writer.add(key, entry)
            means[kind].add(entry)
            failed = entry["status"].startswith("failed")
            states[shown(key)] = str(entry["error"] if "error" in entry else entry["status"] if failed else "")
        mean = {kind: one.value() for kind, one in means.items() if one.any()}
        writer.finish(mean=mean, **({} if sequences is None else {"sequences": sequences.figures()}))
    return mean, states


def _parser(config: dict[str, Any]) -> str:
    of_run = section(config, "contact").get("parser") or config.get("parser")
    return FLAGS.parser or (of_run if of_run in ("published", "extended") else "published")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
