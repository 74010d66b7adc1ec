"""Damaged inputs by the million: every reader ends in an InputError or reads, soon and in little memory (make fuzz).

    python tests/fuzz/fuzz.py --count=1000000 --out=out/fuzz [--seconds=60] [--targets=scene,answers]

Input number i is made from (seed, i) alone: what is found is made again with --only=i. A stopped run goes on where it
was (OUT/state.json). A finding is an exception other than InputError, more than 2 s, or more than 512 MiB above the
memory at the start; its input is kept in OUT/found. Exit status: 0 nothing found, 1 something was.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent))

from absl import logging
from fuzz_inputs import make_input
from fuzz_targets import TARGETS, Target

from prosepose_jax.errors import InputError

SLOW_S = 2.0
HANGS_S = 20
MOST_BYTES = 512 << 20
_SAVED_EVERY = 2000


class Hangs(BaseException):
    """No reader may catch it."""


def peak_bytes(reset: bool = False) -> int:
    """The process's largest resident memory since the last reset (Linux; elsewhere 0)."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM:")), 0)


def run_one(target: Target, data: bytes, folder: Path, start_bytes: int) -> str:
    """Feeds one input to a reader; returns what is wrong, or nothing."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hangs

    file = folder / target.name
    file.write_bytes(data)
    signal.signal(signal.SIGALRM, late)
    signal.alarm(HANGS_S)
    begin, found = time.process_time(), ""  # a busy machine is no fault of the input
    try:
        target.read(file)
    except InputError:
        pass
    except Hangs:
        found = f"still at it after {HANGS_S} s"
    except Exception:
        found = traceback.format_exc(limit=-4)
    finally:
        signal.alarm(0)
    seconds = time.process_time() - begin
    grown = peak_bytes() - start_bytes
    if not found and seconds > SLOW_S:
        found = f"took {seconds:.1f} s"
    if not found and grown > MOST_BYTES:
        found = f"took {grown >> 20} MiB"
    if grown > MOST_BYTES:
        peak_bytes(reset=True)
    return found


def main() -> int:
    """Runs the numbers that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after so many; 0: never")
    parser.add_argument("--targets", default="", help="some of: " + ", ".join(TARGETS))
    parser.add_argument("--only", type=int, default=-1, help="this one number, its input kept")
    options = parser.parse_args()
    names = [name for name in options.targets.split(",") if name] or list(TARGETS)
    work, found_in, state_file = options.out / "work", options.out / "found", options.out / "state.json"
    for folder in (work, found_in):
        folder.mkdir(parents=True, exist_ok=True)
    same = {"seed": options.seed, "targets": names}
    state = json.loads(state_file.read_text()) if state_file.is_file() and options.only < 0 else {}
    state = state if {key: state.get(key) for key in same} == same else same | {"next": 0, "found": 0, "seconds": 0.0}

    logging.set_verbosity(logging.ERROR)
    warnings.simplefilter("ignore")
    for name in names:  # what a reader loads the first time is no fault of an input
        run_one(TARGETS[name], TARGETS[name].good(), work, 0)
    start_bytes, begin = peak_bytes(reset=True), time.monotonic()
    numbers = [options.only] if options.only >= 0 else range(state["next"], options.count)
    before = state["seconds"]
    number = state["next"] - 1
    try:
        for number in numbers:
            target = TARGETS[_choose(names, number)]
            data = make_input(target, (options.seed, number))
            problem = run_one(target, data, work, start_bytes)
            if problem:
                state["found"] += 1
                (found_in / f"{number}_{target.name}").write_bytes(data)
                (found_in / f"{number}.txt").write_text(problem, encoding="utf-8", errors="replace")
                print(f"{number} {target.name}: {problem}", flush=True)
            if options.seconds and time.monotonic() - begin > options.seconds:
                break
            if number % _SAVED_EVERY == 0:
                _save(state_file, state, number, before + time.monotonic() - begin)
    finally:
        if options.only < 0:
            _save(state_file, state, number, before + time.monotonic() - begin)
    print(f"{number + 1:,} inputs of {len(names)} readers, {state['found']} found, {state['seconds']:.0f} s")
    return 1 if state["found"] else 0


def _choose(names: list[str], number: int) -> str:
    """Readers take turns; slow ones sit out all rounds but one of a hundred."""
    turn, place = divmod(number, len(names))
    name = names[place]
    if TARGETS[name].slow and turn % 100:
        return next((other for other in names[turn % len(names) :] if not TARGETS[other].slow), name)
    return name


def _save(file: Path, state: dict, number: int, seconds: float) -> None:
    state |= {"next": number + 1, "seconds": round(seconds, 1)}
    new = file.with_suffix(".new")
    new.write_text(json.dumps(state))
    new.replace(file)


if __name__ == "__main__":
    sys.exit(main())
