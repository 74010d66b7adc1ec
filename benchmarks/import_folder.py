"""Seconds that `prosepose import --folder` takes for many images, each with one torch file and one detector's JSON.

    python benchmarks/import_folder.py [--images=1000] [--json=FILE]

Metrics: seconds of the whole command, its start and compilation included, and its CPU time, lower is better; peak
resident memory in MiB. One process. The files are miniatures in 4D-Humans' layout (tests/importing/foreign_tools.py)
with the keypoints that go with them, all images of the same two people.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "importing"))

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", type=int, default=1000)
parser.add_argument("--json", type=Path, help="where to write the figures")


def make_folder(folder: Path, count: int) -> None:
    """`estimates/NAME.pt`, `vitpose/NAME.json` and `images/NAME.jpg` of each image."""
    from foreign_files import make_people, write_image, write_openpose
    from foreign_tools import make

    from prosepose_jax.body import load_body

    people = make_people(load_body(), [(-0.35, 3.4), (0.3, 3.7)], [0.0, 0.0], seed=4)
    (torch_file,) = make("hmr2 torch", people, folder / "one").paths
    sources = {
        "estimates": torch_file,
        "vitpose": write_openpose(folder / "one" / "a.json", people.detections([1, 0])),
        "images": write_image(folder / "one" / "a.jpg"),
    }
    for kind, source in sources.items():
        (folder / kind).mkdir()
        for index in range(count):
            shutil.copy(source, folder / kind / f"{index:05d}{source.suffix}")
    shutil.rmtree(folder / "one")


def main() -> int:
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        make_folder(folder / "in", flags.images)
        command = [sys.executable, "-m", "prosepose_jax.apps.main", "import", f"--folder={folder / 'in'}"]
        start = time.monotonic()
        done = subprocess.run([*command, f"--out={folder / 'out'}"], capture_output=True, text=True, cwd=ROOT)
        seconds = time.monotonic() - start
        written = len(list((folder / "out").glob("*.npz")))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "images": flags.images,
        "scenes": written,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": round(usage.ru_maxrss / 1024),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures))
    if flags.json:
        flags.json.write_text(json.dumps(figures, indent=1))
    if done.returncode or written != flags.images:
        print(done.stderr[-2000:], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
