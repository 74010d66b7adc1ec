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
    """Rows for every batch and stage, and each batch's parameters after stage 1."""
    rows, after = [], []
    for number, batch in enumerate(batches):
        params = None
        for index, settings in enumerate(fitter.settings.stages):
            results = []
            laps = measure(lambda b=batch, i=index, p=params, r=results: r.append(stage(fitter, b, i, p)), 0.0, repeats)
            steps = np.asarray(results[-1].steps)
            if np.any(steps != settings.steps):
                raise RuntimeError(f"a stage took {steps} steps, expected {settings.steps}: it cannot be timed")
            scene_steps = batch.size * settings.steps
            rows.append(
                {
                    "who": "ours", "stage": index + 1, "scenes": f"batch {number} ({len(batch.keys)} scenes)",
                    "ms": 1e3 * laps.median / scene_steps, "cpu_ms": 1e3 * laps.median_cpu / scene_steps,
                    "first_call_s": laps.first, "steps": settings.steps, "weight": len(batch.keys),
                }
            )  # fmt: skip
            print_row(rows[-1])
            params = results[-1].params
            if index == 0:
                after.append(params)
    return rows, after


def time_baseline(
    body: BodyModel, scenes: list[Any], answers: Any, starts: dict[str, Any], steps: list[int]
) -> tuple[list[dict[str, Any]], float]:
    """Rows for every scene and stage, and the time of `smplx` forward and gradient for two people in ms."""
    import torch  # after _common, which says how threads wait
    from torch_baseline import TorchBaseline, body_unit

    torch.set_num_threads(usable_cpus())
    baseline = TorchBaseline(body, never_stopping("parity_two_person"))
    unit = 1e3 * measure(body_unit(baseline), 1.0).median
    rows = []
    for scene in scenes:
        made = baseline.scene(scene, answers[scene.key])
        for index, count in enumerate(steps):
            start = made.params if index == 0 else baseline.params(starts[scene.key])
            baseline.run_stage(made, 0, start, steps=2)  # warm
            with stopwatch() as spent:
                baseline.run_stage(made, index, start, steps=count)
            rows.append(
                {
                    "who": "baseline", "stage": index + 1, "scenes": scene.key, "ms": 1e3 * spent["wall"] / count,
                    "cpu_ms": 1e3 * spent["cpu"] / count, "steps": count, "weight": 1,
                    "distances": len(made.choices.pairs), "choices": len(made.choices.members),
                }
            )  # fmt: skip
            print_row(rows[-1])
    return rows, unit


def mean(rows: list[dict[str, Any]], who: str, number: int, field: str) -> float:
    """Mean over scenes of one stage's figure."""
    chosen = [row for row in rows if row["who"] == who and row["stage"] == number]
    return sum(row[field] * row["weight"] for row in chosen) / sum(row["weight"] for row in chosen)


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
    for number in (1, 2):
        print(f"ours, stage {number}: {mean(rows, 'ours', number, 'ms'):.3f} ms per scene-step "
              f"(goal {GOALS_MS[number - 1]})")  # fmt: skip
    if not arguments.no_baseline:
        starts = {
            key: jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), params)
            for batch, params in zip(batches, after, strict=True)
            for i, key in enumerate(batch.keys)
        }
        theirs, unit = time_baseline(body, scenes, answers, starts, arguments.baseline_steps)
        rows += theirs
        for number in (1, 2):
            times = [row["ms"] for row in theirs if row["stage"] == number]
            print(f"baseline, stage {number}: {min(times):.0f} to {max(times):.0f} ms, "
                  f"median {statistics.median(times):.0f}; {min(times) / unit:.1f} to {max(times) / unit:.1f} times "
                  f"a smplx forward and gradient ({unit:.1f} ms)")  # fmt: skip
            for field, label in (("ms", ""), ("cpu_ms", ", processor time")):
                value = mean(rows, "baseline", number, field) / mean(rows, "ours", number, field)
                goal = GOALS_FASTER[number - 1] if field == "ms" else None
                ratios.append(Ratio(f"stage {number}: times as fast as the baseline{label}", value, "higher", goal))
            # The unit tells apart a faster package and a slower baseline.
            for who, label in (("ours", "our scene-step"), ("baseline", "baseline step")):
                value = mean(rows, who, number, "ms") / unit
                ratios.append(Ratio(f"stage {number}: {label} / smplx forward and gradient", value, "lower"))
        notes.append(f"smplx forward and gradient for two people: {unit:.1f} ms (the release's machine: 17.5 ms)")
    settings = {name: getattr(arguments, name) for name in ("scenes", "batch", "config", "steps", "baseline_steps")}
    write_result(
        arguments.out, "fit_step", metric="time per scene-step", unit="ms", better="lower",
        rows=rows, ratios=ratios, settings=settings, notes=notes, started=started,
    )  # fmt: skip


if __name__ == "__main__":
    main()
