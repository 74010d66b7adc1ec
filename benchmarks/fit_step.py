"""Time per scene and step of both stages, against the published algorithm in PyTorch on the same scenes.

    python benchmarks/fit_step.py [--scenes=16] [--batch=16] [--no_baseline]

Metric: milliseconds per scene-step, lower is better. Ours: the median time of a whole stage that takes all its
steps (the early stop switched off), searches included, over steps × scenes in the batch; compilation apart. The
baseline (torch_baseline.py, extra `smplx`): time per step, one scene at a time. Scenes: the packaged two-person
ones filled up with generated ones, 20 answers each. Stage 2 starts for both where our stage 1 ended.
Ratios are taken of the means over scenes, by wall clock and by processor time.
"""

from __future__ import annotations

import statistics
from typing import Any

import jax
import numpy as np
from _common import Ratio, machine, make_parser, measure, numbers, print_row, stopwatch, usable_cpus, write_result
from _ours import Batch, make_batches, never_stopping, stage
from _scenes import mixed

from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.fitting import Fitter

GOALS_MS = (0.5, 1.5)
GOALS_FASTER = (150.0, 2500.0)


def time_ours(fitter: Fitter, batches: list[Batch], repeats: int) -> tuple[list[dict[str, Any]], list[Any]]:
    """A row for every batch, and each batch's parameters after stage 1."""
    rows, after = [], []
    for number, batch in enumerate(batches, start=1):
        params = None
        row: dict[str, Any] = {"who": "ours", "scenes": f"batch {number}", "weight": len(batch.keys)}
        for index, settings in enumerate(fitter.settings.stages):
            results = []
            laps = measure(lambda b=batch, i=index, p=params, r=results: r.append(stage(fitter, b, i, p)), 0.0, repeats)
            steps = np.asarray(results[-1].steps)
            if np.any(steps != settings.steps):
                raise RuntimeError(f"a stage took {steps} steps, expected {settings.steps}: it cannot be timed")
            scene_steps = batch.size * settings.steps
            row |= _figures(index, laps.median / scene_steps, laps.median_cpu / scene_steps)
            row[f"stage_{index + 1}_first_call_s"] = laps.first
            params = results[-1].params
            if index == 0:
                after.append(params)
        rows.append(row)
        print_row(row)
    return rows, after


def _figures(index: int, wall: float, cpu: float) -> dict[str, float]:
    return {f"stage_{index + 1}_ms": 1e3 * wall, f"stage_{index + 1}_cpu_ms": 1e3 * cpu}


def time_baseline(
    body: BodyModel, scenes: list[Any], answers: Any, starts: dict[str, Any], steps: list[int]
) -> tuple[list[dict[str, Any]], float]:
    """A row for every scene, and the time of `smplx` forward and gradient for two people in ms."""
    import torch  # after _common, which says how threads wait
    from torch_baseline import TorchBaseline, body_unit

    torch.set_num_threads(usable_cpus())
    baseline = TorchBaseline(body, never_stopping("parity_two_person"))
    unit = 1e3 * measure(body_unit(baseline), 1.0).median
    rows = []
    for scene in scenes:
        made = baseline.scene(scene, answers[scene.key])
        row: dict[str, Any] = {
            "who": "baseline", "scenes": scene.key, "weight": 1,
            "distances": len(made.choices.pairs), "choices": len(made.choices.members),
        }  # fmt: skip
        for index, count in enumerate(steps):
            start = made.params if index == 0 else baseline.params(starts[scene.key])
            baseline.run_stage(made, 0, start, steps=2)  # warm
            with stopwatch() as spent:
                baseline.run_stage(made, index, start, steps=count)
            row |= _figures(index, spent["wall"] / count, spent["cpu"] / count)
        rows.append(row)
        print_row(row)
    return rows, unit


