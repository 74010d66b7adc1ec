"""The means of a run as a plain-text table, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prosepose_jax.metrics.records import MAIN, METRICS

TITLES = {"two_person": "Two people", "self_contact": "Self-contact"}
COLUMNS = (("initial", "initial"), ("no_answers", "no answers"), ("", "fit"))


def column(figures: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The figures of one of `COLUMNS`: the entry itself for the fit, a part of it for the others."""
    return figures.get(name) if name else figures


def format_table(metrics: Mapping[str, Any]) -> str:
    """A table for each kind of scene, one line a figure."""
    blocks = []
    for kind, mean in metrics["mean"].items():
        columns = [(label, found) for name, label in COLUMNS if (found := column(mean, name))]
        lines = [f"{TITLES.get(kind, kind)}: {coverage_line(mean)}"]
        lines.append(f"  {'':28}" + "".join(f"{label:>13}" for label, _ in columns))
        for metric in MAIN:
            if any(metric.name in figures for _, figures in columns):
                cells = [metric.written(figures.get(metric.name)) for _, figures in columns]
                lines.append(f"  {metric.titled():28}" + "".join(f"{cell:>13}" for cell in cells))
        f1 = METRICS["contact_f1"]
        if f1.name in mean:
            lines.append(f"  {f1.label:28}" + f"{f1.written(mean[f1.name]):>{13 * len(columns)}}")
        if "joint_set" in mean:
            lines.append(f"  joints: {mean['joint_set']}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) if blocks else "no scene was evaluated"


def coverage_line(mean: Mapping[str, Any]) -> str:
    """How many scenes stand behind a mean, in words."""
    text = f"{mean['scenes']} scene{'s' if mean['scenes'] != 1 else ''}"
    parts = [f"{mean[what]} {word}" for what, word in (("fallback", "by fallback"), ("failed", "failed")) if mean[what]]
    return text + (f" ({', '.join(parts)})" if parts else "")
