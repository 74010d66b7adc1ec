"""Line charts as inline SVG, written by hand: no plotting package, sharp at any size, light or dark."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from prosepose_jax.scene import Fit

NUM_LINE_COLORS = 8  # classes s0 … s7 of the report's style sheet
_WIDTH, _HEIGHT = 380, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 22, 30
_BARS = 16


class Series(NamedTuple):
    """One line of a chart."""

    name: str
    x: np.ndarray
    y: np.ndarray
    style: int  # 0 … 7: the colour, the same for the same thing in all charts


def line_chart(
    series: Sequence[Series],
    title: str,
    x_label: str = "",
    *,
    log_y: bool = False,
    y_range: tuple[float, float] | None = None,
) -> str:
    """A chart as an `<svg>` element; values that are not finite (or not positive, with log_y) are gaps.

    Args:
      series: the lines; a chart without any drawable point says so.
      title: above the chart.
      x_label: below it.
      log_y: logarithmic y axis.
      y_range: limits of the y axis; None: those of the values.
    """
    shown = [(s, _drawable(s, log_y)) for s in series]
    points = [(s.x[keep], s.y[keep]) for s, keep in shown if keep.any()]
    head = (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f'<text class="title" x="{_LEFT}" y="14">{html.escape(title)}</text>'
    )
    if not points:
        return head + f'<text x="{_LEFT}" y="{_HEIGHT // 2}">no values</text></svg>'
    x_low, x_high = _span(np.concatenate([x for x, _ in points]))
    y_values = np.concatenate([y for _, y in points])
    y_low, y_high = y_range if y_range is not None else _span(np.log10(y_values) if log_y else y_values)

    def place(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = np.log10(y) if log_y else y
        across = (x - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        up = (np.clip(y, y_low, y_high) - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + across, _HEIGHT - _BOTTOM - up

    parts = [head]
    for value in _ticks(y_low, y_high, whole=log_y):
        _, y = place(np.array([x_low]), np.array([10.0**value if log_y else value]))
        text = _power(value) if log_y else f"{value:g}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y[0]:.1f}" y2="{y[0]:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 5}" y="{y[0] + 3.5:.1f}" text-anchor="end">{text}</text>')
    for value in _ticks(x_low, x_high):
        x, _ = place(np.array([value]), np.array([1.0]))
        parts.append(
            f'<text class="tick" x="{x[0]:.1f}" y="{_HEIGHT - _BOTTOM + 13}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(
        f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 3}" text-anchor="end">{html.escape(x_label)}</text>'
    )
    for one, keep in shown:
        if keep.any():
            parts.append(_line(one, keep, *place(one.x, np.where(keep, one.y, 1.0))))
    return "".join(parts) + "</svg>"


def loss_charts(fit: Fit, max_points: int = 120) -> list[str]:
    """One chart per stage of a fit: the weighted terms and their sum over the steps."""
    if fit.losses is None or not len(fit.losses):
        return []
    charts = []
    losses = np.asarray(fit.losses, dtype=np.float64)
    for stage, values in enumerate(losses):
        done = np.flatnonzero(np.isfinite(values).all(axis=-1))
        if fit.steps is not None and stage < len(fit.steps):
            done = done[done < int(fit.steps[stage])]
        if not len(done):
            continue
        chosen = done[np.unique(np.linspace(0, len(done) - 1, min(max_points, len(done))).round().astype(int))]
        steps = chosen + 1.0
        series = [Series("total", steps, values[chosen].sum(axis=-1), 0)]
        for index, term in enumerate(fit.loss_terms):
            # A term that never weighs anything has no line.
            if (values[done, index] > 0.0).any():
                series.append(Series(term, steps, values[chosen, index], 1 + index % (NUM_LINE_COLORS - 1)))
        charts.append(line_chart(series, f"stage {stage + 1}: {len(done)} steps", "step", log_y=True))
    return charts


def histogram(groups: Sequence[tuple[str, Sequence[float], int]], title: str, unit: str) -> str:
    """How values are spread, as an `<svg>` element: bars of several groups side by side.

    Values beyond the 99th percentile stand in the last bar, so that a single odd one does not flatten the rest.

    Args:
      groups: (name, values, style) of each; values that are not finite do not count.
      title: above the chart.
      unit: of the counts, on the y axis.
    """
    finite = [(name, np.asarray(values, float), style) for name, values, style in groups]
    finite = [(name, values[np.isfinite(values)], style) for name, values, style in finite]
    everything = np.concatenate([np.zeros(0), *(values for _, values, _ in finite)])
    head = (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f'<text class="title" x="{_LEFT}" y="14">{html.escape(title)}</text>'
    )
    if not len(everything):
        return head + f'<text x="{_LEFT}" y="{_HEIGHT // 2}">no values</text></svg>'
    low, high = _span(np.array([everything.min(), np.percentile(everything, 99)]))
    edges = np.linspace(low, high, _BARS + 1)
    counts = [np.histogram(np.clip(values, low, high), edges)[0] for _, values, _ in finite]
    most = max(1, max(int(count.max()) for count in counts))
    wide, tall = (_WIDTH - _LEFT - _RIGHT) / _BARS, _HEIGHT - _TOP - _BOTTOM
    parts = [head]
    for value in _ticks(0.0, float(most), whole=True):
        y = _HEIGHT - _BOTTOM - value / most * tall
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{value:g}</text>')
    for value in _ticks(low, high):
        x = _LEFT + (value - low) / (high - low) * wide * _BARS
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 13}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(f'<text class="tick" x="{_WIDTH - _RIGHT}" y="14" text-anchor="end">{html.escape(unit)}</text>')
    share = 0.84 * wide / max(1, len(finite))
    for place, ((name, _, style), count) in enumerate(zip(finite, counts, strict=True)):
        bars = "".join(
            f"M{_LEFT + bar * wide + 0.08 * wide + place * share:.1f} {_HEIGHT - _BOTTOM}v{-n / most * tall:.1f}"
            f"h{share:.1f}V{_HEIGHT - _BOTTOM}z"
            for bar, n in enumerate(count)
            if n
        )
        parts.append(f'<path class="bars s{style}" d="{bars}"><title>{html.escape(name)}</title></path>')
    return "".join(parts) + "</svg>"


def _drawable(series: Series, log_y: bool) -> np.ndarray:
    keep = np.isfinite(series.y) & np.isfinite(series.x)
    return keep & (np.where(keep, series.y, 0.0) > 0.0) if log_y else keep


def _line(series: Series, keep: np.ndarray, x: np.ndarray, y: np.ndarray) -> str:
    pieces, pen_down = [], False
    for k, px, py in zip(keep, x, y, strict=True):
        if k:
            pieces.append(f"{'L' if pen_down else 'M'}{px:.1f} {py:.1f}")
        pen_down = bool(k)
    path = "".join(pieces)
    # A lone point would be an invisible line.
    path = path + "h0.1" if keep.sum() == 1 else path
    return f'<path class="line s{series.style}" d="{path}"><title>{html.escape(series.name)}</title></path>'


def _span(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high - low > 1e-9 * max(1.0, abs(high)) else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Four or so round numbers between two limits."""
    rough = (high - low) / 4.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if power * m >= rough * 0.999)
    if whole:
        step = max(1.0, step)
    first = math.ceil(low / step - 1e-9)
    ticks = [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
    return ticks or [low, high]


def _power(exponent: float) -> str:
    value = 10.0**exponent
    return f"{value:.3g}" if 1e-3 <= value < 1e5 else f"1e{exponent:g}"
