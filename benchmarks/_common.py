"""What every benchmark shares: timing, the record of machine and versions, tables, result files.

A result file (benchmarks/results/NAME.json) holds what was measured (`metric`, `unit`, `better`), where
(`machine`), the figures (`rows`) and the figures that the regression check compares (`ratios`): names that
stay the same from run to run, values that do not depend on how fast the machine is.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import importlib.metadata
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# PyTorch's threads sleep when they wait: spinning on shared cores takes the cores from the threads that are waited
# for, and steps became a hundred times as slow. Read when PyTorch is loaded, so it is set before anything else.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Generated scenes and other things that are costly to make; ignored by git.
CACHE = ROOT / "out" / "bench"
BETTER = ("lower", "higher")
_PACKAGES = ("prosepose_jax", "jax", "jaxlib", "optax", "numpy", "torch", "smplx", "body-models")


def make_parser(doc: str, name: str) -> argparse.ArgumentParser:
    """A command line whose help is the script's docstring, with the flag that all scripts have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json", help="result file")
    return parser


def numbers(text: str) -> list[int]:
    """The integers of a comma-separated flag; a usage error names what is not one."""
    try:
        values = [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected integers separated by commas, found {text!r}") from None
    if any(value < 1 for value in values):
        raise argparse.ArgumentTypeError(f"expected integers of at least 1, found {text!r}")
    return values


def names(known: Sequence[str]) -> Callable[[str], list[str]]:
    """A flag type: some of the known names, comma separated."""

    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        for word in chosen:
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word!r} is unknown, expected some of {','.join(known)}")
        return chosen

    return parse


@dataclasses.dataclass(frozen=True)
class Laps:
    """Repeated runs of one call, in seconds."""

    first: float  # the first call, compilation included
    wall: tuple[float, ...]  # every later call
    cpu: tuple[float, ...]  # processor time of this process in each of them, all threads

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)


def measure(call: Callable[[], Any], seconds: float = 2.0, repeats: int = 3, most: int = 200) -> Laps:
    """Times a call that blocks until its result is there.

    Args:
      call: what is timed; it must wait for the device (`jax.block_until_ready`).
      seconds: time to spend on it.
      repeats: calls made even when they take longer than that.
      most: calls after which it stops in any case.
    """
    begin = time.perf_counter()
    call()
    first = time.perf_counter() - begin
    wall: list[float] = []
    cpu: list[float] = []
    begin = time.perf_counter()
    while len(wall) < repeats or (time.perf_counter() - begin < seconds and len(wall) < most):
        lap, lap_cpu = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - lap)
        cpu.append(time.process_time() - lap_cpu)
    return Laps(first, tuple(wall), tuple(cpu))


@contextlib.contextmanager
def stopwatch() -> Iterator[dict[str, float]]:
    """`with stopwatch() as spent: …` fills spent["wall"] and spent["cpu"], in seconds."""
    spent: dict[str, float] = {}
    begin, cpu = time.perf_counter(), time.process_time()
    yield spent
    spent["wall"], spent["cpu"] = time.perf_counter() - begin, time.process_time() - cpu


def usable_cpus() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Device, processor, versions, revision and load, without anything that names the machine."""
    import jax

    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    device = jax.devices()[0]
    return {
        "backend": jax.default_backend(),
        "device": device.device_kind,
        "devices": jax.device_count(),
        "cpu": _cpu_model(),
        "cpus": usable_cpus(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
        "git_revision": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "load_average": _load(),  # processes that wanted a core over the last minute, this one included
        "date": datetime.date.today().isoformat(),
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def git(*arguments: str) -> str | None:
    """What a git command on this repository prints; None when it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def rounded(value: Any, digits: int = 4) -> Any:
    """Floats to so many significant digits, inside lists and dicts too; NaN and infinity become None."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return float(f"{value:.{digits}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A figure that the regression check compares: a quotient, or a figure of quality."""

    name: str
    value: float
    better: str  # "lower" | "higher"
    goal: float | None = None  # what the issue asks for, where it asks for something

    def __post_init__(self) -> None:
        if self.better not in BETTER:
            raise ValueError(f"better: expected one of {BETTER}, found {self.better!r}")


def write_result(
    file: Path,
    benchmark: str,
    *,
    metric: str,
    unit: str,
    better: str,
    rows: Sequence[Mapping[str, Any]],
    ratios: Sequence[Ratio],
    settings: Mapping[str, Any],
    notes: Sequence[str] = (),
    started: Mapping[str, Any] | None = None,
) -> None:
    """Prints the tables of figures and ratios and writes the result file in one step.

    Args:
      file: where to.
      benchmark: the script's name.
      metric: what the rows' main figure is.
      unit: its unit.
      better: "lower" or "higher".
      rows: one entry per measurement.
      ratios: for the regression check.
      settings: the flags that the figures depend on; no paths.
      notes: what a reader must know (extrapolated figures, things left out).
      started: `machine()` at the beginning; its load is kept beside the one at the end.
    """
    from prosepose_jax.io.atomic import write_json

    if better not in BETTER:
        raise ValueError(f"better: expected one of {BETTER}, found {better!r}")
    where = machine()
    if started is not None:
        where["load_average_at_start"] = started["load_average"]
    for group in by_columns(rows):
        print()
        print_table(group)
    if ratios:
        print("\nratios")
        print_table([{"what": r.name, "value": f"{r.value:.4g}", "better": r.better, "goal": _goal(r)} for r in ratios])
    for note in notes:
        print(f"note: {note}")
    content = {
        "benchmark": benchmark,
        "metric": metric,
        "unit": unit,
        "better": better,
        "settings": dict(settings),
        "machine": where,
        "rows": rounded(list(rows)),
        "ratios": rounded([dataclasses.asdict(ratio) for ratio in ratios]),
        "notes": list(notes),
    }
    write_json(file, content, indent=1)
    print(f"written: {file}")


def _goal(ratio: Ratio) -> str:
    if ratio.goal is None:
        return ""
    return f"{'≥' if ratio.better == 'higher' else '≤'} {ratio.goal:g}"


def format_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """A plain-text table: numbers to the right, everything else to the left."""
    if not rows:
        return ""
    columns = list(columns or dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    right = [all(isinstance(row.get(c), int | float | None) for row in rows) for c in columns]
    widths = [max(len(c), *(len(line[i]) for line in cells)) for i, c in enumerate(columns)]

    def line(texts: Sequence[str]) -> str:
        return "  ".join(t.rjust(w) if r else t.ljust(w) for t, w, r in zip(texts, widths, right, strict=True)).rstrip()

    return "\n".join([line(columns), line(["-" * w for w in widths]), *map(line, cells)])


def by_columns(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Rows in groups of equal columns, in the order in which the columns first appear."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return list(groups.values())


def print_row(row: Mapping[str, Any]) -> None:
    """One measurement as a line, as soon as it is there; the table comes at the end."""
    print("  ".join(f"{key}={_cell(value)}" for key, value in row.items()), flush=True)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Prints `format_table`."""
    print(format_table(rows, columns), flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)
