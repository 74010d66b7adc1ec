"""`prosepose table`: the papers' table of a dataset, its rows fitted or taken from runs that are there.

  prosepose table --dataset=hi4d --root=DIR --split=test --answers=FILE --workdir=DIR
  prosepose table --scenes=SCENES --answers=FILE --workdir=DIR [--rows=regressor,heuristic,default]
  prosepose table --scenes=SCENES --workdir=DIR --runs=default=DIR,published=DIR

Rows of two people: regressor, heuristic, no_answers, published, default, oracle (annotated contacts) and, with
--buddi=CHECKPOINT, buddi and buddi_answers; of one person: regressor, no_answers, published, default, oracle.
Every row's fits lie in WORKDIR/rows/NAME and are not fitted again. Prints the table and writes it as text, Markdown,
LaTeX, CSV and JSON (docs/table.md). Exit status: 0 all done, 1 some scenes failed, 2 bad usage or an unusable input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import read_json, shown

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from prosepose_jax.io import AnswerSet, SceneSet
    from prosepose_jax.tables import RowSpec

_LARGEST_FIGURE = 1e30  # means of larger ones are no numbers

FLAGS = flags.FlagValues()
flags.DEFINE_string("dataset", None, "hi4d, chi3d, flickrci3d, moyo: its published figures", flag_values=FLAGS)
flags.DEFINE_string("root", None, "the dataset's folder; its split is imported first", flag_values=FLAGS)
flags.DEFINE_string("split", "test", "of the dataset", flag_values=FLAGS)
flags.DEFINE_string("truth_fits", None, "FlickrCI3D: folder of pseudo ground truth", flag_values=FLAGS)
flags.DEFINE_enum("betas", "auto", ["auto", "keep", "estimate"], "shapes of an imported dataset", flag_values=FLAGS)
flags.DEFINE_string("scenes", None, "folder of scene files, instead of --root", flag_values=FLAGS)
flags.DEFINE_string("answers", None, "answers, .json or .jsonl", flag_values=FLAGS)
flags.DEFINE_string("workdir", None, "folder for the rows and the table", flag_values=FLAGS)
flags.DEFINE_list("rows", [], "rows to show; default: all that can be made", flag_values=FLAGS)
flags.DEFINE_list("runs", [], "NAME=DIR: rows taken from folders of runs", flag_values=FLAGS)
flags.DEFINE_string("reference", "default", "the row that differences are taken to", flag_values=FLAGS)
flags.DEFINE_multi_string("set", [], "FIELD=VALUE for the config of every row, e.g. body.path=FILE", flag_values=FLAGS)
flags.DEFINE_string("buddi", None, "checkpoint of BUDDI for its rows; free: the packaged prior", flag_values=FLAGS)
flags.DEFINE_bool("quick", False, "solve published objectives by Levenberg-Marquardt", flag_values=FLAGS)
flags.DEFINE_string("joint_regressor", None, "J14 or H36M regressor of the body", flag_values=FLAGS)
flags.DEFINE_list("formats", ["text", "markdown", "latex", "csv", "json"], "files to write", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "of the bootstrap", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("table", __doc__, FLAGS, argv, _run)


def _run() -> int:
    # Late: --help and usage errors need no JAX.
    from prosepose_jax.datasets import DATASETS
    from prosepose_jax.io import load_answers, load_scenes, write_text
    from prosepose_jax.tables import FORMATS, ROWS, make_table

    if not FLAGS.workdir:
        raise InputError("--workdir is missing, expected a folder for the rows and the table")
    if FLAGS.dataset and FLAGS.dataset not in DATASETS:
        raise InputError(f"--dataset={FLAGS.dataset}: expected one of {', '.join(DATASETS)}")
    if bool(FLAGS.scenes) == bool(FLAGS.root):
        raise InputError("expected either --scenes, a folder of scene files, or --root, the folder of --dataset")
    for name in FLAGS.formats:
        if name not in FORMATS:
            raise InputError(f"--formats: {name!r} is unknown, expected some of {', '.join(FORMATS)}")
    names = {spec.name for specs in ROWS.values() for spec in specs}
    runs = dict(_given_runs())
    for name in FLAGS.rows:
        if name not in names | set(runs):
            raise InputError(f"--rows: {name!r} is unknown, expected some of {', '.join(sorted(names | set(runs)))}")
    workdir = Path(FLAGS.workdir)
    scenes = load_scenes(FLAGS.scenes or _imported(workdir))
    answers = load_answers(FLAGS.answers) if FLAGS.answers else None
    failed = bool(scenes.failures)
    say_failures(scenes.failures)
    tables = []
    for kind, specs in ROWS.items():
        mine = [scene for scene in scenes if (scene.num_people > 1) == (kind == "two_person")]
        if mine:
            rows, status = _rows(kind, specs, type(scenes)(mine), answers, runs, workdir)
            failed |= status != 0
            where = f"{FLAGS.dataset} {FLAGS.split}" if FLAGS.dataset else "scenes"
            title = f"{where}: {len(mine)} scenes of {'two people' if kind == 'two_person' else 'one person'}"
            tables.append(
                make_table(rows, kind, title=title, dataset=FLAGS.dataset or "", reference=FLAGS.reference,
                           footnotes=_footnotes(specs, set(rows) - set(runs)), seed=FLAGS.seed)
            )  # fmt: skip
    for table in tables:
        print(FORMATS["text"][1](table))
        stem = "table" if len(tables) == 1 else f"table_{table.kind}"
        for name in FLAGS.formats:
            ending, writer = FORMATS[name]
            write_text(workdir / f"{stem}.{ending}", writer(table))
    print(f"written: {workdir} ({', '.join(FORMATS[name][0] for name in FLAGS.formats)})")
    return 1 if failed else 0


def _footnotes(specs: Sequence[RowSpec], made: set[str]) -> list[str]:
    """How rows were made that differ from their configs."""
    from prosepose_jax.resources import FREE_PRIOR

    found = []
    quick = [spec.title for spec in specs if spec.name in made and spec.quick]
    if FLAGS.quick and quick:
        found.append(
            f"{', '.join(quick)}: the published objective, solved by Levenberg–Marquardt with exact nearest vertices "
            "instead of the published optimiser."
        )
    prior = [spec.title for spec in specs if spec.name in made and spec.needs_prior]
    if FLAGS.buddi == FREE_PRIOR and prior:
        found.append(
            f"{', '.join(prior)}: with the packaged prior in the place of BUDDI's; it was trained on generated pairs, "
            "of the same interactions as generated scenes (docs/buddi.md)."
        )
    return found


def _given_runs() -> Iterator[tuple[str, Path]]:
    for text in FLAGS.runs:
        name, mark, folder = text.partition("=")
        if not mark or not (Path(folder) / "metrics.json").is_file():
            raise InputError(f"--runs={text}: expected NAME=DIR with DIR/metrics.json of a run")
        yield name, Path(folder)


def _imported(workdir: Path) -> Path:
    """The scenes of --dataset, imported into the workdir unless they are there."""
    from prosepose_jax.apps._dataset import import_dataset
    from prosepose_jax.apps._runtime import set_up_jax

    if not FLAGS.dataset:
        raise InputError("--root needs --dataset")
    folder = workdir / "scenes"
    done = workdir / "scenes.json"
    asked = _asked()
    if done.is_file() and folder.is_dir() and _was_made(done, asked):
        print(f"scenes: those of {folder} (delete it to import again)", file=sys.stderr)
        return folder
    set_up_jax()
    keep = {"auto": None, "keep": True, "estimate": False}[FLAGS.betas]
    import_dataset(
        FLAGS.dataset, Path(FLAGS.root), FLAGS.split, folder, _body(), keep_betas=keep,
        truth_fits=Path(FLAGS.truth_fits) if FLAGS.truth_fits else None, record=done, asked=asked,
    )  # fmt: skip
    return folder


def _asked() -> dict[str, Any]:
    """All that the imported scenes depend on."""
    from prosepose_jax.apps._inputs import content_digest

    body = {name: content_digest(value) if isinstance(value, str) and Path(value).is_file() else value
            for name, value in _body_files().items() if value}  # fmt: skip
    fits = str(Path(FLAGS.truth_fits).resolve()) if FLAGS.truth_fits else None
    return {"dataset": FLAGS.dataset, "root": str(Path(FLAGS.root).resolve()), "split": FLAGS.split,
            "betas": FLAGS.betas, "truth_fits": fits, "body": body}  # fmt: skip


def _was_made(record: Path, asked: dict[str, Any]) -> bool:
    """Whether an earlier call made scenes of what is asked for now.

    Raises:
      InputError: it made those of something else.
    """
    known = read_json(record)
    if not isinstance(known, dict) or not isinstance(before := known.get("asked"), dict):
        raise InputError(f"{record}: field 'asked': expected what its scenes were made of; delete the file")
    if not known.get("written"):
        return False
    for name, value in asked.items():
        if before.get(name) != value:
            raise InputError(
                f"{record}: field 'asked.{name}': its scenes were made with {shown(before.get(name))}, now it is "
                f"{shown(value)}; choose another --workdir or delete it"
            )
    return True


def _body_files() -> dict[str, Any]:
    """What the rows' config says of the body."""
    fields = ("path", "regions", "flat_hands", "keypoints", "lowres", "kid_template")
    section = _config("two_person").get("body", {})
    return {name: section.get(name) for name in fields}


