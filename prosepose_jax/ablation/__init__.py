"""Tables of runs on scenes with known truth: points, shared fits, tables with intervals, plots (docs/ablate.md)."""

from __future__ import annotations

from prosepose_jax.ablation.answers import AnswerChange, annotated_answer
from prosepose_jax.ablation.charts import draw_charts
from prosepose_jax.ablation.points import INITIAL, Point, Sweep, expand
from prosepose_jax.ablation.run import Outcome, run_sweep
from prosepose_jax.ablation.scene_sets import SceneSpec, load_or_make
from prosepose_jax.ablation.table import Line, summarise, to_csv, to_latex, to_markdown

__all__ = [
    "INITIAL",
    "AnswerChange",
    "Line",
    "Outcome",
    "Point",
    "SceneSpec",
    "Sweep",
    "annotated_answer",
    "draw_charts",
    "expand",
    "load_or_make",
    "run_sweep",
    "summarise",
    "to_csv",
    "to_latex",
    "to_markdown",
]
