"""Complete two-stage fits: scenes per second of each setting, with its quality beside its speed.

    python benchmarks/fit_scenes.py [--counts=1,16,64] [--settings=default,all_steps_exact] [--quality_scenes=60]

Metrics: scenes per second, higher is better, without compilation; final energy (both stages' last recorded total
with the exact search, lower), joint PA-MPJPE (mm, lower) and PCC (%, higher) against the known truth. Every setting
is a line in SETTINGS. Quality is compared pairwise, over the same scenes, with the setting "all_steps_exact" when it
is run, else with "all_steps" (95 % bootstrap intervals), so a fast setting that loses accuracy shows. The exact
setting takes some ten seconds a scene: its fits are kept in out/bench under the code's revision, and a stopped run
goes on. Scenes: the packaged two-person ones filled up
with generated ones, 20 answers each. The baseline's scenes per second come from fit_step.json where it is there:
its step times × the steps of a full fit, extrapolated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from _common import CACHE, Ratio, git, machine, make_parser, names, numbers, print_row, write_result
from _ours import configured, make_batches
from _ours import exact_energy as exact_energy_of
from _scenes import SceneSets, mixed
from ml_collections import ConfigDict

from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.body import BodyModel, BodyParams, load_body
from prosepose_jax.fitting import Fitter
from prosepose_jax.io import has_fit, load_fits, save_fit
from prosepose_jax.metrics import compare, evaluate
from prosepose_jax.scene import Answer, Fit, Scene

# What quality is compared with: the first of these that is run.
EXACT, ALL_STEPS = "all_steps_exact", "all_steps"
REFERENCES = (EXACT, ALL_STEPS)
# Name: packaged config and what is overridden. `stop.slope` 0: no early stop.
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "default": ("two_person", {}),
    ALL_STEPS: ("two_person", {"solver": "adam", "stop.slope": 0.0}),
    # Every step searches anew, exactly: "cells" finds what "exact" finds (tests/fitting/test_search.py).
    EXACT: (
        "two_person",
        {
            "solver": "adam", "stop.slope": 0.0, "contact.refresh_every": 1, "penetration.refresh_every": 1,
            "penetration.slots": 1024,
        },
    ),
}  # fmt: skip
QUALITY = {"joint_pa_mpjpe_mm": "lower", "pcc": "higher"}
GOALS = {("default", 64): 1.5, (ALL_STEPS, 64): 0.5}  # scenes per second
GOAL_BASELINE = 3000.0
SHORT_S = 100.0  # a run of less is made twice, and the second counts


def settings_of(name: str, batch: int, steps: Sequence[int] | None) -> ConfigDict:
    """The config of a named setting."""
    config, overrides = SETTINGS[name]
    more = {} if steps is None else {"stage1.steps": steps[0], "stage2.steps": steps[1]}
    chosen = configured(config, {**overrides, **more})
    chosen.batch_size = min(batch, chosen.batch_size)  # more scenes wait for a free slot
    return chosen


def fit_all(
    fitter: Fitter, scenes: Sequence[Scene], answers: Mapping[str, Sequence[Answer]]
) -> tuple[dict[str, Fit], dict[str, float]]:
    """All fits by key, and the seconds of fitting and of compiling."""
    before = (fitter.timing.fit, fitter.timing.compile)
    fits = {fit.key: fit for fit in fitter.fit(scenes, lambda key: answers[key])}
    failed = {key: fit.status for key, fit in fits.items() if not fit.ok}
    if failed:
        raise RuntimeError(f"scenes failed: {failed}")
    return fits, {"fit": fitter.timing.fit - before[0], "compile": fitter.timing.compile - before[1]}


def fits_folder_of(name: str, config: ConfigDict) -> Path:
    """Where a setting's fits are kept: their config, and the code that made them, are part of the name."""
    changes = git("diff", "HEAD", "--", "prosepose_jax", "configs", "smpl_assets") or ""
    digest = hashlib.sha256(f"{git('rev-parse', 'HEAD')}{changes}{config.to_json()}".encode()).hexdigest()
    return CACHE / "fits" / f"{name}-{digest[:16]}"


