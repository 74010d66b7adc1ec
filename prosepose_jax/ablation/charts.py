"""A sweep's figures with their intervals as pictures: the same marks as SVG (sharp) and PNG (everywhere).

Drawn by hand as the charts of the report are: the plain install has no plotting package.
"""

from __future__ import annotations

import html
import io
import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from PIL import Image, ImageDraw, ImageFont

from prosepose_jax.ablation.points import INITIAL, Sweep
from prosepose_jax.ablation.table import Line
from prosepose_jax.metrics.records import BY_KIND, Metric

# As in the report's style sheet, light.
COLORS = ("#1f2328", "#2f7fd6", "#d9660f", "#17946f", "#b04fa0", "#8a7a00", "#c22f4c", "#6a6fd0")
_TEXT, _GRID = "#1f2328", "#d8dde3"
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 70, 20, 40, 48
_HEIGHT, _ROW, _LABELS = 400, 24, 190
_TITLE_LETTERS = 82  # what fits across at its size
NAME_LETTERS = 27  # of a point's name, beside its row
_SCALE = 2  # pixels of the PNG per unit
_SIZE = 13


class _Canvas(Protocol):
    def line(self, points: Sequence[tuple[float, float]], color: str, width: float) -> None: ...
    def dot(self, x: float, y: float, color: str) -> None: ...
    def text(self, x: float, y: float, text: str, anchor: str, size: int = _SIZE) -> None: ...


class _Svg:
    def __init__(self, width: float, height: float, title: str) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'font-family="sans-serif" role="img" aria-label="{html.escape(title)}">'
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
        ]

    def line(self, points: Sequence[tuple[float, float]], color: str, width: float) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width:g}"/>')

    def dot(self, x: float, y: float, color: str) -> None:
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')

    def text(self, x: float, y: float, text: str, anchor: str, size: int = _SIZE) -> None:
        place = {"l": "start", "m": "middle", "r": "end"}[anchor]
        self._parts.append(
            f'<text x="{x:.1f}" y="{y + size * 0.35:.1f}" font-size="{size}" text-anchor="{place}" fill="{_TEXT}">'
            f"{html.escape(text)}</text>"
        )

    def data(self) -> bytes:
        return ("".join(self._parts) + "</svg>\n").encode("utf-8")


class _Png:
    def __init__(self, width: float, height: float, title: str) -> None:
        del title
        self._image = Image.new("RGB", (round(width * _SCALE), round(height * _SCALE)), "#ffffff")
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[tuple[float, float]], color: str, width: float) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=color, width=max(1, round(width * _SCALE)), joint="curve")

    def dot(self, x: float, y: float, color: str) -> None:
        x, y, r = x * _SCALE, y * _SCALE, 4 * _SCALE
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def text(self, x: float, y: float, text: str, anchor: str, size: int = _SIZE) -> None:
        font = ImageFont.load_default(size * _SCALE)
        text = text.replace("×", "x")  # a sign that Pillow's own font lacks
        self._draw.text((x * _SCALE, y * _SCALE), text, fill=_TEXT, font=font, anchor=f"{anchor}m")

    def data(self) -> bytes:
        out = io.BytesIO()
        self._image.save(out, format="PNG", optimize=True)
        return out.getvalue()


class _Mark(NamedTuple):
    x: float
    name: str
    mean: float
    low: float
    high: float


def draw_charts(sweep: Sweep, lines: Sequence[Line]) -> dict[str, bytes]:
    """{file name: data} of the charts of the two main figures of each kind of scene, SVG and PNG.

    Points with a place on the axis make lines, one per group; others stand below one another by name. Bars are 95 %
    intervals of the means.
    """
    files = {}
    for kind in dict.fromkeys(line.point.scenes.kind for line in lines):
        mine = [line for line in lines if line.point.scenes.kind == kind]
        for figure in BY_KIND[kind][:2]:
            groups = _marks(mine, figure)
            if not groups:
                continue
            ordered = all(line.point.x is not None for line in mine if line.point.name != INITIAL)
            draw = _curves if ordered else _rows
            for ending, canvas in (("svg", _Svg), ("png", _Png)):
                files[f"{kind}_{figure.name}.{ending}"] = draw(canvas, sweep, figure, groups)
    return files


def _marks(lines: Sequence[Line], figure: Metric) -> dict[str, list[_Mark]]:
    """Of the fitted points by group."""
    groups: dict[str, list[_Mark]] = {}
    for line in lines:
        if line.point.name != INITIAL and figure.name in line.cells:
            found, x = line.cells[figure.name].mean, line.point.x
            mark = _Mark(math.nan if x is None else x, line.point.name, found.mean, found.low, found.high)
            groups.setdefault(line.point.group, []).append(mark)
    return groups


