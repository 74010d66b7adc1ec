"""Stops `prosepose fit` often and in every way, and compares what comes out in the end with an undisturbed run.

    python tests/apps/stop_fits.py --out=DIR [--kills=40] [--terms=20] [--disks=10] [--scenes=24] [--embedded]

--kills: `kill -9` at random moments; --terms: SIGTERM (status 143 is expected); --disks: file systems that are full
after so many sizes (tmpfs where it can be mounted, else a limit on the size of a file; status 3 is expected), made
larger afterwards. Every run draws pictures and writes a report. A fit, a figure or a picture that differs from those of
the undisturbed run, a file that cannot be read and a temporary file that stays are failures.

Runs are forked from one process that has loaded everything and started nothing, as a kill should meet the work and not
the loading. The body is the small one of the tests unless --embedded. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # a third of the compile time

import numpy as np
from PIL import Image

import prosepose_jax.apps._run
import prosepose_jax.report  # noqa: F401  (loaded before the forks)
from prosepose_jax.apps.main import main as prosepose
from prosepose_jax.io import load_fits, load_scenes

SMALL_BODY = Path(__file__).resolve().parents[1] / "data" / "small_body.npz"
DEMO = Path(__file__).resolve().parents[2] / "prosepose_jax" / "demo"
_TIMES = ("seconds",)


@dataclasses.dataclass(frozen=True)
class Case:
    """What is run."""

    scenes: Path
    embedded: bool
    log: Path

    def arguments(self, workdir: Path) -> list[str]:
        body = [] if self.embedded else [f"--config.body.path={SMALL_BODY}"]
        return ["prosepose", "fit", f"--scenes={self.scenes}", f"--workdir={workdir}",
                f"--answers={self.scenes.parent / 'answers.json'}", "--config.stage1.steps=4",
                "--config.stage2.steps=2", "--config.batch_size=1", "--config.scenes_per_call=1", *body]  # fmt: skip

    def start(self, workdir: Path, before: Callable[[], None] = lambda: None) -> int:
        """Forks a run; returns its process id."""
        child = os.fork()
        if child:
            return child
        status = 70
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            before()
            status = prosepose(self.arguments(workdir))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def run(self, workdir: Path, before: Callable[[], None] = lambda: None) -> int:
        """A run to its end; returns its status."""
        return os.waitstatus_to_exitcode(os.waitpid(self.start(workdir, before), 0)[1])


def make_case(out: Path, count: int, embedded: bool) -> Case:
    """Copies of the packaged scenes of two people under names of their own, with their answers and pictures."""
    scenes = out / "scenes"
    shutil.rmtree(scenes, ignore_errors=True)
    scenes.mkdir(parents=True)
    known = json.loads((DEMO / "answers.json").read_text())
    files = [DEMO / "scenes" / f"{scene.key}.npz" for scene in load_scenes(DEMO / "scenes") if scene.num_people == 2]
    answers = {}
    for number in range(count):
        file = files[number % len(files)]
        key = f"{file.stem}_{number:03d}"
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
        arrays["transl"] = arrays["transl"] + np.float32(0.002 * number)  # no two alike
        Image.new("RGB", tuple(int(side) for side in arrays["image_size"]), "grey").save(scenes / f"{key}.png")
        np.savez(scenes / f"{key}.npz", **(arrays | {"image": np.array(f"{key}.png")}))
        answers[key] = known.get(file.stem, known.get(f"{file.stem}_0", []))
    (out / "answers.json").write_text(json.dumps(answers))
    return Case(scenes, embedded, out / "log.txt")


def _untimed(file: Path) -> str:
    """The text of a metrics.json without how long its fits took."""
    return re.sub(r'"seconds": [0-9.e+-]+', "", file.read_text(encoding="utf-8"))


def differences(run: Path, reference: Path) -> list[str]:
    """What a run's folder has otherwise than the undisturbed one."""
    found = [f"{file}: left over" for file in run.rglob("*.tmp")]
    fits, wanted = load_fits(run), load_fits(reference)
    if sorted(fits) != sorted(wanted):
        found.append(f"fits: {len(fits)}, expected {len(wanted)}")
    for key in sorted(set(fits) & set(wanted)):
        for field in dataclasses.fields(fits[key]):
            one, other = getattr(fits[key], field.name), getattr(wanted[key], field.name)
            # Losses are NaN after a stage's end.
            nan = isinstance(one, np.ndarray) and one.dtype.kind == "f"
            same = np.array_equal(one, other, equal_nan=nan) if isinstance(one, np.ndarray) else one == other
            if not same and field.name not in _TIMES:
                found.append(f"fit {key}: {field.name}")
        pictures = [np.asarray(Image.open(folder / "renders" / f"{key}.png")) for folder in (run, reference)]
        if not np.array_equal(*pictures):
            found.append(f"render {key}")
        meshes = [(folder / "meshes" / f"{key}.glb").read_bytes() for folder in (run, reference)]
        if meshes[0] != meshes[1]:
            found.append(f"mesh {key}")
    if _untimed(run / "metrics.json") != _untimed(reference / "metrics.json"):
        found.append("metrics.json")
    if not (run / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>"):
        found.append("report.html")
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    torn = sum(1 for line in lines if not _is_json(line))
    print(f"  log.jsonl: {len(lines)} lines, {torn} torn by a kill")
    return found


def _is_json(line: str) -> bool:
    with contextlib.suppress(ValueError):
        json.loads(line)
        return True
    return False


def torn(run: Path) -> list[str]:
    """Files under their final names that cannot be read."""
    found = []
    for file in run.rglob("*"):
        try:
            if file.suffix == ".npz" and not file.name.startswith("."):
                with np.load(file) as stored:
                    [stored[name] for name in stored.files]
            elif file.suffix == ".png":
                Image.open(file).load()
            elif file.suffix == ".json":
                json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, EOFError) as error:
            found.append(f"{file}: {error}")
    return found