def fit_or_read(
    fitter: Fitter, scenes: Sequence[Scene], answers: Mapping[str, Sequence[Answer]], folder: Path
) -> dict[str, Fit]:
    """Fits of an earlier run from the folder, the others fitted now and kept there batch by batch."""
    missing = [scene for scene in scenes if not has_fit(folder, scene.key)]
    for fit in fitter.fit(missing, lambda key: answers[key]):
        if not fit.ok:
            raise RuntimeError(f"scene {fit.key}: {fit.status}")
        save_fit(folder, fit)
    kept = load_fits(folder) if scenes else {}
    return {scene.key: kept[scene.key] for scene in scenes}


def final_energy(
    body: BodyModel, scenes: Sequence[Scene], answers: Mapping[str, Sequence[Answer]], fits: Mapping[str, Fit]
) -> dict[str, float]:
    """Each fit's stage-2 energy by the exact search, under the default weights whatever it was fitted with.

    The initial-pose term pulls to the initial estimate, not to where the fit's own stage 2 began.
    """
    energies = {}
    config = configured("two_person")
    fitter = Fitter(body, config)
    for batch in make_batches(fitter, scenes, answers, min(16, len(scenes))):
        keys = [batch.keys[i % len(batch.keys)] for i in range(batch.size)]
        params: BodyParams = jax.tree.map(np.asarray, batch.params)
        moved = {
            name: np.stack([np.asarray(getattr(fits[key], name), np.float32) for key in keys])
            for name in ("global_orient", "body_pose", "betas", "transl")
        }
        values = exact_energy_of(fitter, batch, 1, params.replace(**moved), config)
        energies |= dict(zip(batch.keys, map(float, values), strict=True))
    return energies


def baseline_seconds(file: Path, steps: Sequence[int]) -> float | None:
    """Seconds of a whole fit by the baseline, extrapolated from the mean step times of fit_step.json."""
    try:
        rows = [row for row in json.loads(file.read_text(encoding="utf-8"))["rows"] if row["who"] == "baseline"]
        times = [[float(row[f"stage_{number}_ms"]) for row in rows] for number in (1, 2)]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not measured, or a file of another layout: the figure is left out, the fits are not lost
    return sum(count * float(np.mean(one)) / 1e3 for count, one in zip(steps, times, strict=True)) if rows else None


def main() -> None:
    """Fits, prints the tables, writes the result file."""
    parser = make_parser(__doc__, "fit_scenes")
    parser.add_argument("--counts", type=numbers, default=[1, 16, 64], help="scenes at once (256: minutes)")
    parser.add_argument("--settings", type=names(tuple(SETTINGS)), default=list(SETTINGS), help="which of SETTINGS")
    parser.add_argument(
        "--quality_scenes", type=int, default=60, help="scenes whose fits are judged; at least so many are fitted once"
    )
    parser.add_argument("--exact_counts", type=numbers, default=[16], help=f"--counts of {EXACT}, which is slow")
    parser.add_argument("--steps", type=numbers, help="steps of stages 1 and 2 in every setting, to try the script")
    arguments = parser.parse_args()
    if arguments.steps is not None and len(arguments.steps) != 2:
        parser.error("--steps: expected two numbers, for stage 1 and stage 2")
    set_up_jax()
    started = machine()
    body = load_body()
    everything = mixed(body, max(*arguments.counts, arguments.quality_scenes))
    rows: list[dict[str, Any]] = []
    quality: dict[str, dict[str, dict[str, Any]]] = {}
    for name in arguments.settings:
        found, quality[name] = run_setting(name, body, everything, arguments)
        rows += found
    rows += compare_quality(quality)
    ratios = make_ratios(rows, arguments)
    settings = {
        name: getattr(arguments, name) for name in ("counts", "settings", "quality_scenes", "exact_counts", "steps")
    }
    notes = ["times as fast as the baseline: the baseline's whole fits are extrapolated from its timed steps"]
    write_result(
        arguments.out, "fit_scenes", metric="complete fits", unit="scenes per second", better="higher",
        rows=rows, ratios=ratios, settings=settings, notes=notes, started=started,
    )  # fmt: skip


