"""A table as text, Markdown, LaTeX, CSV and JSON: the same numbers five times."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from prosepose_jax.metrics.bootstrap import Interval
from prosepose_jax.metrics.records import Metric
from prosepose_jax.tables.table import Cell, Line, Table


def to_text(table: Table) -> str:
    """For the terminal: means with intervals, the published figure in braces, differences below one another."""
    head = ["", "n", *(metric.titled(metric.heading) for metric in table.columns), "coverage"]
    rows = [[line.title, str(line.scenes), *(_cell(line.cells.get(m.name), m) for m in table.columns), _coverage(line)]
            for line in table.lines]  # fmt: skip
    parts = [table.title, _aligned([head, *rows])]
    differences = _differences(table)
    if differences:
        parts += [f"Differences to {_title(table, table.reference)}, paired, same scenes:", _aligned(differences)]
    return "\n\n".join(part for part in parts if part) + "\n\n" + "\n".join(_notes(table)) + "\n"


def to_markdown(table: Table) -> str:
    """A table with footnotes; the best of our rows is bold."""
    head = ["", "scenes", *(f"{m.titled(m.heading)} {m.arrow}" for m in table.columns),
            *(f"Δ {m.heading}" for m in table.columns[:2]), "coverage"]  # fmt: skip
    best = {metric.name: _best(table, metric) for metric in table.columns}
    rows = []
    for line in table.lines:
        cells = [line.title + (" (reference)" if line.name == table.reference else ""), str(line.scenes)]
        for metric in table.columns:
            text = _cell(line.cells.get(metric.name), metric)
            cells.append(f"**{text}**" if text and best[metric.name] == line.name else text)
        for metric in table.columns[:2]:
            cell = line.cells.get(metric.name)
            cells.append("" if cell is None or cell.difference is None else _interval(cell.difference, metric, "+"))
        rows.append([*cells, _coverage(line)])
    lines = [f"| {' | '.join(row)} |" for row in ([cell.replace("|", "/") for cell in row] for row in [head, *rows])]
    lines.insert(1, f"|{'---|' * len(head)}")
    title = [f"**{table.title}**", ""] if table.title else []
    return "\n".join([*title, *lines, "", *(f"- {note}" for note in _notes(table)), ""])


def to_latex(table: Table) -> str:
    """A booktabs table: intervals as sub- and superscripts, published figures in parentheses, notes as comments."""
    rows = [
        *(f"% {_ascii(note)}" for note in ([table.title] if table.title else []) + _notes(table)),
        f"\\begin{{tabular}}{{l{'r' * (1 + len(table.columns))}}}",
        "\\toprule",
        " & ".join(["", "scenes", *(_escape(m.titled(m.heading)) for m in table.columns)]) + r" \\",
        "\\midrule",
    ]
    for line in table.lines:
        cells = [_escape(line.title), str(line.scenes)]
        for metric in table.columns:
            cell = line.cells.get(metric.name)
            if cell is None:
                cells.append("")
                continue
            low, high = cell.mean.mean - cell.mean.low, cell.mean.high - cell.mean.mean
            d = metric.digits
            text = f"${cell.mean.mean:.{d}f}^{{+{high:.{d}f}}}_{{-{low:.{d}f}}}$"
            cells.append(text + (f" ({cell.published.value:g})" if cell.published else ""))
        rows.append(" & ".join(cells) + r" \\")
    return "\n".join([*rows, "\\bottomrule", "\\end{tabular}", ""])


def to_csv(table: Table) -> str:
    """One row a line and metric, numbers in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["row", "title", "metric", "unit", "better", "scenes", "own_scenes", "fallback", "failed", "coverage", "mean",
         "low", "high", "difference", "difference_low", "difference_high", "without_fallback", "published", "source",
         "joint_set"]
    )  # fmt: skip
    for line in table.lines:
        for metric in table.columns:
            cell = line.cells.get(metric.name)
            if cell is None:
                continue
            difference = tuple(cell.difference) if cell.difference else ("", "", "")
            numbers = [*map(_number, cell.mean), *map(_number, difference), _number(cell.answered)]
            writer.writerow(
                [line.name, line.title, metric.name, metric.unit, metric.better, line.scenes, line.own, line.fallback,
                 line.failed, _number(line.coverage), *numbers, cell.published.value if cell.published else "",
                 cell.published.source if cell.published else "", table.joint_set]
            )  # fmt: skip
    return out.getvalue()


