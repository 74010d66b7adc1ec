"""The means of a run as a plain-text table, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# (key of metrics.json, heading, unit, digits); the report shows the same rows.
ROWS: tuple[tuple[str, str, str, int], ...] = (
    ("joint_pa_mpjpe_mm", "joint PA-MPJPE", "mm", 1),
    ("pa_mpjpe_mm", "PA-MPJPE", "mm", 1),
    ("mpjpe_mm", "MPJPE", "mm", 1),
    ("pelvis_vector_mm", "vector between the pelvises", "mm", 1),
    ("pcc", "PCC", "%", 1),
    ("penetration_max_mm", "penetration, deepest", "mm", 1),
    ("penetration_mean_mm", "penetration, mean", "mm", 1),
    ("reprojection_px", "reprojection", "px", 1),
)
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
        for key, label, unit, digits in ROWS:
            if not any(key in figures for _, figures in columns):
                continue
            cells = [f"{figures[key]:.{digits}f}" if key in figures else "-" for _, figures in columns]
            lines.append(f"  {f'{label} ({unit})':28}" + "".join(f"{cell:>13}" for cell in cells))
        if "contact_f1" in mean:
            lines.append(f"  {'contact F1 of the answers':28}" + f"{mean['contact_f1']:>{13 * len(columns)}.2f}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) if blocks else "no scene was evaluated"


def coverage_line(mean: Mapping[str, Any]) -> str:
    """How many scenes stand behind a mean, in words."""
    text = f"{mean['scenes']} scene{'s' if mean['scenes'] != 1 else ''}"
    parts = [f"{mean[what]} {word}" for what, word in (("fallback", "by fallback"), ("failed", "failed")) if mean[what]]
    return text + (f" ({', '.join(parts)})" if parts else "")
