"""Scenes by the hundred thousand in tars: packed, listed, read, merged; does the rate stay, does memory?

    python benchmarks/scaling_container.py [--counts=10000,100000] [--fit=10000,100000] [--scenes_per_tar=1000]

Metric: scenes a second of every phase, higher is better, and the peak resident memory of its process in MiB, lower is
better. Ratios are of processor seconds, which other jobs on the machine disturb least. Each phase is a process of its
own. `pack` writes the tars, `list` opens them and plans the run, `read` loads every block, `record` writes what
workers write of finished blocks (figures of a scene as of a fit with truth), `merge` makes metrics.json of it,
`resume` finds out that a run is done. `fit` is `prosepose fit` with the tests' small body and two steps of the first
stage, as two shards one after the other, then `prosepose merge`, all of it as a user runs it, with a full compilation
cache. Scenes are one packaged scene under many names, for `fit` without truth.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
from _common import CACHE, ROOT, Ratio, machine, make_parser, numbers, print_row, write_result

SMALL_BODY = ROOT / "tests" / "data" / "small_body.npz"
BLOCK = 64
_WARM = 200  # scenes of an unmeasured run that fills the compilation cache


def keys_of(count: int, scenes_per_tar: int) -> Iterator[list[str]]:
    """The keys of each tar."""
    for first in range(0, count, scenes_per_tar):
        yield [f"scene{number:07d}" for number in range(first, min(count, first + scenes_per_tar))]


def pack(folder: Path, count: int, scenes_per_tar: int, key: str = "hug", truth: bool = True) -> int:
    """Writes the tars of a packaged scene with its truth or without; returns their bytes."""
    from prosepose_jax.resources import demo_dir
    from prosepose_jax.scale import tars
    from prosepose_jax.storage import LocalStore

    scene = (demo_dir() / "scenes" / f"{key}.npz").read_bytes()
    if not truth:
        with np.load(io.BytesIO(scene)) as stored, io.BytesIO() as out:
            np.savez(
                out, **{name: stored[name] for name in stored.files if name != "image" and not name.startswith("gt_")}
            )
            scene = out.getvalue()
    store = LocalStore(folder / "scenes")
    for number, keys in enumerate(keys_of(count, scenes_per_tar)):
        packed = tars.pack_samples((name, {tars.SCENE: scene}) for name in keys)
        store.write(f"scenes-{number:06d}.tar", packed.data)
        store.write_json(f"scenes-{number:06d}.tar{tars.INDEX}", packed.index)
    return sum(entry.size for entry in store.list().values())


def list_all(folder: Path, count: int, scenes_per_tar: int) -> int:
    """Opens the scenes and plans the run; returns the number of blocks."""
    return len(_blocks(folder)[1])


def _blocks(folder: Path) -> tuple[Any, list[Any]]:
    from prosepose_jax.scale.plan import load_plan
    from prosepose_jax.scale.sources import SceneSource
    from prosepose_jax.storage import LocalStore

    source = SceneSource(str(folder / "scenes"))
    return source, load_plan(LocalStore(folder / "run"), source.parts, BLOCK)


def read(folder: Path, count: int, scenes_per_tar: int) -> int:
    """Loads every block; returns the number of scenes."""
    source, blocks = _blocks(folder)
    found = 0
    for block in blocks:
        with source.load(block) as loaded:
            found += len(loaded.scenes)
    assert found == count, (found, count)
    return found


def record(folder: Path, count: int, scenes_per_tar: int) -> int:
    """Writes what workers write of finished blocks; returns its bytes."""
    from prosepose_jax.scale.records import BlockRecord, SceneRecord, write_record
    from prosepose_jax.storage import LocalStore

    source, blocks = _blocks(folder)
    store = LocalStore(folder / "run")
    entry = {"status": "ok", "answers": 20, "steps": [20, 20], "seconds": 0.3, **_figures()}
    for block in blocks:
        scenes = {
            key: SceneRecord("ok", "0" * 24, source.mark(block.part, key), f"fits/{block.id}.1.tar", 0.3)
            for key in block.keys
        }
        done = BlockRecord(
            block.id, block.part, "w", 0, "", 1, scenes, fit_seconds=19.2, seconds=25.0, time=time.time()
        )
        write_record(store, done, {key: {"kind": "two_person", "entry": entry} for key in block.keys})
    return sum(entry.size for entry in store.list("shards").values())


def _figures() -> dict[str, Any]:
    """Figures of a scene with truth: as many as metrics.json has, twice."""
    from prosepose_jax.metrics.evaluate import BODY_METRICS

    one: dict[str, Any] = dict.fromkeys(BODY_METRICS, 12.3456789)
    one |= {name: {f"{0.05 * k:.2f}": 56.789 for k in range(20)} for name in BODY_METRICS if name.endswith("_at")}
    return one | {"initial": one}


def merge(folder: Path, count: int, scenes_per_tar: int) -> int:
    """Makes metrics.json; returns its bytes."""
    from prosepose_jax.scale.merging import merge_metrics
    from prosepose_jax.storage import LocalStore

    merged = merge_metrics([LocalStore(folder / "run")], folder / "metrics.json")
    assert merged.scenes == count and merged.mean["two_person"]["fitted"] == count
    return (folder / "metrics.json").stat().st_size


def resume(folder: Path, count: int, scenes_per_tar: int) -> int:
    """Reads what a worker reads that finds its blocks done."""
    from prosepose_jax.scale import records
    from prosepose_jax.storage import LocalStore

    source, blocks = _blocks(folder)
    store = LocalStore(folder / "run")
    finished = records.finished_blocks(store)
    found = 0
    for block in blocks:
        known = records.read_record(store, block.id) if block.id in finished else None
        assert known is not None
        found += sum(known.scenes[key].mark == source.mark(block.part, key) for key in block.keys)
    assert found == count
    return found


def fit_bytes() -> dict[str, Any]:
    """Bytes of a fit of two people on the embedded body, as a file and without what a body computes again."""
    import numpy as np

    from prosepose_jax.body import load_body
    from prosepose_jax.fitting import FitSettings
    from prosepose_jax.io import encode_fit
    from prosepose_jax.scene import Fit

    body, settings = load_body(), FitSettings()
    vertices, joints = np.zeros((2, body.num_vertices, 3)), np.zeros((2, 55, 3))
    terms = tuple(term.name for term in settings.terms)
    losses = np.zeros((len(settings.stages), max(settings.max_steps), len(terms)))
    made = Fit(
        "scene", "ok", np.zeros((2, 3)), np.zeros((2, 21, 3)), np.zeros((2, 10)), np.zeros((2, 3)), vertices, joints,
        vertices, joints, terms, losses, np.zeros(2, int),
    )  # fmt: skip
    size = len(encode_fit(made))
    share = 2 * vertices.size * 4 / size  # initial and fitted, float32
    return {"phase": "a fit, embedded body", "scenes": 1, "bytes_a_scene": size, "share_of_vertices": share}


PHASES: dict[str, Callable[[Path, int, int], int]] = {
    "pack": pack, "list": list_all, "read": read, "record": record, "merge": merge, "resume": resume,
}  # fmt: skip
UNITS = {"pack": "bytes a scene", "record": "bytes a scene", "merge": "bytes a scene"}


def run_phase(phase: str, folder: Path, count: int, scenes_per_tar: int) -> None:
    """A phase in this process; prints its figures as JSON."""
    import prosepose_jax.scale.merging
    import prosepose_jax.scale.sources  # noqa: F401  (loaded before the clock starts)

    begin, cpu = time.perf_counter(), time.process_time()
    told = PHASES[phase](folder, count, scenes_per_tar)
    seconds, used = time.perf_counter() - begin, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"phase": phase, "scenes": count, "scenes_per_second": count / seconds, "seconds": seconds,
                      "cpu_s": used, "peak_mib": peak,
                      "bytes_a_scene": told / count if phase in UNITS else None}))  # fmt: skip


def fit(folder: Path, count: int) -> list[dict[str, Any]]:
    """`prosepose fit` on so many scenes, in two shards one after the other, and what merges them."""
    some, run = folder / f"scenes{count}", folder / f"run{count}"
    for place in (some, run):
        shutil.rmtree(place, ignore_errors=True)
    pack(some, count, 1000, "handshake", truth=False)  # people apart: their figures take little time
    command = ["fit", f"--scenes={some / 'scenes'}", f"--workdir={run}", f"--config.body.path={SMALL_BODY}",
               "--config.stage1.steps=2", "--config.stage2.steps=0", "--shard_count=2", "--quiet"]  # fmt: skip
    rows = []
    for index in range(2):
        took = _run([*command, f"--shard_index={index}"])
        (said,) = (json.loads(file.read_text()) for file in (run / "shards/workers").glob(f"{index:05d}-*.json"))
        rows.append({"phase": "fit", "of": count, "shard": index, "scenes": said["scenes"],
                     "scenes_per_cpu_second": said["scenes"] / took["cpu_s"], **took,
                     "compile_s": said["compile_seconds"], "cpu_s_a_scene": _steady(run, index)})  # fmt: skip
    took = _run(["merge", str(run)])
    size = sum(file.stat().st_size for file in (run / "fits").glob("*.tar"))
    rows.append({"phase": "merge with report", "of": count, "shard": None, "scenes": count,
                 "scenes_per_cpu_second": count / took["cpu_s"], **took, "compile_s": None, "cpu_s_a_scene": None,
                 "bytes_a_fit": size / count})  # fmt: skip
    for place in (some, run):
        shutil.rmtree(place)
    return rows


def _steady(run: Path, index: int) -> float | None:
    """Processor seconds a scene of a shard, its first block left out, for it has start and compilation."""
    (file,) = (run / "shards/logs").glob(f"{index:05d}-*.jsonl")
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    blocks = [event for event in events if event["event"] == "block"][1:]
    scenes = sum(block["scenes"] for block in blocks)
    return sum(block["cpu_seconds"] for block in blocks) / scenes if scenes else None


def _run(words: list[str]) -> dict[str, float]:
    """A verb in a process of its own; its seconds, processor seconds and peak memory."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "prosepose_jax", *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"prosepose {words[0]} ended with status {process.returncode}")
    return {"seconds": time.perf_counter() - begin, "cpu_s": used.ru_utime + used.ru_stime,
            "peak_mib": used.ru_maxrss / 1024}  # fmt: skip


