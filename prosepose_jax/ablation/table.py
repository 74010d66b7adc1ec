"""A sweep's means with bootstrap intervals and paired differences, as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from prosepose_jax.ablation.points import Point, Sweep
from prosepose_jax.ablation.store import failed
from prosepose_jax.metrics import Interval, bootstrap, paired_bootstrap
from prosepose_jax.metrics.records import BY_KIND, Metric, values_of


class Cell(NamedTuple):
    """A mean over scenes and its difference to the reference over the same scenes, with 95 % intervals."""

    mean: Interval
    difference: Interval | None  # None: the reference itself, or no scene in common


class Line(NamedTuple):
    """One point of the table."""

    point: Point
    scenes: int  # with figures
    fallback: int
    failed: int
    cells: dict[str, Cell]  # by figure


def summarise(sweep: Sweep, records: Mapping[Point, Mapping[str, Mapping[str, Any]]]) -> list[Line]:
    """The lines of a sweep's table; points without a record yet are left out."""
    lines = []
    for point in sweep.points:
        mine = records.get(point, {})
        done = {key: record for key, record in mine.items() if not failed(record)}
        if not mine:
            continue
        reference = next(p for p in sweep.points if p.group == point.group and p.name == sweep.reference)
        against = {} if reference is point else records.get(reference, {})
        cells = {}
        for figure in BY_KIND[point.scenes.kind]:
            values = values_of(figure, done)
            if not values:
                continue
            cells[figure.name] = Cell(
                bootstrap(np.array(list(values.values())), seed=sweep.seed),
                _difference(values_of(figure, against), values, sweep.seed),
            )
        fallback = sum(record["status"] == "fallback" for record in done.values())
        lines.append(Line(point, len(done), fallback, len(mine) - len(done), cells))
    return lines


def _difference(first: Mapping[str, float], second: Mapping[str, float], seed: int) -> Interval | None:
    keys = [key for key in second if key in first]
    if not keys:
        return None
    return paired_bootstrap(np.array([first[k] for k in keys]), np.array([second[k] for k in keys]), seed=seed)


def to_csv(lines: Sequence[Line]) -> str:
    """One row a point and figure, numbers in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["group", "point", "x", "kind", "scenes", "fallback", "failed", "figure", "mean", "low", "high",
         "difference", "difference_low", "difference_high"]
    )  # fmt: skip
    for line in lines:
        p = line.point
        start = [p.group, p.name, "" if p.x is None else f"{p.x:g}", p.scenes.kind, line.scenes, line.fallback]
        for name, cell in line.cells.items():
            difference = cell.difference or ("", "", "")
            writer.writerow([*start, line.failed, name, *map(_number, cell.mean), *map(_number, difference)])
        if not line.cells:  # all of its scenes failed
            writer.writerow([*start, line.failed, *[""] * 7])
    return out.getvalue()


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.5g}"


def to_markdown(sweep: Sweep, lines: Sequence[Line]) -> str:
    """A table per group: means, and differences to the reference in their own columns."""
    parts = []
    for group in dict.fromkeys(line.point.group for line in lines):
        mine = [line for line in lines if line.point.group == group]
        figures = [f for f in BY_KIND[mine[0].point.scenes.kind] if any(f.name in line.cells for line in mine)]
        best = {f.name: _best(mine, f) for f in figures}
        head = ["point", "scenes", *(f.titled(f.heading) for f in figures)]
        head += [f"Δ {f.heading}" for f in figures[:2]]
        if group:
            parts.append(f"**{group}**\n")
        rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        for line in mine:
            cells = [line.point.name + (" (reference)" if line.point.name == sweep.reference else ""), _scenes(line)]
            for f in figures:
                text = interval_text(line.cells[f.name].mean, f) if f.name in line.cells else ""
                cells.append(f"**{text}**" if line is best[f.name] else text)
            for f in figures[:2]:
                found = line.cells[f.name].difference if f.name in line.cells else None
                cells.append("" if found is None else interval_text(found, f, sign=True))
            rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def _scenes(line: Line) -> str:
    notes = [f"{n} {word}" for n, word in ((line.fallback, "fallback"), (line.failed, "failed")) if n]
    return f"{line.scenes}" + (f" ({', '.join(notes)})" if notes else "")


def _best(lines: Sequence[Line], figure: Metric) -> Line | None:
    """The fitted point with the best mean."""
    fitted = [line for line in lines if figure.name in line.cells and line.point.config is not None]
    sign = -1.0 if figure.more_is_better else 1.0
    return min(fitted, key=lambda line: sign * line.cells[figure.name].mean.mean, default=None)


def interval_text(found: Interval, figure: Metric, sign: bool = False) -> str:
    mark, digits = "+" if sign else "", figure.digits
    return f"{found.mean:{mark}.{digits}f} ({found.low:{mark}.{digits}f}, {found.high:{mark}.{digits}f})"


def to_latex(sweep: Sweep, lines: Sequence[Line]) -> str:
    """The same as a booktabs table: means with intervals as sub- and superscripts."""
    kinds = list(dict.fromkeys(line.point.scenes.kind for line in lines))
    figures = list(dict.fromkeys(f for kind in kinds for f in BY_KIND[kind][:2]))
    rows = [
        f"% {sweep.title}",
        f"\\begin{{tabular}}{{l{'r' * (1 + len(figures))}}}",
        "\\toprule",
        " & ".join(["point", "scenes", *(_escape(f.titled(f.heading)) for f in figures)]) + r" \\",
    ]
    for group in dict.fromkeys(line.point.group for line in lines):
        rows.append("\\midrule")
        if group:
            rows.append(f"\\multicolumn{{{2 + len(figures)}}}{{l}}{{{_escape(group)}}} \\\\")
        for line in (one for one in lines if one.point.group == group):
            cells = [_escape(line.point.name), str(line.scenes)]
            for f in figures:
                found = line.cells[f.name].mean if f.name in line.cells else None
                cells.append("" if found is None else _latexinterval_text(found, f.digits))
            rows.append(" & ".join(cells) + r" \\")
    return "\n".join([*rows, "\\bottomrule", "\\end{tabular}", ""])


def _latexinterval_text(found: Interval, digits: int) -> str:
    up, down = found.high - found.mean, found.mean - found.low
    return f"${found.mean:.{digits}f}^{{+{up:.{digits}f}}}_{{-{down:.{digits}f}}}$"


def _escape(text: str) -> str:
    for mark in "&%#_$":
        text = text.replace(mark, "\\" + mark)
    return text