def run_setting(
    name: str, body: BodyModel, everything: SceneSets, arguments: Any
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """One row per count, and the figures of every judged scene by its key."""
    scenes, answers = everything
    judged = scenes[: arguments.quality_scenes]
    rows = []
    fits: dict[str, Fit] = {}
    counts = arguments.exact_counts if name == EXACT else arguments.counts
    for count in counts:
        fitter = Fitter(body, settings_of(name, count, arguments.steps))
        chosen = scenes[:count]
        fitted, seconds = fit_all(fitter, chosen, answers)
        compile_seconds = seconds["compile"]
        if seconds["fit"] < SHORT_S:
            # Small programs around the stages are compiled once per array shape; they matter in a short run only.
            fitted, seconds = fit_all(fitter, chosen, answers)
        fits |= fitted
        steps = np.array([fit.steps for fit in fitted.values()])
        rows.append(
            {
                "setting": name, "scenes": len(chosen), "scenes_per_second": len(chosen) / seconds["fit"],
                "seconds": seconds["fit"], "compile_s": compile_seconds,
                "steps_1": float(steps[:, 0].mean()), "steps_2": float(steps[:, 1].mean()),
                "goal": GOALS.get((name, count)),
            }
        )  # fmt: skip
        print_row(rows[-1])
    config = settings_of(name, 16, arguments.steps)
    fitter = Fitter(body, config)
    missing = [scene for scene in judged if scene.key not in fits]
    fits |= fit_or_read(fitter, missing, answers, fits_folder_of(name, config))
    table = evaluate(body, judged, {scene.key: fits[scene.key] for scene in judged})["scenes"]
    energies = final_energy(body, judged, answers, fits)
    return rows, {key: {**entry, "final_energy": energies[key]} for key, entry in table.items()}


def compare_quality(quality: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Means of every setting, and the paired differences from the reference with 95 % intervals."""
    rows = []
    reference = next((name for name in REFERENCES if name in quality), None)
    for name, table in quality.items():
        row: dict[str, Any] = {"setting": name, "judged": len(table)}
        for metric in (*QUALITY, "final_energy"):
            row[metric] = float(np.mean([entry[metric] for entry in table.values() if metric in entry]))
            if reference is not None and name != reference:
                apart = compare(quality[reference], table, metric)
                row |= {f"{metric}_difference": apart.mean, f"{metric}_interval": [apart.low, apart.high]}
        rows.append(row)
    return rows


def make_ratios(rows: Sequence[Mapping[str, Any]], arguments: Any) -> list[Ratio]:
    """What the regression check compares: gains of batching, quality differences, the baseline."""
    speed = {(row["setting"], row["scenes"]): row["scenes_per_second"] for row in rows if "scenes" in row}
    ratios = []
    for (name, count), value in speed.items():
        if count > 1 and (name, 1) in speed:
            ratios.append(Ratio(f"{name}: scenes/s at {count} / at 1", value / speed[name, 1], "higher"))
        if name == "default" and ("all_steps", count) in speed:
            ratios.append(
                Ratio(f"default / all_steps at {count}, scenes/s", value / speed["all_steps", count], "higher")
            )
    full = arguments.steps or [1000, 1000]
    theirs = baseline_seconds(arguments.out.with_name("fit_step.json"), full)
    for (name, count), value in speed.items():
        if theirs is not None and count == max(c for n, c in speed if n == name):
            name_of = f"{name} at {count}: times the baseline's scenes/s (extrapolated)"
            ratios.append(Ratio(name_of, value * theirs, "higher", GOAL_BASELINE))
    for row in rows:
        for metric, better in QUALITY.items():
            if "judged" in row:
                ratios.append(Ratio(f"{row['setting']}: mean {metric}", row[metric], better))
    return ratios


if __name__ == "__main__":
    main()