def _curves(kind: type, sweep: Sweep, figure: Metric, groups: dict[str, list[_Mark]]) -> bytes:
    canvas = kind(_WIDTH, _HEIGHT, sweep.title)
    marks = [mark for group in groups.values() for mark in group]
    along = math.log if sweep.log_x else float
    x_low, x_high = _span([along(mark.x) for mark in marks])
    y_low, y_high = _padded(marks)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (along(x) - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT - 20) + _LEFT + 10
        return across, _HEIGHT - _BOTTOM - (y - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)

    _title(canvas, sweep, figure, groups)
    for value in _ticks(y_low, y_high):
        _, y = place(marks[0].x, value)
        canvas.line([(_LEFT, y), (_WIDTH - _RIGHT, y)], _GRID, 1)
        canvas.text(_LEFT - 8, y, f"{value:g}", "r")
    for x in sorted({mark.x for mark in marks}):
        canvas.text(place(x, y_low)[0], _HEIGHT - _BOTTOM + 14, f"{x:g}", "m")
    canvas.text(_WIDTH - _RIGHT, _HEIGHT - 12, sweep.x_label, "r")
    for index, group in enumerate(groups.values()):
        color = COLORS[(index + 1) % len(COLORS)]
        ordered = sorted(group)
        aside = 5 * (index - (len(groups) - 1) / 2)  # side by side, or one group's intervals would hide another's

        def beside(x: float, y: float, aside: float = aside) -> tuple[float, float]:
            across, down = place(x, y)
            return across + aside, down

        canvas.line([beside(mark.x, mark.mean) for mark in ordered], color, 2)
        for mark in ordered:
            canvas.line([beside(mark.x, mark.low), beside(mark.x, mark.high)], color, 1.5)
            canvas.dot(*beside(mark.x, mark.mean), color)
    return canvas.data()


def _rows(kind: type, sweep: Sweep, figure: Metric, groups: dict[str, list[_Mark]]) -> bytes:
    marks = [mark for group in groups.values() for mark in group]
    names = list(dict.fromkeys(mark.name for mark in marks))
    row = _ROW + 8 * (len(groups) - 1)
    height = _TOP + _BOTTOM + row * len(names)
    canvas = kind(_WIDTH, height, sweep.title)
    low, high = _padded(marks)

    def across(value: float) -> float:
        return _LABELS + (value - low) / (high - low) * (_WIDTH - _LABELS - _RIGHT)

    _title(canvas, sweep, figure, groups)
    for value in _ticks(low, high):
        canvas.line([(across(value), _TOP), (across(value), height - _BOTTOM)], _GRID, 1)
        canvas.text(across(value), height - _BOTTOM + 14, f"{value:g}", "m")
    for k, name in enumerate(names):
        middle = _TOP + row * (k + 0.5)
        canvas.text(_LABELS - 10, middle, _shortened(name, NAME_LETTERS), "r")
        for index, group in enumerate(groups.values()):
            y = middle + (index - (len(groups) - 1) / 2) * 8
            color = COLORS[(index + 1) % len(COLORS)]
            for mark in (one for one in group if one.name == name):
                canvas.line([(across(mark.low), y), (across(mark.high), y)], color, 1.5)
                canvas.dot(across(mark.mean), y, color)
    return canvas.data()


def _title(canvas: _Canvas, sweep: Sweep, figure: Metric, groups: dict[str, list[_Mark]]) -> None:
    about = f"{figure.heading} ({figure.unit}, {figure.better} is better)"
    canvas.text(12, 14, f"{_shortened(sweep.title, _TITLE_LETTERS - len(about))}: {about}", "l", 14)
    if len(groups) < 2:
        return
    x = 12.0
    for index, group in enumerate(groups):
        canvas.dot(x + 4, 31, COLORS[(index + 1) % len(COLORS)])
        canvas.text(x + 13, 31, group, "l", 12)
        x += 26 + 7 * len(group)


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: max(1, letters - 1)].rstrip() + "…"


def _padded(marks: Sequence[_Mark]) -> tuple[float, float]:
    low, high = _span([value for mark in marks for value in (mark.low, mark.high)])
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high - low > 1e-9 * max(1.0, abs(high)) else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """Five or so round numbers between two limits."""
    rough = (high - low) / 5.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