def mean(rows: list[dict[str, Any]], who: str, field: str) -> float:
    """Mean of a figure over scenes: a batch counts as many times as it has scenes that are no repetitions."""
    chosen = [row for row in rows if row["who"] == who]
    return sum(row[field] * row["weight"] for row in chosen) / sum(row["weight"] for row in chosen)


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per contender with the means over its scenes."""
    fields = [f"stage_{number}_{field}" for number in (1, 2) for field in ("ms", "cpu_ms")]
    found = dict.fromkeys(row["who"] for row in rows)
    return [{"who": f"{who}, mean", **{field: mean(rows, who, field) for field in fields}} for who in found]


def ratios_of(rows: list[dict[str, Any]], number: int, unit: float, goal: float) -> list[Ratio]:
    """How much faster than the baseline, and both in the unit that tells a faster package from a slower baseline."""
    field = f"stage_{number}_ms"
    mine, theirs = (mean(rows, who, field) for who in ("ours", "baseline"))
    mine_cpu, theirs_cpu = (mean(rows, who, f"stage_{number}_cpu_ms") for who in ("ours", "baseline"))
    return [
        Ratio(f"stage {number}: times as fast as the baseline", theirs / mine, "higher", goal),
        Ratio(f"stage {number}: times as fast as the baseline, processor time", theirs_cpu / mine_cpu, "higher"),
        Ratio(f"stage {number}: our scene-step / smplx forward and gradient", mine / unit, "lower"),
        Ratio(f"stage {number}: baseline step / smplx forward and gradient", theirs / unit, "lower"),
    ]


def main() -> None:
    """Measures, prints the tables, writes the result file."""
    parser = make_parser(__doc__, "fit_step")
    parser.add_argument("--scenes", type=int, default=16, help="scenes: six packaged ones, then generated ones")
    parser.add_argument("--batch", type=int, default=16, help="scenes fitted at once")
    parser.add_argument("--config", default="two_person", help="our config")
    parser.add_argument("--steps", type=numbers, default=[1000, 200], help="steps of our stages 1 and 2")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each of our stages, after a first one")
    parser.add_argument("--baseline_steps", type=numbers, default=[5, 2], help="timed steps of the baseline a scene")
    parser.add_argument("--no_baseline", action="store_true", help="ours alone")
    arguments = parser.parse_args()
    if len(arguments.steps) != 2 or len(arguments.baseline_steps) != 2:
        parser.error("--steps, --baseline_steps: expected two numbers, for stage 1 and stage 2")
    set_up_jax()
    started = machine()
    body = load_body()
    scenes, answers = mixed(body, arguments.scenes)
    overrides = {"stage1.steps": arguments.steps[0], "stage2.steps": arguments.steps[1]}
    fitter = Fitter(body, never_stopping(arguments.config, overrides))
    batches = make_batches(fitter, scenes, answers, arguments.batch)
    rows, after = time_ours(fitter, batches, arguments.repeats)
    ratios, notes = [], []
    for number, goal in enumerate(GOALS_MS, start=1):
        notes.append(
            f"goal of stage {number}: {goal} ms per scene-step; {mean(rows, 'ours', f'stage_{number}_ms'):.3g}"
        )
    if not arguments.no_baseline:
        starts = {
            key: jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), params)
            for batch, params in zip(batches, after, strict=True)
            for i, key in enumerate(batch.keys)
        }
        theirs, unit = time_baseline(body, scenes, answers, starts, arguments.baseline_steps)
        rows += theirs
        notes.append(f"smplx forward and gradient for two people: {unit:.1f} ms (the release's machine: 17.5 ms)")
        for number, goal in enumerate(GOALS_FASTER, start=1):
            times = [row[f"stage_{number}_ms"] for row in theirs]
            notes.append(
                f"baseline, stage {number}: {min(times):.3g} to {max(times):.3g} ms, median "
                f"{statistics.median(times):.3g}; {min(times) / unit:.3g} to {max(times) / unit:.3g} times that unit"
            )
            ratios += ratios_of(rows, number, unit, goal)
    settings = {name: getattr(arguments, name) for name in ("scenes", "batch", "config", "steps", "baseline_steps")}
    write_result(
        arguments.out, "fit_step", metric="time per scene-step", unit="ms", better="lower",
        rows=means(rows) + rows, ratios=ratios, settings=settings, notes=notes, started=started,
    )  # fmt: skip


if __name__ == "__main__":
    main()
