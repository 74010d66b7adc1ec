"""This tree against an earlier one, side by side on one machine: fits, memory, the parts of a step.

    python benchmarks/against_earlier.py --before=TREE --scenes=DIR [--fits=64] [--rounds=2] [--earlier=X] [--now=Y,Z]
        [--caches=DIR]

TREE is a checkout of the earlier code, DIR a folder with scenes/ and answers (`prosepose generate`), which both read.
Trees take turns, each in processes of its own with compilation caches of their own. Metrics, each with the ratio
earlier / now: processor seconds and seconds of a batch of fits without compilation (lower), peak resident memory of
the process that fits (lower), milliseconds a scene of the normal equations and of the searches in both stages (lower).
The config of the earlier tree is its default; here it is `benchmarks/earlier_default.py`, the same objective with the
same stop, or others, each with its column: --now=benchmarks/earlier_default.py:sooner,two_person compares the same
objective with today's stop of stage 1, and today's default.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

_CHILD = "--child"


def measure_here(tree: Path, config: str, scenes_in: Path, fits: int) -> dict[str, float]:
    """Figures of the tree that this process runs."""
    sys.path.insert(0, str(tree / "benchmarks"))
    import _common  # noqa: F401  (it says how threads wait, before JAX is there)
    import jax
    import step_profile
    from _ours import configured, make_batches
    from _scenes import repeated

    import prosepose_jax
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.fitting import Fitter
    from prosepose_jax.io import load_answers, load_scenes

    assert Path(prosepose_jax.__file__).is_relative_to(tree), prosepose_jax.__file__
    set_up_jax()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    scenes = list(load_scenes(scenes_in / "scenes"))
    (file,) = (scenes_in / name for name in ("answers.jsonl", "answers.json") if (scenes_in / name).is_file())
    known = load_answers(file)
    fitter = Fitter(load_body(), configured(config))
    some, answers = repeated((scenes, {scene.key: known.for_scene(scene.key) for scene in scenes}), fits)
    found: dict[str, float] = {}
    for lap in range(2):  # the first one compiles
        wall, cpu, compiled = time.perf_counter(), time.process_time(), fitter.timing.compile
        results = list(fitter.fit(some, lambda key: answers[key]))
        assert all(fit.ok for fit in results), [fit.status for fit in results if not fit.ok]
        if lap:
            assert fitter.timing.compile == compiled
            found |= {"fits s": time.perf_counter() - wall, "fits processor s": time.process_time() - cpu}
            found["steps a fit"] = float(sum(fit.steps.sum() for fit in results)) / len(results)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found["peak MiB"] = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    batch = max(make_batches(fitter, some[:16], answers, 16), key=lambda b: len(b.keys))
    for index in range(2):
        for row in step_profile.profile_stage(fitter, batch, index, 8, (1e12, 1e12), 5):
            if row["part"] == "normal equations" or row["part"].startswith(("search (", "hold (")):
                part = "normal equations" if row["part"] == "normal equations" else "searches"
                found[f"{part}, stage {index + 1}, ms"] = row["ms"]
    return found


def measure_apart(tree: Path, config: str, scenes: Path, fits: int, cache: Path) -> dict[str, float]:
    """`measure_here` in a process that runs another tree."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "JAX_COMPILATION_CACHE_DIR": str(cache)}
    command = [sys.executable, str(Path(__file__).resolve()), _CHILD, str(tree), config, str(scenes), str(fits)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tree)
    if done.returncode:
        raise RuntimeError(f"{tree}: the process ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Measures both trees in turns and prints a Markdown table."""
    if sys.argv[1:2] == [_CHILD]:
        tree, config, scenes, fits = sys.argv[2:]
        print(json.dumps(measure_here(Path(tree), config, Path(scenes), int(fits))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="checkout of the earlier code")
    parser.add_argument("--scenes", type=Path, required=True, help="folder with scenes/ and answers")
    parser.add_argument("--fits", type=int, default=64, help="scenes of a batch; repeated where there are fewer")
    parser.add_argument("--rounds", type=int, default=2, help="turns of both trees; medians are shown")
    parser.add_argument("--earlier", default="two_person", help="config of the earlier tree")
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("--now", default=str(here / "benchmarks" / "earlier_default.py"), help="configs of this tree")
    parser.add_argument("--caches", type=Path, help="keeps the compilation caches, so that another run need not wait")
    flags = parser.parse_args()
    trees = {"earlier": (flags.before.resolve(), flags.earlier)}
    trees |= {config.rpartition("/")[2].replace(".py", ""): (here, config) for config in flags.now.split(",")}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in trees}
    with tempfile.TemporaryDirectory() if flags.caches is None else contextlib.nullcontext(flags.caches) as caches:
        for _ in range(flags.rounds):
            for name, (tree, config) in trees.items():
                cache = Path(caches).resolve() / name
                found[name].append(measure_apart(tree, config, flags.scenes.resolve(), flags.fits, cache))
                print(f"{name}: {json.dumps(found[name][-1])}", file=sys.stderr, flush=True)
    now = [name for name in trees if name != "earlier"]
    print(f"| | earlier | {' | '.join(f'{name} | earlier / {name}' for name in now)} |")
    print(f"|---|---|{'---|---|' * len(now)}")
    for figure in found["earlier"][0]:
        middle = {name: median(one[figure] for one in rounds) for name, rounds in found.items()}
        cells = (f"{middle[name]:.4g} | {middle['earlier'] / middle[name]:.2f}" for name in now)
        print(f"| {figure} | {middle['earlier']:.4g} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
