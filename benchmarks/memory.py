"""Peak memory of a fit against the batch size, and what a new array shape costs to compile.

    python benchmarks/memory.py [--counts=1,16,64,256] [--slots=16]

Metrics: peak resident memory of a fresh process in MiB, in total and above what it had before the fit (package
imported, body loaded and prepared), lower is better; seconds to compile a new bucket (the program of the stages and
the posing of results), from cold and from the persistent cache, lower is better. Scenes of one bucket, repeated,
handed over in one call; `slots` of them are worked on at a time. Few steps are taken: memory does not grow with them
but for the record of losses (28 bytes a step and scene). On a GPU the device's own peak is listed beside.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _common import Ratio, machine, make_parser, numbers, print_row, write_result

GOAL_MIB, GOAL_COLD_S, GOAL_CACHED_S, GOAL_AT = 2048, 20.0, 3.0, 64
_DIFFERENT = 16  # scenes that are not copies of others
_STEPS = 12  # more than one round, so that a search follows a step


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure_here(count: int, slots: int) -> dict[str, Any]:
    """Fits `count` scenes in one call in this process; figures in MiB and seconds."""
    import jax
    from _ours import configured, largest_group
    from _scenes import mixed, repeated

    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.fitting import Fitter

    set_up_jax()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    body = load_body()
    overrides = {"stage1.steps": _STEPS, "stage2.steps": _STEPS, "batch_size": min(count, slots)}
    overrides["scenes_per_call"] = count
    fitter = Fitter(body, configured("two_person", overrides))
    scenes, answers = repeated(largest_group(fitter, *mixed(body, _DIFFERENT)), count)
    before = peak_mib()
    fits = list(fitter.fit(scenes, lambda key: answers[key]))
    if len(fits) != count or not all(fit.ok for fit in fits):
        raise RuntimeError(f"expected {count} fits, found {[fit.status for fit in fits]}")
    figures: dict[str, Any] = {
        "scenes": count, "slots": min(count, slots), "peak_mib": peak_mib(), "before_mib": before,
        "above_mib": peak_mib() - before,
        "compile_s": fitter.timing.compile,
    }  # fmt: skip
    statistics = jax.devices()[0].memory_stats()  # None on the CPU
    if statistics and "peak_bytes_in_use" in statistics:
        figures["device_peak_mib"] = statistics["peak_bytes_in_use"] / (1 << 20)
    return figures


def measure_apart(count: int, slots: int, cache: Path) -> dict[str, Any]:
    """`measure_here` in a fresh process with the given compilation cache."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    command = [sys.executable, str(Path(__file__).resolve()), "--child", str(count), "--slots", str(slots)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{count} scenes: the process ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures each count in fresh processes, prints the table, writes the result file."""
    parser = make_parser(__doc__, "memory")
    parser.add_argument("--counts", type=numbers, default=[1, 16, 64, 256], help="scenes handed over at once")
    parser.add_argument("--slots", type=int, default=16, help="scenes worked on at a time (batch_size)")
    parser.add_argument("--child", type=int, help="measure this count in this process and print JSON; used by itself")
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure_here(arguments.child, arguments.slots)))
        return
    started = machine()
    from _scenes import mixed

    from prosepose_jax.body import load_body

    mixed(load_body(), _DIFFERENT)  # made here, so that no measured process makes scenes
    rows: list[dict[str, Any]] = []
    for count in arguments.counts:
        with tempfile.TemporaryDirectory() as cache:
            cold = measure_apart(count, arguments.slots, Path(cache))
            cached = measure_apart(count, arguments.slots, Path(cache))
        # Compiling needs memory too, so the peak is that of the run that compiled; the other is listed beside.
        row = {**cold, "peak_cached_mib": cached["peak_mib"], "compile_cached_s": cached["compile_s"]}
        rows.append(row)
        print_row(row)
    write_result(
        arguments.out, "memory", metric="peak resident memory; compile time", unit="MiB; s", better="lower",
        rows=rows, ratios=make_ratios(rows), started=started,
        settings={"counts": arguments.counts, "slots": arguments.slots},
        notes=[f"goals: {GOAL_MIB} MiB at {GOAL_AT} scenes; compile {GOAL_COLD_S:g} s, cached {GOAL_CACHED_S:g} s"],
    )  # fmt: skip


def make_ratios(rows: list[dict[str, Any]]) -> list[Ratio]:
    """Memory in absolute figures (it does not depend on the machine's speed), compile time as a quotient."""
    ratios = []
    for row in rows:
        goal = GOAL_MIB if row["scenes"] == GOAL_AT else None
        ratios.append(Ratio(f"peak memory of {row['scenes']} scenes, MiB", row["peak_mib"], "lower", goal))
        share = row["compile_cached_s"] / row["compile_s"]
        ratios.append(Ratio(f"compile time from the cache / cold, {row['scenes']} scenes", share, "lower"))
    return ratios


if __name__ == "__main__":
    main()
