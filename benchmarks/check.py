"""Did anything become slower or worse? Compares the ratios of two sets of result files, never seconds.

    python benchmarks/check.py [--against=HEAD] [--tolerance=0.25]

Reads benchmarks/results/*.json and compares every ratio with the committed one of the same name: those of a git
revision, or of a folder. A ratio has regressed when it is worse by more than the tolerance (a share of the old
value). Prints a table; the exit status is 0 when nothing has regressed, 1 when something has, 2 when there is nothing
to compare. Ratios that only one side has are listed, and are no regression.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _common import BETTER, RESULTS, ROOT, git, print_table

Results = dict[str, dict[str, dict[str, Any]]]  # benchmark: ratio's name: the ratio


class UnreadableResult(ValueError):
    """A result file that is not one; the message names file and field."""


def ratios_of(text: str, source: str) -> dict[str, dict[str, Any]]:
    """The ratios of one result file's text by name.

    Raises:
      UnreadableResult: not JSON, or without ratios of a name, a value and a direction.
    """
    try:
        ratios = json.loads(text)["ratios"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableResult(f"{source}: expected a result file with the field ratios ({error!r})") from None
    found = {}
    for ratio in ratios:
        if not isinstance(ratio, dict) or not {"name", "value", "better"} <= ratio.keys():
            raise UnreadableResult(f"{source}: field ratios: expected name, value and better, found {ratio!r}")
        if ratio["better"] not in BETTER:
            raise UnreadableResult(f"{source}: field ratios: expected better to be one of {BETTER}, found {ratio!r}")
        found[ratio["name"]] = ratio
    return found


def read_folder(folder: Path) -> Results:
    """The result files of a folder."""
    return {file.stem: ratios_of(file.read_text(encoding="utf-8"), file.name) for file in sorted(folder.glob("*.json"))}


def read_revision(revision: str) -> Results:
    """The result files that a git revision of this repository holds.

    Raises:
      UnreadableResult: no such revision.
    """
    where = RESULTS.relative_to(ROOT).as_posix()
    listed = git("ls-tree", "--name-only", revision, f"{where}/")
    if listed is None:
        raise UnreadableResult(f"--against: {revision!r} is neither a folder nor a revision of this repository")
    files = [name for name in listed.splitlines() if name.endswith(".json")]
    texts = {name: git("show", f"{revision}:{name}") or "" for name in files}
    return {Path(name).stem: ratios_of(text, f"{revision}:{name}") for name, text in texts.items()}


def worsening(old: float, new: float, better: str) -> float:
    """By which share of the old value the new one is worse; negative when it is better."""
    change = (new - old) if better == "lower" else (old - new)
    return change / abs(old) if old else (0.0 if change <= 0 else float("inf"))


def compare_results(before: Results, now: Results, tolerance: float) -> list[dict[str, Any]]:
    """One entry per ratio of either side, its verdict among "regressed", "improved", "same", "new", "gone"."""
    entries = []
    for benchmark in sorted(before.keys() | now.keys()):
        old, new = before.get(benchmark, {}), now.get(benchmark, {})
        for name in dict.fromkeys((*old, *new)):
            entry: dict[str, Any] = {"benchmark": benchmark, "ratio": name}
            values = [side[name]["value"] if name in side else None for side in (old, new)]
            entry |= {"before": values[0], "now": values[1]}
            # A side without a number (a figure that became infinite, say) counts as not being there.
            if values[0] is None or values[1] is None:
                entry["verdict"] = "new" if values[0] is None else "gone"
            else:
                share = worsening(values[0], values[1], new[name]["better"])
                entry["worse_by"] = f"{100 * share:+.0f} %"
                entry["verdict"] = "regressed" if share > tolerance else "improved" if share < -tolerance else "same"
            entries.append(entry)
    return entries


def main(argv: Sequence[str] | None = None) -> int:
    """Compares, prints, returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with the new result files")
    parser.add_argument("--against", default="HEAD", help="a folder, or a revision whose results are compared with")
    parser.add_argument("--tolerance", type=float, default=0.25, help="worse by more than this share: a regression")
    arguments = parser.parse_args(argv)
    try:
        now = read_folder(arguments.results)
        folder = Path(arguments.against)
        before = read_folder(folder) if folder.is_dir() else read_revision(arguments.against)
    except UnreadableResult as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    if not now or not before:
        which = "--results: the folder" if not now else f"--against: {arguments.against!r}"
        print(f"check: {which} holds no result files; `make bench` writes them", file=sys.stderr)
        return 2
    return report(compare_results(before, now, arguments.tolerance), arguments.tolerance)


def report(entries: Sequence[Mapping[str, Any]], tolerance: float) -> int:
    """Prints the comparison; 1 when something regressed, else 0."""
    print_table(entries, ["benchmark", "ratio", "before", "now", "worse_by", "verdict"])
    regressed = [entry for entry in entries if entry["verdict"] == "regressed"]
    print(f"\n{len(regressed)} of {len(entries)} ratios regressed by more than {100 * tolerance:g} %")
    for entry in regressed:
        print(f"REGRESSED {entry['benchmark']}: {entry['ratio']}: {entry['before']:.4g} before, {entry['now']:.4g} now")
    return 1 if regressed else 0


if __name__ == "__main__":
    sys.exit(main())
