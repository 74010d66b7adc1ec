"""Answers a second of `prosepose ask` against a local server that answers at once, and its memory over time.

    python benchmarks/ask_throughput.py [--images=10000] [--answers=20] [--client=openai] [--candidates=1]
        [--concurrency=16] [--json=FILE]

Metrics: answers a second of the whole command without its start (reading the scenes, importing), higher is better;
resident memory of the command in MiB, sampled every two seconds once it sends, lower and flat is better; CPU time
of the command per answer, its start included, which other programs on the machine hardly change. The server
(tests/lmm/fake_server.py, no faults, nothing recorded) runs in a process of its own and shares the cores. Scenes
point in turn to 200 pictures whose crops are about 100 kB; each is read, cut and encoded anew for every scene.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "tests" / "lmm" / "fake_server.py"
WIDTH, HEIGHT = 640, 480

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", type=int, default=10_000, help="scenes, one image each")
parser.add_argument("--answers", type=int, default=20, help="answers per image")
parser.add_argument("--client", default="openai", help="as of prosepose ask")
parser.add_argument("--candidates", type=int, default=1, help="answers per request")
parser.add_argument("--concurrency", type=int, default=8, help="requests at a time")
parser.add_argument("--json", type=Path, help="where to write the figures")


def make_scenes(folder: Path, count: int) -> float:
    """Scene files and their pictures; returns the mean size of a crop as it is sent, in kB."""
    rng = np.random.default_rng(0)
    pictures = []
    for index in range(min(200, count)):
        coarse = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT))
        grain = rng.normal(0.0, 7.0, (HEIGHT, WIDTH, 1))
        pixels = np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)
        pictures.append(folder / "images" / f"{index}.jpg")
        pictures[-1].parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(pictures[-1], quality=90)
    points = np.ones((2, 25, 3), np.float32)
    points[:, :, 0] = np.array([[250.0], [380.0]]) + rng.uniform(-60, 60, (2, 25))
    points[:, :, 1] = rng.uniform(100, 380, (2, 25))
    fields = {
        "global_orient": np.zeros((2, 3), np.float32),
        "body_pose": np.zeros((2, 21, 3), np.float32),
        "betas": np.zeros((2, 10), np.float32),
        "transl": np.full((2, 3), 3.0, np.float32),
        "keypoints": points,
        "focal_length": np.float32(500.0),
        "image_size": np.array([WIDTH, HEIGHT]),
    }
    (folder / "scenes").mkdir()
    for index in range(count):
        picture = pictures[index % len(pictures)]
        np.savez(folder / "scenes" / f"{index:06}.npz", image=np.array(f"../images/{picture.name}"), **fields)
    from prosepose_jax.lmm.crops import View, person_extent, take_picture

    people = tuple(person_extent(person) for person in points)
    sizes = [len(take_picture(View(picture, (WIDTH, HEIGHT), people)).data) for picture in pictures[:20]]
    return statistics.mean(sizes) / 1000


def resident_mib(process: subprocess.Popen[str]) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def run(folder: Path, arguments: argparse.Namespace, url: str) -> dict[str, Any]:
    """One run of the command, its rate and its memory."""
    out = folder / "answers.jsonl"
    base = f"{url}/v1" if arguments.client.startswith("openai") else url
    command = [
        sys.executable, "-m", "prosepose_jax", "ask", f"--scenes={folder / 'scenes'}", f"--out={out}",
        f"--client={arguments.client}", "--model=fake", f"--base_url={base}", f"--num_answers={arguments.answers}",
        f"--candidates={arguments.candidates}", f"--concurrency={arguments.concurrency}",
    ]  # fmt: skip
    environment = os.environ | {"OPENAI_API_KEY": "none", "GEMINI_API_KEY": "none", "JAX_PLATFORMS": "cpu"}
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    memory: list[float] = []
    sizes: list[tuple[float, int]] = []
    while process.poll() is None:
        time.sleep(2.0)
        size = out.stat().st_size if out.exists() else 0
        if size and process.poll() is None:
            memory.append(resident_mib(process))
            sizes.append((time.monotonic() - begin, size))
    whole = time.monotonic() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # of the command alone: the server has not ended
    printed = process.stdout.read() if process.stdout else ""
    print(printed.strip())
    found = re.search(r"(\d+) answers written to .* in ([\d.]+) s", printed)
    if process.returncode or not found or int(found[1]) != arguments.images * arguments.answers:
        raise SystemExit(f"the command failed with status {process.returncode}")
    quarter = max(1, len(memory) // 4)
    return {
        "answers": int(found[1]),
        "seconds": float(found[2]),
        "answers_per_second": round(int(found[1]) / float(found[2]), 1),
        "cpu_ms_per_answer": round(1000 * (used.ru_utime + used.ru_stime) / int(found[1]), 3),
        "start_seconds": round(whole - float(found[2]), 1),
        "memory_mib_first_quarter": round(statistics.mean(memory[:quarter]), 1) if memory else None,
        "memory_mib_last_quarter": round(statistics.mean(memory[-quarter:]), 1) if memory else None,
        "memory_mib_most": round(max(memory), 1) if memory else None,
    }


def main() -> None:
    """Prints the figures, writes JSON when asked to."""
    arguments = parser.parse_args()
    server = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as name:
            crop_kb = make_scenes(Path(name), arguments.images)
            figures = run(Path(name), arguments, url)
    finally:
        server.kill()
        server.wait()
    versions = {}
    for package in ("openai", "google-generativeai", "google-genai", "pillow"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    setting = {name: getattr(arguments, name) for name in ("images", "answers", "client", "candidates", "concurrency")}
    load = [round(value, 2) for value in os.getloadavg()]
    result = {
        "benchmark": "ask_throughput", "unit": "answers/s", "better": "higher", **setting, "crop_kb": round(crop_kb, 1),
        **figures, "cpus": os.cpu_count(), "load_average": load, "machine": platform.processor() or "unknown",
        "python": platform.python_version(), "versions": versions,
    }  # fmt: skip
    text = json.dumps(result, indent=1)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