def _body() -> Any:
    from prosepose_jax.body import load_body

    files = _body_files()
    named: dict[str, Any] = {name: files.get(name) or None for name in ("keypoints", "lowres", "kid_template")}
    return load_body(
        files.get("path") or None, files.get("regions") or None, flat_hands=bool(files.get("flat_hands")), **named
    )


def _config(name: str, overrides: dict[str, Any] | None = None) -> ConfigDict:
    """A row's config with what --set and --joint_regressor change."""
    from prosepose_jax.config import load_config

    config = load_config(name)
    changes = dict(overrides or {})
    for text in FLAGS.set:
        field, mark, value = text.partition("=")
        if not mark:
            raise InputError(f"--set={text}: expected FIELD=VALUE")
        changes[field] = _value(value)
    if FLAGS.joint_regressor:
        changes["body.joint_regressor"] = FLAGS.joint_regressor
    for field, value in changes.items():
        try:
            before: Any = config
            for part in field.split("."):
                before = before[part]
            if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            config.update_from_flattened_dict({field: value})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"config {name}: field {field} can't be set to {value!r} ({error})") from error
    return config


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _rows(
    kind: str,
    specs: Sequence[RowSpec],
    scenes: SceneSet,
    answers: AnswerSet | None,
    runs: dict[str, Path],
    workdir: Path,
) -> tuple[dict[str, Any], int]:
    """{row: entries} of the rows asked for, fitted where they aren't there, and the worst exit status."""
    keys = set(scenes.keys)
    rows: dict[str, Any] = {}
    status = 0
    for name, folder in runs.items():
        mine = {key: entry for key, entry in _entries(folder).items() if key in keys}
        if mine:
            rows[name] = mine
    wanted = set(FLAGS.rows) or {spec.name for spec in specs}
    for spec in specs:
        if spec.name not in wanted or spec.name in rows or not spec.config:
            continue
        made = _row(spec, scenes, answers, workdir / "rows" / spec.name, kind)
        if isinstance(made, str):
            if spec.name in FLAGS.rows or not spec.needs_prior:
                print(f"note: row {spec.name}: {made}", file=sys.stderr)
            continue
        rows[spec.name], row_status = made
        status = max(status, row_status)
    if "regressor" in wanted and "regressor" not in rows:
        rows = {"regressor": _initial(rows, scenes)} | rows
    return {name: entries for name, entries in rows.items() if name in wanted | set(runs)}, status


