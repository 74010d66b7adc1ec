"""A run on a local Ray cluster of two workers against one process on the same cores, and one whose workers are killed.

    python benchmarks/scaling_ray.py [--scenes=400] [--runs=alone,blocks,ray,killed] [--body=small] [--steps=0]
        [--templates=…]

Metric: seconds of the command, lower is better; beside them processor seconds of all its processes, which count on a
machine that others use too. `alone` is `prosepose fit` in one process, `blocks` the same in blocks, `ray` two actors,
`killed` the same with a worker killed twice and the driver once, started again. Every run's fits are compared with
those of the first run, bit by bit; a difference ends the script. All runs share one compilation cache, which an
unmeasured run of few steps fills. `cpu_s_a_scene` leaves out each worker's first block, and with it start and
compilation; `of_it_cluster_s` is what is not the actors': driver, Ray's own processes, merge and report. Needs `pip
install '.[ray]'`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
from _common import CACHE, ROOT, Ratio, machine, make_parser, names, print_row, write_result
from _processes import Processes
from _scenes import packaged

from prosepose_jax.io import load_fits, save_scene, write_json
from prosepose_jax.scale.crew import CLAIMS, WORKERS
from prosepose_jax.scale.merging import all_records
from prosepose_jax.scene import Fit
from prosepose_jax.storage import LocalStore

SMALL_BODY = ROOT / "tests" / "data" / "small_body.npz"
RUNS = ("alone", "blocks", "ray", "killed")
KILLED_WORKERS = 2


def write_scenes(folder: Path, count: int, chosen: Sequence[str]) -> None:
    """Packaged two-person scenes under many names, their people a little elsewhere in each, with their answers."""
    templates, answers = packaged()
    templates = [scene for scene in templates if not chosen or scene.key in chosen]
    rng = np.random.default_rng(0)
    texts = {}
    for number in range(count):
        base = templates[number % len(templates)]
        key = f"scene{number:05d}"
        moved = base.transl + rng.normal(0.0, 0.01, base.transl.shape).astype(np.float32)
        save_scene(folder / "scenes", dataclasses.replace(base, key=key, transl=moved, image=None))
        texts[key] = [{"table_response": answer.text} for answer in answers[base.key]]
    write_json(folder / "answers.json", texts)


@dataclasses.dataclass(frozen=True)
class Command:
    """`prosepose fit` on the scenes of a folder."""

    folder: Path
    body: str
    steps: int
    block: int

    def words(self, run: Path, *more: str) -> list[str]:
        """The command line."""
        chosen = [f"--config.body.path={SMALL_BODY}"] if self.body == "small" else []
        chosen += [f"--config.stage{n}.steps={self.steps}" for n in (1, 2)] if self.steps else []
        return [sys.executable, "-m", "prosepose_jax", "fit", f"--scenes={self.folder / 'scenes'}",
                f"--answers={self.folder / 'answers.json'}", f"--workdir={run}", "--nopictures", "--quiet", *chosen,
                *more]  # fmt: skip

    def on_ray(self, run: Path) -> list[str]:
        """The same on two actors."""
        return self.words(run, "--runner=ray", "--ray_actors=2", f"--block_scenes={self.block}", "--lease_s=20")


def finish(command: Sequence[str], processes: Processes) -> None:
    """Runs a command to its end; a bad one ends the script."""
    done = subprocess.run(command, env=processes.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{done.stderr}\nstatus {done.returncode}")


def run_killed(command: Sequence[str], run: Path, processes: Processes) -> None:
    """Two workers are killed at work, then the driver; the same command ends it."""
    store = LocalStore(run)
    driver = subprocess.Popen(
        command, env=processes.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    killed: set[str] = set()
    for number in range(KILLED_WORKERS):
        wait_for(lambda number=number: len(list(all_records(store))) > number and _busy(store) - killed, driver)
        worker = min(_busy(store) - killed)
        os.kill(store.read_json(f"{WORKERS}/{worker}.json")["pid"], signal.SIGKILL)
        killed.add(worker)
        print(f"killed worker {worker}", flush=True)
    before = len(list(all_records(store)))
    wait_for(lambda: len(list(all_records(store))) > before, driver)
    driver.kill()
    driver.wait()
    print(f"killed the driver at {len(list(all_records(store)))} blocks", flush=True)
    finish(command, processes)


def _busy(store: LocalStore) -> set[str]:
    """Workers with a claim and no record of it."""
    done = {record.block for record in all_records(store)}
    last: dict[str, tuple[int, str]] = {}
    for name in store.list(CLAIMS):
        block, _, number = name.removeprefix(f"{CLAIMS}/").partition(".")
        claim = (int(number), str(store.known_json(name).get("worker")))
        last[block] = max(claim, last.get(block, claim))
    return {worker for block, (_, worker) in last.items() if block not in done}


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Until a condition holds, as long as the process lives."""
    while not condition():
        if process.poll() is not None:
            raise SystemExit(f"the driver ended too early, with status {process.returncode}")
        time.sleep(0.05)


