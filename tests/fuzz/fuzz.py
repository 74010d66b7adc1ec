"""Damaged inputs by the million: every reader ends in an InputError or reads, soon and in little memory (make fuzz).

    python tests/fuzz/fuzz.py --count=1000000 --out=out/fuzz [--jobs=2] [--seconds=60] [--targets=scene.npz,url.txt]

Input number i is made from (seed, i) alone, and so is the reader that gets it: what is found is made again with
--only=i. Readers come as often as their share says: those that take longer, more rarely. Everything happens in one
process, so that an input costs what its reader costs; --jobs starts several, each with its part of the numbers. A
stopped run goes on where it was (OUT/state*.json).

A finding is an exception other than InputError, more than 2 s of processor time (a fit may compile first: 60 s), or
more than 512 MiB above the memory before it; its input is kept in OUT/found. What all inputs together leave in memory
stands in the last line. Exit status: 0 nothing found, 1 something was.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
# As in tests/conftest.py: few programs run often here, and none long.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

from absl import logging
from fuzz_foreign import foreign_targets
from fuzz_inputs import make_input
from fuzz_targets import Target, own_targets
from fuzz_whole import whole_targets

from prosepose_jax.errors import InputError

TARGETS: dict[str, Target] = {one.name: one for one in (*own_targets(), *foreign_targets(), *whole_targets())}
HANGS_S = 20
BLOCKS_S = 600
MOST_BYTES = 512 << 20
_MEASURED_EVERY = 256
_SAVED_EVERY = 2000


class Hangs(BaseException):
    """No reader may catch it."""


class Outcome(NamedTuple):
    """What an input did."""

    problem: str  # empty: none
    seconds: float  # of the processor
    grown: int  # bytes above the start, at most
    refused: bool  # with an InputError


def peak_bytes(reset: bool = False) -> int:
    """The process's largest resident memory since the last reset (only Linux resets it)."""
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    # Not getrusage where there is another way: its peak is that of the process which started this one, too.
    with contextlib.suppress(OSError, TypeError, ValueError):
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def resident_bytes() -> int:
    """The process's resident memory now; its peak where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError):
        return peak_bytes()


def run_one(target: Target, data: bytes, folder: Path, start_bytes: int) -> Outcome:
    """Feeds one input to a reader; `start_bytes` is the memory from which its own is counted."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hangs

    file = folder / target.name
    file.write_bytes(data)
    # A busy machine is no fault of the input: processor time counts, and the clock only where nothing goes on.
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, late)
    signal.setitimer(signal.ITIMER_PROF, HANGS_S + target.seconds)
    signal.alarm(BLOCKS_S)
    begin, problem, refused = time.process_time(), "", False
    try:
        target.read(file)
    except InputError:
        refused = True
    except Hangs:
        problem = f"still at it after {HANGS_S + target.seconds:g} s of processor time or {BLOCKS_S} s"
    except Exception:
        problem = traceback.format_exc(limit=-4)
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - begin
    grown = peak_bytes() - start_bytes
    if not problem and seconds > target.seconds:
        problem = f"took {seconds:.1f} s"
    if not problem and grown > MOST_BYTES:
        problem = f"took {grown >> 20} MiB"
    if grown > MOST_BYTES:
        peak_bytes(reset=True)
    return Outcome(problem, seconds, grown, refused)


@functools.cache
def _ends(names: tuple[str, ...]) -> list[float]:
    return list(itertools.accumulate(TARGETS[name].share for name in names))


def chosen(names: tuple[str, ...], seed: int, number: int) -> Target:
    """The reader of an input, by the readers' shares."""
    return TARGETS[random.Random(f"{seed} {number}").choices(names, cum_weights=_ends(names))[0]]