def make_ratios(rows: list[dict[str, Any]]) -> list[Ratio]:
    """Of the most scenes and the fewest: processor seconds a scene and peak memory of every phase."""
    ratios = []
    for phase in PHASES:
        by = {row["scenes"]: row for row in rows if row["phase"] == phase}
        few, many = min(by, default=0), max(by, default=0)
        if few < many:
            costs = {count: row["cpu_s"] / count for count, row in by.items()}
            ratios += _two(phase, few, many, costs, {count: row["peak_mib"] for count, row in by.items()})
    of: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        if row["phase"] == "fit":
            of.setdefault(row["of"], []).append(row)
    few, many = min(of, default=0), max(of, default=0)
    if few < many:
        costs = {count: statistics.fmean(row["cpu_s_a_scene"] for row in fits) for count, fits in of.items()}
        ratios += _two("fit", few, many, costs, {count: max(row["peak_mib"] for row in of[count]) for count in of})
    return ratios


def _two(phase: str, few: int, many: int, costs: dict[int, float], peaks: dict[int, float]) -> list[Ratio]:
    return [
        Ratio(f"{phase}: processor seconds a scene at {many} / at {few}", costs[many] / costs[few], "lower"),
        Ratio(f"{phase}: peak memory at {many} / at {few}", peaks[many] / peaks[few], "lower"),
    ]