def to_json(table: Table) -> str:
    """Everything, for programs."""

    def cell(one: Cell) -> dict[str, Any]:
        found: dict[str, Any] = one.mean._asdict()
        if one.difference:
            found["difference"] = one.difference._asdict()
        if one.answered is not None:
            found["without_fallback"] = one.answered
        if one.published:
            found["published"] = {"value": one.published.value, "source": one.published.source}
        return found

    content = {
        "title": table.title, "kind": table.kind, "joint_set": table.joint_set, "reference": table.reference,
        "confidence": table.confidence, "footnotes": list(table.footnotes),
        "columns": [{"name": m.name, "heading": m.heading, "unit": m.unit, "better": m.better} for m in table.columns],
        "rows": [
            {"name": line.name, "title": line.title, "scenes": line.scenes, "own_scenes": line.own,
             "fallback": line.fallback, "failed": line.failed, "coverage": line.coverage, "pcc_at": dict(line.at),
             "figures": {name: cell(one) for name, one in line.cells.items()}}
            for line in table.lines
        ],
    }  # fmt: skip
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: Mapping[str, tuple[str, Callable[[Table], str]]] = {
    "text": ("txt", to_text), "markdown": ("md", to_markdown), "latex": ("tex", to_latex), "csv": ("csv", to_csv),
    "json": ("json", to_json),
}  # fmt: skip
"""{format: (file ending, writer)}."""


def _notes(table: Table) -> list[str]:
    joints = [f"Errors on: {table.joint_set}."] if table.joint_set else []
    marks = ["{…}: the published figure, not measured here."] if any(
        cell.published for line in table.lines for cell in line.cells.values()
    ) else []  # fmt: skip
    return [*joints, f"(…): {100 * table.confidence:.0f} % bootstrap interval over scenes.", *marks, *table.footnotes]


def _title(table: Table, name: str) -> str:
    return next((line.title for line in table.lines if line.name == name), name)


def _best(table: Table, metric: Metric) -> str | None:
    means = {line.name: line.cells[metric.name].mean.mean for line in table.lines
             if metric.name in line.cells and line.name != "oracle"}  # fmt: skip
    best = metric.best(means.values())
    return next((name for name, mean in means.items() if mean == best), None)


def _cell(cell: Cell | None, metric: Metric) -> str:
    if cell is None:
        return ""
    text = _interval(cell.mean, metric)
    if cell.answered is not None:
        text += f" [{metric.written(cell.answered)}]"
    return text + (f" {{{cell.published.value:g}}}" if cell.published else "")


def _interval(found: Interval, metric: Metric, sign: str = "") -> str:
    d = metric.digits
    return f"{found.mean:{sign}.{d}f} ({found.low:{sign}.{d}f}, {found.high:{sign}.{d}f})"


def _coverage(line: Line) -> str:
    parts = [] if line.coverage is None else [f"{100 * line.coverage:.0f} %"]
    parts += [f"{line.failed} failed"] if line.failed else []
    return ", ".join(parts)


def _differences(table: Table) -> list[list[str]]:
    rows = []
    for line in table.lines:
        found = [(m, line.cells[m.name].difference) for m in table.columns if m.name in line.cells]
        if any(difference for _, difference in found):
            rows.append([line.title, *("" if d is None else _interval(d, m, "+") for m, d in found)])
    head = ["", *(metric.titled(metric.heading) for metric in table.columns)]
    return [head, *rows] if rows else []


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[k]) for row in rows if k < len(row)) for k in range(max(map(len, rows)))]

    def line(row: list[str]) -> str:
        first, *others = [(cell, width) for cell, width in zip(row, widths, strict=False)]
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()

    return "\n".join(map(line, rows))


def _number(value: Any) -> str:
    return "" if value is None or value == "" else f"{value:.6g}"


def _escape(text: str) -> str:
    for mark in "&%#_$":
        text = text.replace(mark, "\\" + mark)
    return text


def _ascii(text: str) -> str:
    return text.replace("\n", " ").replace("…", "...")
