"""Stage 1 by each solver: energy and metrics against seconds.

    python benchmarks/solvers.py [--solvers=adam] [--scenes=16] [--ladder=5,10,20,50,100,200,500,1000]

Metric: seconds per scene until the energy of Adam's end is reached, lower is better. Every solver runs stage 1 from
the initial estimates for each number of steps of a ladder, without the early stop; each end is judged by the energy
with an exact search, joint PA-MPJPE (mm, lower) and PCC (%, higher). A scene's time to Adam's energy is read off its
ladder, straight lines between the rungs. Batches of 16; compilation apart.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from _common import Ratio, machine, make_parser, measure, names, numbers, print_row, write_result
from _ours import Batch, exact_energy, make_batches, never_stopping, stage
from _scenes import mixed

from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.body import BodyModel, BodyParams, load_body, pose_body
from prosepose_jax.fitting import Fitter
from prosepose_jax.fitting.settings import SOLVERS as KNOWN_SOLVERS
from prosepose_jax.metrics import Evaluator
from prosepose_jax.scene import Scene

REFERENCE = "adam"
# Names of `config.solver`; those that the core does not know are left out of a run, with a note.
SOLVERS = (REFERENCE, "lbfgs", "lm")
GOAL_SHARE = 0.2
# A scene has reached Adam's energy when it is this close to it: searches and float32 move the last digits.
TOLERANCE = 1e-3


def solver_config(solver: str, steps: int) -> Any:
    """The default config with this solver and so many steps of stage 1."""
    return never_stopping("two_person", {"stage1.steps": steps, "stage1.tolerance": 1e-4, "solver": solver})


def is_known(solver: str) -> bool:
    """Whether the core has the solver."""
    return solver in KNOWN_SOLVERS


def metrics_of(
    evaluator: Evaluator, scenes: Mapping[str, Scene], batch: Batch, params: BodyParams
) -> tuple[list[float], list[float]]:
    """Joint PA-MPJPE (mm) and PCC (%) of every scene of a batch."""
    body = evaluator.body
    posed = jax.device_get(_pose(body, params))
    errors, contacts = [], []
    for i, key in enumerate(batch.keys):
        scene = scenes[key]
        truth = _truth(body, scene)
        figures = evaluator.bodies(scene, posed.vertices[i], posed.joints[i], truth)
        errors.append(figures["joint_pa_mpjpe_mm"])
        contacts.append(figures["pcc"])
    return errors, contacts


@jax.jit
def _pose(body: BodyModel, params: BodyParams) -> Any:
    return jax.vmap(lambda p: pose_body(body, p))(params)


def _truth(body: BodyModel, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    from prosepose_jax.metrics import _people

    return _people.true_people(body, scene)  # type: ignore[return-value]


def run_ladder(
    solver: str, body: BodyModel, scenes: Sequence[Scene], answers: Any, ladder: Sequence[int], repeats: int, size: int
) -> tuple[list[dict[str, Any]], dict[str, list[tuple[float, float]]]]:
    """One row per rung, and each scene's (seconds, energy) along the ladder, the start first."""
    rows = []
    paths: dict[str, list[tuple[float, float]]] = {}
    by_key = {scene.key: scene for scene in scenes}
    evaluator = Evaluator(body)
    for steps in (0, *ladder):
        config = solver_config(solver, max(steps, 1))
        fitter = Fitter(body, config)
        energies: list[float] = []
        errors: list[float] = []
        contacts: list[float] = []
        seconds = first = 0.0
        for batch in make_batches(fitter, scenes, answers, size):
            params, share = batch.params, 0.0
            if steps:
                results: list[Any] = []
                laps = measure(lambda f=fitter, b=batch, r=results: r.append(stage(f, b, 0)), 0.0, repeats)
                params, share, first = results[-1].params, laps.median / batch.size, first + laps.first
            values = exact_energy(fitter, batch, 0, params, config)
            found = metrics_of(evaluator, by_key, batch, params)
            energies += values.tolist()
            errors += found[0]
            contacts += found[1]
            seconds += share * len(batch.keys)
            for key, value in zip(batch.keys, values, strict=True):
                paths.setdefault(key, []).append((share, float(value)))
        rows.append(
            {
                "solver": solver, "steps": steps, "seconds_per_scene": seconds / len(scenes), "first_calls_s": first,
                "energy": float(np.mean(energies)), "median_energy": float(np.median(energies)),
                "joint_pa_mpjpe_mm": float(np.mean(errors)), "pcc": float(np.mean(contacts)),
            }
        )  # fmt: skip
        print_row(rows[-1])
    return rows, paths


