"""`prosepose ablate`: a named table of runs on scenes with known truth becomes a table and plots.

  prosepose ablate --config=configs/ablation_answers.py --workdir=DIR

--config takes a path or the name of a packaged sweep; ":smoke" after it is the small variant of a few
scenes. Any field is set with --config.a.b=value, for example --config.scenes.count=20. Scenes are
generated into DIR/scenes (or read from a folder), every point's figures go to DIR/points/NAME, and
table.csv, table.md, table.tex, plots/ and run.json are written at the end. A stopped run goes on where it
was; equal fits of several points are made once. --runner=ray fits on a Ray cluster (docs/scaling.md).
docs/ablate.md explains the config.
Exit status: 0 all done, 1 some scenes failed (named on stderr), 2 bad usage or an unusable config, body
or scenes.
"""

from __future__ import annotations

import functools
import itertools
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags
from ml_collections import ConfigDict

from prosepose_jax.apps._dividing import check_positive
from prosepose_jax.apps._ray_cluster import Cluster, cluster_from_flags, define_ray_flags, leave_devices_alone
from prosepose_jax.apps._usage import run_verb_with_config, say_failures
from prosepose_jax.errors import InputError

if TYPE_CHECKING:
    from prosepose_jax.ablation.points import Sweep
    from prosepose_jax.ablation.run import Solver

DEFAULT = "ablation_answers"


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string("workdir", None, "folder of the sweep", flag_values=values)
    flags.DEFINE_string("scenes", None, "folder of generated scenes; default: DIR/scenes", flag_values=values)
    define_ray_flags(values)
    flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    values = _flags()

    def run_sweep(config: ConfigDict) -> int:
        if not values.workdir:
            raise InputError("--workdir is missing, expected a folder for the sweep")
        if "points" not in config:
            raise InputError(
                "--config: expected the config of a sweep with a field points; `prosepose fit` runs others"
            )
        check_positive(values, "ray_actors")
        from prosepose_jax.apps._runtime import set_up_jax

        cluster = cluster_from_flags(values)
        if cluster is not None:
            leave_devices_alone()
        set_up_jax()
        command = " ".join(["prosepose ablate", *argv[1:]])
        workdir = Path(values.workdir)
        scenes = Path(values.scenes) if values.scenes else workdir / "scenes"
        return ablate(config, workdir, scenes, command, cluster)

    about = "sweep, file or packaged name"
    return run_verb_with_config("ablate", __doc__, values, argv, run_sweep, default=DEFAULT, about=about)


def ablate(config: Any, workdir: Path, scenes: Path, command: str, cluster: Cluster | None = None) -> int:
    """Runs a sweep and writes its tables and plots.

    Args:
      config: of the sweep, a ConfigDict.
      workdir: its folder.
      scenes: where generated scenes are kept; sweeps may share them.
      command: how it was started, for run.json.
      cluster: that fits; None: this process.

    Returns:
      The exit status.

    Raises:
      InputError: the config, a body, scenes or the folder cannot be used, or another process is at work in it.
    """
    from prosepose_jax.ablation import expand
    from prosepose_jax.apps._compiling import say_compilations
    from prosepose_jax.io.claim import claimed, make_folder

    sweep = expand(config)
    for folder in (workdir, workdir / "points", scenes):
        make_folder(folder, "a folder of a sweep")
    if any(point.scenes.folder and point.scenes.noise_changes for point in sweep.points) or any(
        point.scenes.folder == other.scenes.folder != "" and point.scenes != other.scenes
        for point, other in itertools.pairwise(sweep.points)
    ):
        print("note: scenes.folder is given, so nothing is generated: noise, seed and number of answers of its points "
              "say nothing", file=sys.stderr)  # fmt: skip
    with claimed(workdir), say_compilations():
        return _ablate(config, sweep, workdir, scenes, command, cluster)


def _ablate(config: Any, sweep: Sweep, workdir: Path, scenes: Path, command: str, cluster: Cluster | None) -> int:
    from prosepose_jax.ablation import draw_charts, run_sweep, summarise, to_csv, to_latex, to_markdown
    from prosepose_jax.apps._machine import machine_info
    from prosepose_jax.apps._progress import Progress
    from prosepose_jax.io import write_bytes, write_json, write_text
    from prosepose_jax.io.lock import read_known

    begin = time.monotonic()
    progress: Progress | None = None
    before = 0

    def step(done: int, total: int) -> None:
        nonlocal progress, before
        if progress is None:
            progress = Progress(total, "ablate", unit="fit")
        if done > before:
            progress.step(count=done - before)
        before = done

    solver: Solver | None = None
    if cluster is not None:
        from prosepose_jax.apps._ray_sweep import solve_on_ray

        solver = functools.partial(solve_on_ray, cluster)
    outcome = run_sweep(sweep, workdir, scenes, step, solver)
    lines = summarise(sweep, outcome.records)
    markdown = to_markdown(sweep, lines)
    for name, text in (("csv", to_csv(lines)), ("md", markdown), ("tex", to_latex(sweep, lines))):
        write_text(workdir / f"table.{name}", text)
    for name, data in draw_charts(sweep, lines).items():
        write_bytes(workdir / "plots" / name, data)
    earlier = read_known(workdir / "run.json")
    info = machine_info()
    before_that = earlier.get("git_revisions", [earlier["git_revision"]] if "git_revision" in earlier else [])
    revisions = [*before_that, *([info["git_revision"]] if outcome.fits else [])]
    seconds = {"wall": time.monotonic() - begin, "fit": outcome.fit_seconds, "compile": outcome.compile_seconds}
    info |= {
        "command": command,
        "title": sweep.title,
        "seed": sweep.seed,
        "scene_seeds": sorted({point.scenes.seed for point in sweep.points}),
        "config": json.loads(config.to_json()),
        "points": len(sweep.points),
        # Of all finished runs in this folder together; the fits are those in the table.
        "git_revisions": list(dict.fromkeys(revisions)),
        "fits": _fits(outcome.records.values()),
        "seconds": {name: value + float(earlier.get("seconds", {}).get(name, 0.0)) for name, value in seconds.items()},
    }
    write_json(workdir / "run.json", info)
    print(markdown)
    print(
        f"{outcome.fits} fits, {outcome.shared} shared, {outcome.kept} kept from before; "
        f"written: {workdir} (table.csv, table.md, table.tex, plots, points, run.json)"
    )
    say_failures(outcome.failures)
    return 1 if outcome.failures else 0


def _fits(records: Iterable[Mapping[str, Mapping[str, Any]]]) -> int:
    """How many different problems were fitted for these records, by this run or by earlier ones."""
    fitted = (record for by_key in records for record in by_key.values() if "steps" in record)
    return len({record["problem"] for record in fitted})


if __name__ == "__main__":
    sys.exit(main(sys.argv))
