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
from prosepose_jax.report.stills import contact_heat, eye_for, film_frames, render_still, turntable

__all__ = [
    "PERSON_COLORS",
    "contact_heat",
    "eye_for",
    "film_frames",
    "line_chart",
    "loss_charts",
    "render_overlay",
    "render_people",
    "render_scene_panel",
    "render_still",
    "render_views",
    "turntable",
    "write_report",
]