class Part:
    """Every how manyth number, with its own state file."""

    def __init__(self, options: argparse.Namespace, names: Sequence[str]) -> None:
        self.options, self.names = options, tuple(names)
        self.index, self.parts = (int(text) for text in options.part.split("/"))
        self.found_in = options.out / "found"
        self.found_in.mkdir(parents=True, exist_ok=True)
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a file a millisecond
        self.keeper = tempfile.TemporaryDirectory(prefix="prosepose-fuzz-", dir=memory)
        self.work = Path(self.keeper.name)
        self.file = options.out / f"state{self.index}.json"
        same = {"seed": options.seed, "targets": list(names), "part": options.part}
        known = json.loads(self.file.read_text()) if self.file.is_file() and options.only < 0 else {}
        fits = {name: known.get(name) for name in same} == same
        self.state = known if fits else same | {"next": self.index, "found": 0, "seconds": 0.0, "readers": {}}

    def run(self) -> None:
        """Runs the numbers that are not done yet."""
        for name in self.names:  # what a reader loads the first time is no fault of an input
            run_one(TARGETS[name], TARGETS[name].good(), self.work, 0)
        start_bytes, begin = peak_bytes(reset=True), time.monotonic()
        before, first_bytes = self.state["seconds"], start_bytes
        try:
            for count, number in enumerate(self._numbers()):
                if count % _MEASURED_EVERY == 0:
                    # What thousands of inputs leave behind (compiled programs, caches) is no fault of the last.
                    peak_bytes(reset=True)
                    start_bytes = resident_bytes()
                    self.state["level"] = max(self.state.get("level", 0), start_bytes - first_bytes)
                self._run(number, start_bytes)
                self.state |= {"next": number + self.parts, "seconds": round(before + time.monotonic() - begin, 1)}
                if self.options.seconds and time.monotonic() - begin > self.options.seconds:
                    break
                if number // self.parts % _SAVED_EVERY == 0:
                    self._save()
        finally:
            self._save()

    def _numbers(self) -> Iterator[int]:
        if self.options.only >= 0:
            yield self.options.only
        else:
            yield from range(self.state["next"], self.options.count, self.parts)

    def _run(self, number: int, start_bytes: int) -> None:
        target = chosen(self.names, self.options.seed, number)
        data = make_input(target, (self.options.seed, number))
        done = run_one(target, data, self.work, start_bytes)
        counts = self.state["readers"].setdefault(target.name, [0, 0, 0.0, 0.0, 0])
        counts[0] += 1
        counts[1] += done.refused
        counts[2] = round(counts[2] + done.seconds, 4)
        counts[3] = max(counts[3], round(done.seconds, 4))
        counts[4] = max(counts[4], done.grown)
        if done.problem:
            self.state["found"] += 1
            (self.found_in / f"{number}_{target.name}").write_bytes(data)
            (self.found_in / f"{number}.txt").write_text(done.problem, encoding="utf-8", errors="replace")
            print(f"{number} {target.name}: {done.problem}", flush=True)

    def _save(self) -> None:
        if self.options.only < 0:
            new = self.file.with_suffix(".new")
            new.write_text(json.dumps(self.state))
            new.replace(self.file)


def summary(states: Sequence[dict[str, Any]]) -> str:
    """A line for each reader and one for all."""
    lines = [f"{'reader':<34} {'inputs':>9} {'refused':>9} {'mean ms':>8} {'most ms':>8} {'MiB':>5}"]
    total = 0
    for name in TARGETS:
        rows = [state["readers"][name] for state in states if name in state["readers"]]
        if rows:
            inputs, refused = sum(row[0] for row in rows), sum(row[1] for row in rows)
            mean, most = sum(row[2] for row in rows) / inputs * 1e3, max(row[3] for row in rows) * 1e3
            grown = max(row[4] for row in rows) >> 20
            lines.append(f"{name:<34} {inputs:>9,} {refused:>9,} {mean:>8.2f} {most:>8.0f} {grown:>5}")
            total += inputs
    found, seconds = sum(state["found"] for state in states), sum(state["seconds"] for state in states)
    level = max(state.get("level", 0) for state in states) >> 20
    lines.append(f"{total:,} inputs of {len(lines) - 1} readers, {found} found, {seconds:.0f} s, {level} MiB kept")
    return "\n".join(lines)


def main() -> int:
    """Runs one part, or starts a process for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with its part of the numbers")
    parser.add_argument("--part", default="0/1", help="which part of how many (what --jobs gives its processes)")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after so many; 0: never")
    parser.add_argument("--targets", default="", help="some of: " + ", ".join(TARGETS))
    parser.add_argument("--only", type=int, default=-1, help="this one number, its input kept")
    options = parser.parse_args()
    names = [name for name in options.targets.split(",") if name] or list(TARGETS)
    if options.jobs > 1:
        own = [argument for argument in sys.argv[1:] if not argument.startswith("--jobs")]
        parts = [f"--part={index}/{options.jobs}" for index in range(options.jobs)]
        running = [subprocess.Popen([sys.executable, __file__, *own, part], stdout=sys.stderr) for part in parts]
        ended = [process.wait() for process in running]
        if max(ended) > 1 or min(ended) < 0:
            return 2
        states = [json.loads((options.out / f"state{index}.json").read_text()) for index in range(options.jobs)]
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))  # what is done is noted
        logging.set_verbosity(logging.ERROR)
        warnings.simplefilter("ignore")
        part = Part(options, names)
        part.run()
        states = [part.state]
    print(summary(states))
    return 1 if any(state["found"] for state in states) else 0


if __name__ == "__main__":
    sys.exit(main())
