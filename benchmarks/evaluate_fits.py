"""How fast fits are evaluated, and how much memory that takes.

    python benchmarks/evaluate_fits.py [--fits=500,2000] [--processes=1,2] [--different=64] [--before=TREE]

Metrics: processor milliseconds a fit of two people (lower is better), from files to metrics.json, the initial
estimates' figures included, and what 10,000 fits take of each process; seconds; peak resident memory in MiB at a tenth
of the fits and at the end, of the largest process where there are several: it should not grow with the fits. Fits are
made here: the truth of generated scenes, moved a little, so that people touch and stand in each other as fits do.
`different` scenes are written once and read again and again. Every count is measured in a process of its own, with the
compiled loops of the extra `fast` where it is installed. With --before, a checkout of earlier code, its processor time
is measured beside, on the fewest fits in one process. The goal is 10,000 fits in two minutes on two cores:
--fits=10000 --processes=2.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _common import CACHE, ROOT, Ratio, machine, make_parser, numbers, print_row, stopwatch, write_result

_CHILD = "--child"
GOAL_S, GOAL_FITS, GOAL_GROWTH_MIB = 120.0, 10_000, 64.0


def peak_mib() -> float:
    """Peak resident memory so far, of this process or of a larger one that it started and that has ended."""
    size = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return size / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def others_cpu() -> float:
    """Processor seconds of processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_run(folder: Path, body: Any, count: int) -> None:
    """Writes `count` scenes with fits near their truth."""
    from prosepose_jax.io import load_scenes, save_fit, save_scene
    from prosepose_jax.metrics import Evaluator
    from prosepose_jax.resources import demo_dir
    from prosepose_jax.scene import Fit

    evaluator = Evaluator(body)
    rng = np.random.default_rng(0)
    bases = [scene for scene in load_scenes(demo_dir() / "scenes") if scene.num_people == 2]
    for number in range(count):
        base = bases[number % len(bases)]
        assert base.gt_body_pose is not None and base.gt_transl is not None
        fitted = dataclasses.replace(
            base, key=f"{base.key}_{number}", image=None,
            gt_body_pose=base.gt_body_pose + 0.03 * rng.normal(size=base.gt_body_pose.shape).astype(np.float32),
            gt_transl=base.gt_transl + 0.02 * rng.normal(size=base.gt_transl.shape).astype(np.float32),
        )  # fmt: skip
        people, initial = evaluator.truth(fitted), evaluator.initial(base)
        assert people is not None
        save_scene(folder / "scenes", dataclasses.replace(base, key=fitted.key, image=None))
        save_fit(folder, Fit(
            fitted.key, "ok", fitted.gt_global_orient, fitted.gt_body_pose, fitted.gt_betas, fitted.gt_transl,
            vertices=people[0], joints=people[1], initial_vertices=initial[0], initial_joints=initial[1],
            answers=20, answers_usable=20,
        ))  # fmt: skip


def rows(folder: Path, count: int) -> Iterator[Any]:
    """`count` scenes and fits, each read from its file."""
    from prosepose_jax.io import load_fits, load_scene
    from prosepose_jax.io.scenes import scene_files
    from prosepose_jax.metrics.evaluate import Row

    fits = load_fits(folder)
    files = scene_files(folder / "scenes")
    for number in range(count):
        file = files[number % len(files)]
        key = f"{file.stem}_{number}"
        yield Row(dataclasses.replace(load_scene(file), key=key), dataclasses.replace(fits[file.stem], key=key))