def time_to_reach(path: Sequence[tuple[float, float]], energy: float) -> float | None:
    """Seconds until a path of (seconds, energy) first is at or below an energy; None: never.

    Between two rungs the energy is taken to fall along a straight line.
    """
    before: tuple[float, float] | None = None
    for seconds, value in path:
        if value <= energy:
            if before is None or before[1] <= value:
                return seconds
            share = (before[1] - energy) / (before[1] - value)
            return before[0] + share * (seconds - before[0])
        before = (seconds, value)
    return None


def compare_solvers(paths: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]) -> list[dict[str, Any]]:
    """Per solver: time to Adam's final energy as a share of Adam's whole time, over the scenes."""
    rows = []
    for solver, by_scene in paths.items():
        shares: list[float] = []
        for key, path in by_scene.items():
            end_seconds, end_energy = paths[REFERENCE][key][-1]
            reached = time_to_reach(path, end_energy * (1 + TOLERANCE))
            shares.append(float("inf") if reached is None else reached / end_seconds)
        rows.append(
            {
                "solver": solver, "scenes": len(shares), "reached": sum(np.isfinite(shares).tolist()),
                "within_a_fifth": sum(share <= GOAL_SHARE for share in shares),
                "median_share_of_adams_time": statistics.median(shares),
            }
        )  # fmt: skip
    return rows


def main() -> None:
    """Measures, prints the tables, writes the result file."""
    parser = make_parser(__doc__, "solvers")
    parser.add_argument("--solvers", type=names(SOLVERS), default=list(SOLVERS), help="which; adam is always run")
    parser.add_argument("--scenes", type=int, default=16, help="scenes: six packaged ones, then generated ones")
    parser.add_argument("--batch", type=int, default=16, help="scenes fitted at once")
    parser.add_argument("--ladder", type=numbers, default=[5, 10, 20, 50, 100, 200, 500, 1000], help="numbers of steps")
    parser.add_argument("--repeats", type=int, default=1, help="timed runs of each rung, after a first one")
    arguments = parser.parse_args()
    set_up_jax()
    started = machine()
    body = load_body()
    scenes, answers = mixed(body, arguments.scenes)
    rows: list[dict[str, Any]] = []
    paths: dict[str, Any] = {}
    notes = []
    for solver in dict.fromkeys((REFERENCE, *arguments.solvers)):
        if not is_known(solver):
            notes.append(f"solver {solver!r} is not in this version of the package")
            print(f"note: {notes[-1]}")
            continue
        ladder = sorted(arguments.ladder)
        found, paths[solver] = run_ladder(solver, body, scenes, answers, ladder, arguments.repeats, arguments.batch)
        rows += found
    compared = compare_solvers(paths)
    ratios = [
        Ratio(f"{row['solver']}: median time to Adam's final energy / Adam's time", row["median_share_of_adams_time"],
              "lower", GOAL_SHARE)
        for row in compared if row["solver"] != REFERENCE and np.isfinite(row["median_share_of_adams_time"])
    ]  # fmt: skip
    ends = [row for row in rows if row["solver"] == REFERENCE]
    ratios.append(Ratio("adam: final energy / initial energy", ends[-1]["energy"] / ends[0]["energy"], "lower"))
    settings = {name: getattr(arguments, name) for name in ("solvers", "scenes", "batch", "ladder")}
    write_result(
        arguments.out, "solvers", metric="time to Adam's final stage-1 energy", unit="seconds per scene",
        better="lower", rows=rows + compared, ratios=ratios, settings=settings, notes=notes, started=started,
    )  # fmt: skip


if __name__ == "__main__":
    main()
