"""A finished sweep as a table a figure: groups in rows, points in columns (docs/ablate.md)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from prosepose_jax.ablation.table import interval_text
from prosepose_jax.metrics import Interval
from prosepose_jax.metrics.records import METRICS, Metric


def tables_by_group(table: str) -> str:
    """Markdown tables, one a figure.

    Args:
      table: text of a sweep's table.csv (`ablation.table.to_csv`).

    Returns:
      A cell has the mean and, of points that have one, the paired difference to the group's reference with its 95 %
      interval. A last row has the means over the groups.
    """
    rows = [row for row in csv.DictReader(io.StringIO(table)) if row["figure"]]
    groups, points = (
        list(dict.fromkeys(row["group"] for row in rows)),
        list(dict.fromkeys(row["point"] for row in rows)),
    )
    cells = {(row["figure"], row["group"], row["point"]): row for row in rows}
    parts = []
    for name in dict.fromkeys(row["figure"] for row in rows):
        figure = METRICS[name]
        lines = [
            f"| {' | '.join([figure.titled(figure.heading), 'scenes', *points])} |",
            f"|{'---|' * (2 + len(points))}",
        ]
        for group in groups:
            mine = {point: cells[name, group, point] for point in points if (name, group, point) in cells}
            scenes = "–".join(sorted({row["scenes"] for row in mine.values()}, key=int))
            shown = [_cell(mine[point], figure) if point in mine else "" for point in points]
            lines.append(f"| {' | '.join([group, scenes, *shown])} |")
        means = [[float(row["mean"]) for key, row in cells.items() if key[0] == name and key[2] == p] for p in points]
        over = [
            f"{sum(values) / len(values):.{figure.digits}f}" if len(values) == len(groups) else "" for values in means
        ]
        parts.append("\n".join([*lines, f"| {' | '.join(['mean of all', '', *over])} |"]))
    return "\n\n".join(parts)


def _cell(row: Mapping[str, str], figure: Metric) -> str:
    text = f"{float(row['mean']):.{figure.digits}f}"
    if not row["difference"]:
        return text
    by = Interval(*(float(row[name]) for name in ("difference", "difference_low", "difference_high")))
    return f"{text}, {interval_text(by, figure, sign=True)}"