def measure_here(folder: Path, body_file: Path | None, count: int, processes: int, warm: int) -> dict[str, float]:
    """Figures of the code that this process runs."""
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.metrics.evaluate import CHUNK, Evaluator, evaluate_rows

    set_up_jax()
    body = load_body(body_file)
    entries: Callable[[int], Iterator[Any]]
    if processes > 1:
        entries = functools.partial(_apart, folder, body_file, processes)
    else:
        evaluator = Evaluator(body)
        entries = lambda count: evaluate_rows(evaluator, rows(folder, count))  # noqa: E731
        list(entries(max(CHUNK, warm)))  # compiles
    tenth = max(1, count // 10)
    early, of_others = peak_mib(), others_cpu()
    with stopwatch() as spent, open(os.devnull, "w") as out:
        for number, (_, _, entry) in enumerate(entries(count), start=1):
            if "error" in entry:
                raise RuntimeError(f"fit {number}: {entry['error']}")
            out.write(json.dumps(entry))
            if number == tenth:
                early = peak_mib()
    return {
        "vertices": body.num_vertices, "seconds": spent["wall"],
        "cpu_ms_per_fit": 1e3 * (spent["cpu"] + others_cpu() - of_others) / count,
        "peak_mib_at_a_tenth": early, "peak_mib": peak_mib(),
    }  # fmt: skip


def measure_apart(tree: Path, *arguments: Any) -> dict[str, float]:
    """`measure_here` in a process of its own, with the package of a tree."""
    words = [str(tree), *("" if word is None else str(word) for word in arguments)]
    command = [sys.executable, str(Path(__file__).resolve()), _CHILD, *words]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Evaluates, prints the table, writes the result file."""
    if sys.argv[1:2] == [_CHILD]:
        tree, folder, file, count, processes, warm = sys.argv[2:]
        import prosepose_jax

        assert Path(prosepose_jax.__file__).is_relative_to(tree), prosepose_jax.__file__
        found = measure_here(Path(folder), Path(file) if file else None, int(count), int(processes), int(warm))
        print(json.dumps(found))
        return
    parser = make_parser(__doc__, "evaluate_fits")
    parser.add_argument("--fits", type=numbers, default=[500, 2000], help="how many fits to evaluate")
    parser.add_argument("--different", type=int, default=64, help="scenes that are not copies of others")
    parser.add_argument("--body", choices=("embedded", "small"), default="embedded")
    parser.add_argument("--processes", type=numbers, default=[1, 2], help="as `prosepose evaluate --processes`")
    parser.add_argument("--before", type=Path, help="checkout of earlier code to measure beside")
    flags = parser.parse_args()
    started = machine()
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body

    set_up_jax()
    file = ROOT / "tests" / "data" / "small_body.npz" if flags.body == "small" else None
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=_cache()) as name:
        folder = Path(name)
        make_run(folder, load_body(file), flags.different)
        runs = [("now", ROOT, processes, count) for processes in flags.processes for count in sorted(flags.fits)]
        if flags.before is not None:
            runs = [("now", ROOT, 1, min(flags.fits)), ("earlier", flags.before.resolve(), 1, min(flags.fits)), *runs]
            runs = list(dict.fromkeys(runs))
        for code, tree, processes, count in runs:
            figures = measure_apart(tree, folder, file, count, processes, flags.different)
            found.append({"code": code, "body": flags.body, "processes": processes, "fits": count} | figures)
            print_row(found[-1])
    now = [row for row in found if row["code"] == "now"]
    most = now[-1]
    ratios = [Ratio(
        f"processor seconds a process for {GOAL_FITS:,} fits, {most['processes']} processes",
        1e-3 * most["cpu_ms_per_fit"] * GOAL_FITS / most["processes"], "lower", GOAL_S,
    )]  # fmt: skip
    for processes in flags.processes:
        of_these = [row["peak_mib"] for row in now if row["processes"] == processes]
        name = f"growth of memory from {min(flags.fits):,} to {max(flags.fits):,} fits, MiB, {processes} processes"
        ratios += [Ratio(name, max(of_these[-1] - of_these[0], 0.0), "lower", GOAL_GROWTH_MIB)] * (len(of_these) > 1)
    for row in found:
        if row["code"] == "earlier":
            own = next(one for one in now if (one["processes"], one["fits"]) == (1, row["fits"]))
            share = own["cpu_ms_per_fit"] / row["cpu_ms_per_fit"]
            ratios.append(Ratio("processor time a fit, now / earlier", share, "lower"))
    write_result(
        flags.out, "evaluate_fits", metric="processor time a fit", unit="ms", better="lower", rows=found, ratios=ratios,
        settings={name: getattr(flags, name) for name in ("fits", "different", "body", "processes")}, started=started,
        notes=[
            "two processes and more start within what is measured",
            "seconds are those of the clock: other work on the machine counts",
        ],
    )  # fmt: skip


def _apart(folder: Path, body: Path | None, processes: int, count: int) -> Iterator[Any]:
    """The same in several processes, as `prosepose evaluate` has them."""
    from prosepose_jax.apps._evaluating import Job, evaluate_in_processes
    from prosepose_jax.io import scene_files

    files = scene_files(folder / "scenes")
    repeated = [files[number % len(files)] for number in range(count)]
    return evaluate_in_processes(Job(str(folder), {"path": body}), repeated, [()] * count, processes)


def _cache() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    return CACHE


if __name__ == "__main__":
    main()
