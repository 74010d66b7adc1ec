"""How fast fits are evaluated, and how much memory that takes.

    python benchmarks/evaluate_fits.py [--fits=10000] [--different=64] [--body=small] [--processes=2]

Metrics: seconds for 10,000 fits of two people (lower is better), from files to every figure of metrics.json, the
initial estimates' included; processor milliseconds a fit, which other work on the machine changes less; peak resident
memory in MiB at a tenth of the fits and at the end (the difference is what grows), of the largest process where there
are several. Fits are made here: the truth of
generated scenes, moved a little, so that people touch and stand in each other as fits do. `different` scenes are
written once and read again and again under different keys.
"""

from __future__ import annotations

import dataclasses
import functools
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _common import CACHE, ROOT, Ratio, machine, make_parser, stopwatch, usable_cpus, write_result

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


def main() -> None:
    """Evaluates, prints the table, writes the result file."""
    parser = make_parser(__doc__, "evaluate_fits")
    parser.add_argument("--fits", type=int, default=GOAL_FITS, help="how many fits to evaluate")
    parser.add_argument("--different", type=int, default=64, help="scenes that are not copies of others")
    parser.add_argument("--body", choices=("embedded", "small"), default="embedded")
    parser.add_argument("--processes", type=int, default=usable_cpus(), help="as `prosepose evaluate --processes`")
    flags = parser.parse_args()
    started = machine()
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.metrics.evaluate import CHUNK, Evaluator, evaluate_rows

    set_up_jax()
    body = load_body(ROOT / "tests" / "data" / "small_body.npz" if flags.body == "small" else None)
    with tempfile.TemporaryDirectory(dir=_cache()) as name:
        folder = Path(name)
        make_run(folder, body, flags.different)
        file = ROOT / "tests" / "data" / "small_body.npz" if flags.body == "small" else None
        entries: Callable[[int], Iterator[Any]]
        if flags.processes > 1:
            entries = functools.partial(_apart, folder, file, flags.processes)
        else:
            evaluator = Evaluator(body)
            entries = lambda count: evaluate_rows(evaluator, rows(folder, count))  # noqa: E731
        with stopwatch() as compiled:
            list(entries(max(CHUNK, flags.different)))
        tenth = max(1, flags.fits // 10)
        early, of_others = peak_mib(), others_cpu()
        with stopwatch() as spent:
            for number, (_, _, entry) in enumerate(entries(flags.fits), start=1):
                if "error" in entry:
                    raise RuntimeError(f"fit {number}: {entry['error']}")
                if number == tenth:
                    early = peak_mib()
    cpu = spent["cpu"] + others_cpu() - of_others
    row = {
        "body": flags.body, "vertices": body.num_vertices, "fits": flags.fits, "different": flags.different,
        "processes": flags.processes,
        "first_pass_s": compiled["wall"], "seconds": spent["wall"], "ms_per_fit": 1e3 * spent["wall"] / flags.fits,
        "cpu_ms_per_fit": 1e3 * cpu / flags.fits, "peak_mib_at_a_tenth": early, "peak_mib": peak_mib(),
    }  # fmt: skip
    growth = row["peak_mib"] - row["peak_mib_at_a_tenth"]
    seconds = row["seconds"] / flags.fits * GOAL_FITS
    write_result(
        flags.out, "evaluate_fits", metric="time of 10,000 fits", unit="s", better="lower", rows=[row],
        ratios=[Ratio("seconds for 10,000 fits", seconds, "lower", GOAL_S),
                Ratio("growth of memory over the last nine tenths, MiB", max(growth, 0.0), "lower", GOAL_GROWTH_MIB)],
        settings={name: getattr(flags, name) for name in ("fits", "different", "body", "processes")}, started=started,
        notes=[] if flags.fits == GOAL_FITS else [f"measured on {flags.fits} fits; the time for 10,000 is scaled up"],
    )  # fmt: skip


def _apart(folder: Path, body: Path | None, processes: int, count: int) -> Iterator[Any]:
    """`evaluate_rows` in several processes, the scenes read here."""
    from prosepose_jax.apps._evaluating import Job, evaluate_in_processes
    from prosepose_jax.io import load_scene
    from prosepose_jax.io.scenes import scene_files

    files = scene_files(folder / "scenes")
    scenes = [load_scene(files[number % len(files)]) for number in range(count)]
    return evaluate_in_processes(Job(str(folder), {"path": body}), scenes, [()] * count, processes)


def _cache() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    return CACHE


if __name__ == "__main__":
    main()