def stop_often(case: Case, workdir: Path, number: int, times: int, whole_s: float) -> tuple[int, list[str]]:
    """Stops runs with a signal at random moments, then lets one finish.

    A run that ends before its signal begins anew in an empty folder: what stopped ones left is compared first.

    Returns:
      How many were stopped, and what is wrong.
    """
    rng, done, wrong = random.Random(number), 0, []
    while done < times:
        child = case.start(workdir)
        time.sleep(rng.uniform(0.2, 1.0) * whole_s * rng.choice((0.3, 0.6, 1.0)))
        os.kill(child, number)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        wrong += torn(workdir) if workdir.exists() else []
        if (number == signal.SIGKILL and status != -number) or (number != signal.SIGKILL and status != 128 + number):
            if status not in (0, 1, -number):  # -SIGTERM: before the command had set up its handling
                wrong.append(f"status {status}")
            if status in (0, 1):
                case.run(workdir)
                wrong += differences(workdir, workdir.parent / "reference")
                shutil.rmtree(workdir)
            else:
                done += 1
            continue
        done += 1
    return done, wrong


def fill_disks(case: Case, out: Path, sizes: int, used: int) -> tuple[int, list[str]]:
    """Runs on file systems that are too small, then on the same made larger."""
    refused, wrong = 0, []
    place = out / "disk"
    place.mkdir(exist_ok=True)
    for index in range(sizes):
        # From too small for the first file to just too small for the last.
        size = max(8192, int(used * (index + 0.5) / sizes))
        mounted = _mount(place, size)
        limit = _limit(max(4096, int(200_000 * (index + 0.5) / sizes)))
        try:
            run = place / "run"
            shutil.rmtree(run, ignore_errors=True)
            status = case.run(run, (lambda: None) if mounted else limit)
            refused += status == 3
            if status != 3:
                wrong.append(f"disk of {size} bytes: status {status}")
            wrong += torn(place)
            if mounted:
                subprocess.run(["mount", "-o", "remount,size=256m", str(place)], check=True)
            status = case.run(run)
            if status not in (0, 1):
                wrong.append(f"after a full disk of {size} bytes: status {status}")
            wrong += differences(run, out / "reference")
        finally:
            if mounted:
                subprocess.run(["umount", str(place)], check=True)
    return refused, wrong


def _mount(place: Path, size: int) -> bool:
    options = ["-t", "tmpfs", "-o", f"size={size}"]
    with contextlib.suppress(OSError):
        return subprocess.run(["mount", *options, "tmpfs", str(place)], capture_output=True).returncode == 0
    return False


def _limit(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def main() -> int:
    """Runs all three; exit status 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--terms", type=int, default=20)
    parser.add_argument("--disks", type=int, default=10)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--embedded", action="store_true")
    options = parser.parse_args()
    out = options.out.resolve()
    os.environ.setdefault("XDG_CACHE_HOME", str(out / "cache"))  # programs are compiled once for all runs
    case = make_case(out, options.scenes, options.embedded)
    shutil.rmtree(out / "reference", ignore_errors=True)
    print(f"compiling and the undisturbed run: status {case.run(out / 'reference')}", flush=True)
    shutil.rmtree(out / "run", ignore_errors=True)
    begin = time.monotonic()
    case.run(out / "run")
    whole = time.monotonic() - begin
    wrong = differences(out / "run", out / "reference")
    print(f"again, {whole:.1f} s: {len(wrong)} differences", flush=True)
    for name, number, times in (("kill -9", signal.SIGKILL, options.kills), ("SIGTERM", signal.SIGTERM, options.terms)):
        if times:
            shutil.rmtree(out / "run", ignore_errors=True)
            done, found = stop_often(case, out / "run", number, times, whole)
            status = case.run(out / "run")
            found += differences(out / "run", out / "reference")
            print(f"{name}: {done} times, then status {status}; {len(found)} wrong", flush=True)
            wrong += found
    if options.disks:
        used = sum(file.stat().st_size for file in (out / "reference").rglob("*") if file.is_file())
        refused, found = fill_disks(case, out, options.disks, used)
        print(f"full disks: {options.disks} sizes below {used:,} bytes, {refused} with status 3; {len(found)} wrong")
        wrong += found
    print("\n".join(wrong) or "nothing lost, nothing torn, bit-equal")
    if "Traceback" in case.log.read_text(encoding="utf-8", errors="replace"):
        print(f"a traceback in {case.log}")
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
