"""Pictures, loss curves and the HTML report of a run (docs/report.md). Reads records, writes files, fits nothing."""

from prosepose_jax.report.html import write_report
from prosepose_jax.report.plots import line_chart, loss_charts
from prosepose_jax.report.render import (
    PERSON_COLORS,
    render_overlay,
    render_people,
    render_scene_panel,
    render_views,
)

__all__ = [
    "PERSON_COLORS",
    "line_chart",
    "loss_charts",
    "render_overlay",
    "render_people",
    "render_scene_panel",
    "render_views",
    "write_report",
]