def of_blocks(run: Path) -> dict[str, Any]:
    """Processor seconds a scene of the workers, each one's first block left out, for it has start and compilation.

    None for a run without blocks.
    """
    scenes, used = 0, 0.0
    for file in sorted((run / "shards" / "logs").glob("*.jsonl")):
        events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for event in [event for event in events if event["event"] == "block"][1:]:
            scenes, used = scenes + event["scenes"], used + event["cpu_seconds"]
    return {"cpu_s_a_scene": used / scenes if scenes else None}


def differences(found: dict[str, Fit], wanted: dict[str, Fit]) -> list[str]:
    """What differs between the fits of two runs, but for seconds."""
    names_ = [field.name for field in dataclasses.fields(Fit) if field.name != "seconds"]
    out = [f"{key}: only in one run" for key in found.keys() ^ wanted.keys()]
    for key in found.keys() & wanted.keys():
        out += [f"{key}: {name}" for name in names_ if not _same(getattr(found[key], name), getattr(wanted[key], name))]
    return sorted(out)


def _same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return a == b


def main() -> int:
    """Prints a line a run; writes the result file."""
    parser = make_parser(__doc__ or "", "scaling_ray")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--runs", type=names(RUNS), default=list(RUNS))
    parser.add_argument("--templates", type=lambda text: text.split(","), default=[], help="of the packaged scenes")
    parser.add_argument("--body", choices=("small", "embedded"), default="small", help="small: that of the tests")
    parser.add_argument("--steps", type=int, default=0, help="of both stages; 0: the config's")
    parser.add_argument("--block_scenes", type=int, default=25)
    parser.add_argument("--cache", type=Path, help="a compilation cache that an earlier run has filled")
    parser.add_argument("--folder", type=Path, default=CACHE / "scaling_ray", help="for scenes and runs; removed")
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(options.cache or options.folder / "cache")
    started, rows = machine(), []
    write_scenes(options.folder, options.scenes, options.templates)
    command = Command(options.folder, options.body, options.steps, options.block_scenes)
    if options.cache is None:
        # Fills the cache with the programs of the runs, which depend on all scenes; a tolerance does not, and ends a
        # stage after a few steps.
        ended = ("--config.stage1.tolerance=0.9", "--config.lm.tolerance=0.9")
        with Processes() as processes:
            finish(command.words(options.folder / "warm", *ended), processes)
    first: dict[str, Fit] = {}
    for name in options.runs:
        run = options.folder / name
        begin = time.perf_counter()
        with Processes() as processes:
            if name == "killed":
                run_killed(command.on_ray(run), run, processes)
            elif name == "ray":
                finish(command.on_ray(run), processes)
            else:
                blocks = ["--results=files", f"--block_scenes={options.block_scenes}"] if name == "blocks" else []
                finish(command.words(run, *blocks), processes)
        seconds = time.perf_counter() - begin
        fits = load_fits(run)
        first = first or fits
        different = differences(fits, first)
        if len(fits) != options.scenes or different:
            raise SystemExit(f"{name}: {len(fits)} fits; {len(different)} differences: {different[:5]}")
        info = json.loads((run / "run.json").read_text(encoding="utf-8"))
        cluster = processes.cpu_s - processes.cpu_s_of(b"ray::Worker") if name in ("ray", "killed") else None
        rows.append({"run": name, "scenes": len(fits), "seconds": seconds, "cpu_s": processes.cpu_s,
                     "of_it_cluster_s": cluster, "compile_s": info["compile_seconds"], **of_blocks(run),
                     "load": os.getloadavg()[0], "differences": len(different)})  # fmt: skip
        print_row(rows[-1])
    by = {row["run"]: row for row in rows}
    ratios = []
    if "blocks" in by and "ray" in by:
        steady = by["ray"]["cpu_s_a_scene"] / by["blocks"]["cpu_s_a_scene"]
        ratios.append(Ratio("ray / blocks: processor seconds a scene", steady, "lower", 1.15))
        whole = by["ray"]["cpu_s"] / by["blocks"]["cpu_s"]
        ratios.append(Ratio("ray / blocks: the whole command, two starts and Ray's own in it", whole, "lower"))
    steps = options.steps or "as many as the config has"
    write_result(
        options.out, "scaling_ray", metric="a run on Ray against one process", unit="seconds", better="lower",
        rows=rows, ratios=ratios, started=started,
        settings={"scenes": options.scenes, "body": options.body, "steps": options.steps,
                  "block_scenes": options.block_scenes, "actors": 2, "templates": options.templates},
        notes=[
            f"{options.body} body, steps a stage: {steps}; scenes: "
            f"{', '.join(options.templates) or 'all six packaged ones of two people'}, moved, 20 answers each",
            "killed: two workers and the driver, each with SIGKILL; the fits of all runs are equal bit by bit",
        ],
    )  # fmt: skip
    shutil.rmtree(options.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
