"""A run of very many scenes on very many workers that die: how long it takes, and what of it is lost.

    python benchmarks/simulate_scaling.py [--scenes=1000000] [--workers=1,8,64,256,1000] [--scenes_per_second=…]

Metric: hours of the whole run, lower is better; beside it the share of the workers' time that went into fits that
count. Simulated, not measured: events in the order of time, with the rules of `prosepose fit --shard_index`: blocks in
turn to shards, a dead worker loses its block, its scheduler starts it again after a while, and a shard that is done
takes blocks of shards that are dead at that moment. Lives are exponential. What one worker does in a second, what a
start takes with a cold and a warm cache, comes from the committed results (fit_scenes.json, memory.json), from
`scaling_container.json` what merging takes; or from the flags. A worker is one device.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
import math
import random
import sys
from collections import deque
from pathlib import Path
from typing import Any

from _common import RESULTS, Ratio, machine, make_parser, numbers, print_row, write_result

HOUR = 3600.0


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is simulated; seconds where nothing else is said.

    Attributes:
      scenes: of the run.
      block: scenes of a block.
      workers: shards, one device each.
      per_second: scenes that one device fits in a second, without compilation.
      first_start: until the first block begins, with an empty compilation cache.
      start: the same with a warm one.
      life: mean time until a worker dies; infinite: never.
      again: until the scheduler starts a dead worker again.
      spread: the times of blocks differ by so much (standard deviation, share).
    """

    scenes: int
    block: int
    workers: int
    per_second: float
    first_start: float
    start: float
    life: float
    again: float
    spread: float = 0.15


@dataclasses.dataclass
class Outcome:
    """What came of it."""

    seconds: float = 0.0
    useful: float = 0.0  # worker-seconds of blocks that count
    lost: float = 0.0  # of blocks that died with their worker
    starting: float = 0.0
    deaths: int = 0
    stolen: int = 0


def simulate(setting: Setting, seed: int = 0) -> Outcome:
    """One run, to its last block."""
    rng = random.Random(seed)
    num_blocks = -(-setting.scenes // setting.block)
    own = [deque(range(index, num_blocks, setting.workers)) for index in range(setting.workers)]
    left = num_blocks
    out = Outcome()
    dead: set[int] = set()
    dies = [_lifetime(setting, rng) for _ in range(setting.workers)]
    seconds_a_block = setting.block / setting.per_second
    # (time, worker, what happens, block that is done by then or None)
    events: list[tuple[float, int, str, int | None]] = [
        (setting.first_start, worker, "free", None) for worker in range(setting.workers)
    ]
    out.starting += setting.first_start * setting.workers
    heapq.heapify(events)
    while left:
        now, worker, event, block = heapq.heappop(events)
        if event == "again":
            dead.discard(worker)
            dies[worker] = now + _lifetime(setting, rng)
            out.starting += setting.start
            heapq.heappush(events, (now + setting.start, worker, "free", None))
            continue
        if block is not None:
            left -= 1
            out.seconds = now
        todo = _next(worker, own, dead, out)
        if todo is None:
            continue
        took = seconds_a_block * max(0.2, rng.gauss(1.0, setting.spread))
        if now + took > dies[worker]:
            out.deaths += 1
            out.lost += max(0.0, dies[worker] - now)
            own[todo % setting.workers].appendleft(todo)
            dead.add(worker)
            heapq.heappush(events, (max(now, dies[worker]) + setting.again, worker, "again", None))
        else:
            out.useful += took
            heapq.heappush(events, (now + took, worker, "free", todo))
    return out


def _lifetime(setting: Setting, rng: random.Random) -> float:
    return math.inf if math.isinf(setting.life) else rng.expovariate(1.0 / setting.life)


def _next(worker: int, own: list[deque[int]], dead: set[int], out: Outcome) -> int | None:
    if own[worker]:
        return own[worker].popleft()
    for other in sorted(dead):
        if own[other]:
            out.stolen += 1
            return own[other].popleft()
    return None


def known() -> dict[str, float]:
    """What the committed results say of one device."""
    found = {"per_second": 3.0, "first_start": 60.0, "start": 15.0, "merge_per_second": 1000.0}
    rows = _rows("fit_scenes")
    rates = [r["scenes_per_second"] for r in rows if r.get("setting") == "default" and r.get("scenes") == 64]
    memory = [r for r in _rows("memory") if "compile_cached_s" in r]
    merges = [r for r in _rows("scaling_container") if r.get("phase") == "merge"]
    if rates:
        found["per_second"] = rates[0]
    if memory:
        found |= {"first_start": memory[-1]["compile_s"], "start": memory[-1]["compile_cached_s"]}
    if merges:
        found["merge_per_second"] = merges[-1]["scenes_per_second"]
    return found


def _rows(name: str) -> list[dict[str, Any]]:
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []


def main() -> int:
    """Prints a line a setting; writes the result file."""
    measured = known()
    parser = make_parser(__doc__ or "", "simulate_scaling")
    parser.add_argument("--scenes", type=int, default=1_000_000)
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--workers", type=numbers, default=[1, 8, 64, 256, 1000])
    parser.add_argument("--scenes_per_second", type=float, default=measured["per_second"], help="of one device")
    parser.add_argument("--first_start_s", type=float, default=60.0 + measured["first_start"], help="cold cache")
    parser.add_argument("--start_s", type=float, default=15.0 + measured["start"], help="warm cache")
    parser.add_argument("--again_s", type=float, default=120.0, help="until a dead worker is started again")
    parser.add_argument("--lives_h", type=numbers, default=[1, 6, 24], help="mean hours until a worker dies")
    options = parser.parse_args()
    rows, started = [], machine()
    for workers in options.workers:
        for hours in [float("inf"), *map(float, reversed(options.lives_h))]:
            setting = Setting(
                options.scenes, options.block, workers, options.scenes_per_second, options.first_start_s,
                options.start_s, hours * HOUR, options.again_s,
            )  # fmt: skip
            out = simulate(setting)
            ideal = options.scenes / options.scenes_per_second / workers
            merging = options.scenes / measured["merge_per_second"]
            rows.append({
                "workers": workers, "life_h": None if hours == float("inf") else hours, "hours": out.seconds / HOUR,
                "device_hours": workers * out.seconds / HOUR, "efficiency": ideal / out.seconds, "deaths": out.deaths,
                "lost_share": out.lost / max(out.useful, 1e-9), "stolen_blocks": out.stolen,
                "merge_h": merging / HOUR,
            })  # fmt: skip
            print_row(rows[-1])
    ratios = [
        Ratio(f"efficiency: {row['workers']} workers, life {row['life_h'] or 'endless'} h", row["efficiency"], "higher")
        for row in rows
        if row["workers"] == options.workers[-1]
    ]
    write_result(
        Path(options.out), "simulate_scaling", metric="time of a run with worker loss (simulated)", unit="hours",
        better="lower", rows=rows, ratios=ratios, started=started,
        settings={name: getattr(options, name) for name in (
            "scenes", "block", "scenes_per_second", "first_start_s", "start_s", "again_s", "lives_h")},
        notes=["simulated from figures measured on 2 CPU cores; a device of your own: --scenes_per_second"],
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