def main() -> int:
    """Prints a line a phase; writes the result file."""
    parser = make_parser(__doc__ or "", "scaling_container")
    parser.add_argument("--counts", type=numbers, default=[10_000, 100_000])
    parser.add_argument("--scenes_per_tar", type=int, default=1000)
    parser.add_argument("--fit", type=numbers, default=[10_000, 100_000], help="scenes that are fitted")
    parser.add_argument("--only_fit", action="store_true", help="without the other phases")
    parser.add_argument("--folder", type=Path, default=CACHE / "scaling_container", help="for the scenes; removed")
    parser.add_argument("--phase", choices=PHASES, help="one phase in this process (used by the script itself)")
    options = parser.parse_args()
    if options.phase:
        run_phase(options.phase, options.folder, options.counts[0], options.scenes_per_tar)
        return 0
    started, rows = machine(), []
    for count in () if options.only_fit else options.counts:
        folder = options.folder / str(count)
        shutil.rmtree(folder, ignore_errors=True)
        for phase in PHASES:
            command = [sys.executable, __file__, f"--phase={phase}", f"--folder={folder}", f"--counts={count}",
                       f"--scenes_per_tar={options.scenes_per_tar}"]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                return 1
            rows.append(json.loads(done.stdout))
            print_row(rows[-1])
        shutil.rmtree(folder)
    fitted = [fit_bytes()]
    print_row(fitted[0])
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(options.folder / "cache")
    fit(options.folder, _WARM)
    for count in options.fit:
        for row in fit(options.folder, count):
            fitted.append(row)
            print_row(row)
    shutil.rmtree(options.folder, ignore_errors=True)
    write_result(
        options.out, "scaling_container", metric="scenes in tars", unit="scenes per second", better="higher",
        rows=[*rows, *fitted], ratios=make_ratios([*rows, *fitted]), started=started,
        settings={
            "counts": options.counts, "scenes_per_tar": options.scenes_per_tar, "fit": options.fit, "block": BLOCK,
        },
        notes=["scenes: one packaged scene many times, no pictures; fit: the tests' small body, two steps, no truth"],
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