def _row(
    spec: RowSpec, scenes: SceneSet, answers: AnswerSet | None, folder: Path, kind: str
) -> tuple[dict[str, Any], int] | str:
    """A row's entries and exit status, or why it can't be made."""
    from prosepose_jax.apps._run import run
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.config import find_config
    from prosepose_jax.io import AnswerSet
    from prosepose_jax.tables import annotated_answer

    try:
        find_config(spec.config)
    except InputError:
        return f"there is no config {spec.config}"
    given = None
    if spec.reads == "answers":
        if answers is None:
            return "needs --answers"
        given = answers
    elif spec.reads == "annotated":
        found = {scene.key: [one] for scene in scenes if (one := annotated_answer(scene)) is not None}
        if not found:
            return "no scene has annotated contacts"
        given = AnswerSet(found)
        scenes = type(scenes)(scene for scene in scenes if scene.key in found)
    overrides = dict(spec.overrides)
    if spec.needs_prior:
        if not FLAGS.buddi:
            return "needs --buddi, a checkpoint"
        overrides["buddi.checkpoint"] = FLAGS.buddi
    if FLAGS.quick:
        overrides |= spec.quick
    config = _config(spec.config, overrides)
    set_up_jax()
    print(f"row {spec.name}: {len(scenes)} scenes, config {spec.config}", file=sys.stderr)
    status = run([config], scenes, given, folder, pictures=False)
    return _entries(folder), status


