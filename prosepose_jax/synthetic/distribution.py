"""How a set of scenes is distributed, as one picture: contact kinds, gaps, penetration, distances, heights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from prosepose_jax.synthetic.figures import contact_kinds
from prosepose_jax.synthetic.truth import Truth

_WIDTH, _HEIGHT, _FINE = 470, 300, 2  # of a panel, and how much finer it is drawn
_INK, _SOFT, _BAR = "#222222", "#d9d9d9", "#3b6ea5"
_KINDS = 24


def draw_distribution(truths: Sequence[Truth], title: str) -> Image.Image:
    """A picture of panels: how often parts touch, and histograms of what was measured.

    Args:
      truths: at least one scene.
      title: above the panels.
    """
    alone = truths[0].num_people == 1
    depths = [1e3 * (t.checks.self_penetration if alone else t.checks.penetration) for t in truths]
    panels = [
        ("required contacts: gap, mm", [1e3 * gap for t in truths for gap in t.checks.gaps], None),
        ("deepest vertex inside " + ("another part, mm" if alone else "the other person, mm"), depths, None),
        ("touching region pairs of a scene", [len(t.contacts.region_pairs) for t in truths], None),
        ("standing height, m", [h for t in truths for h in t.heights], None),
    ]
    if alone:
        panels.append(("distance of pelvis from the camera, m", [p[2] for t in truths for p in t.pelvis], None))
    else:
        apart = [float(np.linalg.norm(t.pelvis[0] - t.pelvis[1])) for t in truths]
        panels.append(("distance between the pelvises, m", apart, None))
    panels.append(("hidden keypoints of a person", [int(h.sum()) for t in truths for h in t.hidden], None))
    head = 30
    kinds_height = 3 * _HEIGHT
    sheet = Image.new("RGB", (3 * _WIDTH * _FINE, (head + kinds_height) * _FINE), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((12 * _FINE, head * _FINE // 2), f"{title}: {len(truths)} scenes", _INK, _font(16), "lm")
    _bars(draw, 0, head, kinds_height, truths)
    for index, (name, values, _) in enumerate(panels):
        x, y = _WIDTH * (1 + index % 2), head + _HEIGHT * (index // 2)
        _histogram(draw, x, y, name, np.asarray(values, float))
    return sheet.resize((sheet.width // _FINE, sheet.height // _FINE), Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _FINE)


def _bars(draw: ImageDraw.ImageDraw, x: int, y: int, height: int, truths: Sequence[Truth]) -> None:
    """Shares of the scenes in which two parts touch, the most frequent ones."""
    counts = contact_kinds(truths)
    shown = counts.most_common(_KINDS)
    draw.text(
        ((x + 12) * _FINE, (y + 14) * _FINE),
        f"scenes in which two parts touch, % ({len(shown)} of {len(counts)} kinds)",
        _INK, _font(13), "lm",
    )  # fmt: skip
    if not shown:
        return
    step = (height - 40) / _KINDS
    left, most = 220, shown[0][1]
    for row, ((a, b), count) in enumerate(shown):
        top = y + 32 + row * step
        middle = (top + step / 2 - 2) * _FINE
        draw.text(((x + left - 8) * _FINE, middle), f"{a} - {b}", _INK, _font(11), "rm")
        length = (_WIDTH - left - 60) * count / most
        box = [(x + left) * _FINE, top * _FINE, (x + left + length) * _FINE, (top + step - 5) * _FINE]
        draw.rectangle(box, fill=_BAR)
        text = f"{100 * count / len(truths):.0f}"
        draw.text(((x + left + length + 5) * _FINE, middle), text, _INK, _font(11), "lm")


def _histogram(draw: ImageDraw.ImageDraw, x: int, y: int, title: str, values: np.ndarray) -> None:
    low, high = float(values.min()), float(values.max())
    whole = bool(np.all(values == np.round(values)))
    bins = int(min(24, high - low + 1)) if whole else 24
    edges = np.linspace(low, high + (1 if whole else 0), bins + 1) if high > low else np.array([low - 0.5, low + 0.5])
    counts, edges = np.histogram(values, edges)
    left, right, top, bottom = x + 46, x + _WIDTH - 14, y + 32, y + _HEIGHT - 34
    draw.text(((x + 12) * _FINE, (y + 14) * _FINE), f"{title}: mean {values.mean():.3g}", _INK, _font(13), "lm")
    most = max(int(counts.max()), 1)
    for share in (0.0, 0.5, 1.0):
        level = bottom - share * (bottom - top)
        draw.line([left * _FINE, level * _FINE, right * _FINE, level * _FINE], fill=_SOFT, width=_FINE)
        draw.text(((left - 6) * _FINE, level * _FINE), f"{share * most:.0f}", _INK, _font(10), "rm")
    width = (right - left) / len(counts)
    for k, count in enumerate(counts):
        if count:
            box = [
                (left + k * width + 0.5) * _FINE, (bottom - (bottom - top) * count / most) * _FINE,
                (left + (k + 1) * width - 0.5) * _FINE, bottom * _FINE,
            ]  # fmt: skip
            draw.rectangle(box, fill=_BAR)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = left + share * (right - left)
        value = edges[0] + share * (edges[-1] - edges[0])
        draw.text((at * _FINE, (bottom + 12) * _FINE), f"{value:.3g}", _INK, _font(10), "mm")
