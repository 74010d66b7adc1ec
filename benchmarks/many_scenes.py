"""Resident memory and open handles of one process that fits thousands of scenes, with metrics and report.

    python benchmarks/many_scenes.py --out=DIR [--scenes=5000] [--pictures] [--embedded]

The small body of the tests and a few steps, so that scenes and not bodies are what there is much of. A thread notes
memory and handles while `prosepose fit` runs in this process; the slope is a line through what was noted after the
first fifth of the fits. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np

from prosepose_jax.apps.main import main as prosepose
from prosepose_jax.resources import demo_dir

SMALL_BODY = Path(__file__).resolve().parents[1] / "tests" / "data" / "small_body.npz"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_WARM = 0.2


def write_scenes(folder: Path, count: int) -> None:
    """A packaged scene under many names, its people a little elsewhere in each."""
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(demo_dir() / "scenes" / "hug.npz") as stored:
        arrays = {name: stored[name] for name in stored.files if name != "image"}
    rng = np.random.default_rng(0)
    for number in range(count):
        moved = arrays["transl"] + rng.normal(0.0, 0.01, 3).astype(np.float32)
        np.savez(folder / f"s{number:05d}.npz", **(arrays | {"transl": moved}))


def sample(run: Path, stop: threading.Event, rows: list[tuple[float, int, int, int]]) -> None:
    """Notes (time, fits, resident bytes, open handles) until it is stopped."""
    fits = run / "fits"
    while not stop.wait(0.5):
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        handles = len(os.listdir("/proc/self/fd"))
        rows.append((time.time(), len(os.listdir(fits)) if fits.is_dir() else 0, resident, handles))


def main() -> int:
    """Prints one line a phase, and the slope."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=5000)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--embedded", action="store_true", help="the embedded body")
    options = parser.parse_args()
    scenes, run = options.out / "scenes", options.out / "run"
    for folder in (scenes, run):
        shutil.rmtree(folder, ignore_errors=True)
    write_scenes(scenes, options.scenes)
    body = [] if options.embedded else [f"--config.body.path={SMALL_BODY}"]
    rows: list[tuple[float, int, int, int]] = []
    stop = threading.Event()
    watcher = threading.Thread(target=sample, args=(run, stop, rows), daemon=True)
    watcher.start()
    status = prosepose(
        ["prosepose", "fit", f"--scenes={scenes}", f"--workdir={run}", "--config.stage1.steps=2",
         "--config.stage2.steps=1", f"--pictures={options.pictures}", *body]
    )  # fmt: skip
    stop.set()
    watcher.join()
    times, fits, resident, handles = (np.array(column) for column in zip(*rows, strict=True))
    fitting = (fits > _WARM * options.scenes) & (fits < options.scenes)
    if fitting.sum() > 2:
        slope = np.polyfit(fits[fitting], resident[fitting] / 2**20, 1)[0] * 1000
        first, last = resident[fitting][[0, -1]] / 2**20
        print(
            f"fits {_WARM:.0%} to 100 %: {first:.0f} to {last:.0f} MiB, "
            f"slope {slope:+.2f} MiB per 1,000 scenes, handles {handles[fitting].min()} to {handles[fitting].max()}"
        )
    for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["event"] == "phase":
            during = (times > entry["time"] - entry["seconds"]) & (times <= entry["time"])
            if during.any():
                print(
                    f"{entry['name']:<10} {entry['seconds']:8.1f} s, at most {resident[during].max() / 2**20:.0f} MiB, "
                    f"{handles[during].max()} handles"
                )
    print(f"{options.scenes} scenes, status {status}, report {(run / 'report.html').stat().st_size / 2**20:.1f} MiB")
    return status


if __name__ == "__main__":
    sys.exit(main())
