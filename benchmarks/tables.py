"""Writes the figures of benchmarks/results/ into docs/benchmarks.md and docs/scaling.md, between their markers.

    python benchmarks/tables.py [--check]

A marker pair is `<!-- table: NAME -->` … `<!-- end -->`; what stands between them is replaced by the rows and ratios
of NAME.json, with the machine that they come from. --check changes nothing and exits with status 1 when the document
is not what it would write.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _common import RESULTS, ROOT, by_columns

DOCUMENTS = [ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "scaling.md"]
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ABSENT = "*Not measured yet.*\n"


def fill(text: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """The document with every marked block filled; a block without its result file says so."""

    def block(match: re.Match[str]) -> str:
        result = results.get(match[2])
        return f"{match[1]}\n{_ABSENT if result is None else describe(result)}\n{match[3]}"

    return _BLOCK.sub(block, text)


def describe(result: Mapping[str, Any]) -> str:
    """One result as Markdown: where it was measured, the rows by their columns, the ratios, the notes."""
    parts = [f"{result['metric']} ({result['unit']}, {result['better']} is better). {_where(result['machine'])}\n"]
    for rows in by_columns(result["rows"]):
        parts.append(_table(list(rows[0]), [list(row.values()) for row in rows]))
    if result["ratios"]:
        lines = [[r["name"], r["value"], r["better"], r.get("goal")] for r in result["ratios"]]
        parts.append(_table(["ratio", "value", "better", "goal"], lines))
    if result["notes"]:
        parts.append("".join(f"- {note}\n" for note in result["notes"]))
    return "\n".join(parts)


def _where(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    revision = str(machine.get("git_revision") or "unknown")[:10]
    load = f"{machine.get('load_average_at_start', '?')} → {machine['load_average']}"
    device = machine["cpu"] if machine["backend"] == "cpu" else machine["device"]
    return (
        f"{device}, {machine['cpus']} cores, load average {load}; {versions}; "
        f"revision {revision}{' with changes' if machine.get('uncommitted_changes') else ''}, {machine['date']}."
    )


def _table(columns: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    head = f"| {' | '.join(column.replace('_', ' ') for column in columns)} |\n|{'---|' * len(columns)}\n"
    return head + "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value).replace("|", "\\|")


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrites the document or checks it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with the result files")
    parser.add_argument("--document", type=Path, nargs="*", default=DOCUMENTS, help="the documents")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    arguments = parser.parse_args(argv)
    results = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in arguments.results.glob("*.json")}
    stale = 0
    for document in arguments.document:
        text = document.read_text(encoding="utf-8")
        filled = fill(text, results)
        if not arguments.check:
            document.write_text(filled, encoding="utf-8")
            print(f"written: {document.name} ({len(results)} result files)")
        elif filled != text:
            print(f"{document.name} is not up to date: make bench-tables")
            stale += 1
    if arguments.check and not stale:
        print("up to date")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