def _entries(folder: Path) -> dict[str, Any]:
    """{scene: its figures} of a run."""
    file = folder / "metrics.json"
    content = read_json(file)
    scenes = content.get("scenes") if isinstance(content, dict) else None
    if not isinstance(scenes, dict):
        raise InputError(f"{file}: field 'scenes': expected an object with an entry for each scene")
    for key, entry in scenes.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("initial", {}), dict):
            raise InputError(f"{file}: field {shown(f'scenes.{key}')!r}: expected an object of figures")
        _check_figures(file, f"scenes.{key}", entry)
        _check_figures(file, f"scenes.{key}.initial", entry.get("initial", {}))
    return scenes


def _check_figures(file: Path, field: str, entry: dict[str, Any]) -> None:
    """Raises InputError unless what a table calculates with are numbers: the run may be a stranger's."""
    from prosepose_jax.metrics.records import METRICS
    from prosepose_jax.tables.table import RADII

    for name, record in METRICS.items():
        if name not in entry:
            continue
        curve = entry[name] if record.curve and isinstance(entry[name], dict) else None
        for part, value in ({name: entry[name]} if curve is None else curve).items():
            number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST_FIGURE
            if not number or (record.curve and curve is None):  # a NaN is none either
                raise InputError(f"{file}: field {shown(f'{field}.{part}')!r}: expected a number, found {shown(value)}")
    at = entry.get("pcc_at", {})
    if at and (not isinstance(at, dict) or not set(RADII) <= set(at)):
        raise InputError(f"{file}: field {shown(f'{field}.pcc_at')!r}: expected a figure for each radius")


def _initial(rows: dict[str, Any], scenes: SceneSet) -> dict[str, Any]:
    """The row of the estimates themselves: out of another row's figures, else measured."""
    from prosepose_jax.tables import initial_entries

    found: dict[str, Any] = {}
    for entries in rows.values():
        found |= {key: entry for key, entry in initial_entries(entries).items() if key not in found}
    missing = [scene for scene in scenes if scene.key not in found]
    if missing:
        from prosepose_jax.apps._runtime import set_up_jax
        from prosepose_jax.metrics.evaluate import Evaluator
        from prosepose_jax.metrics.joint_sets import load_joint_set

        set_up_jax()
        body = _body()
        joints = load_joint_set(FLAGS.joint_regressor, body.num_vertices) if FLAGS.joint_regressor else None
        found |= Evaluator(body, joints).initial_entries(missing)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv))
