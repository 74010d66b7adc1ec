"""What the report says of one scene, ready for its template: plain values, no markup."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.metrics.contact import ContactPair, annotated_pairs, name_regions
from prosepose_jax.metrics.records import ANSWER_METRICS, MAIN
from prosepose_jax.metrics.table import COLUMNS, column
from prosepose_jax.report.plots import NUM_LINE_COLORS, loss_charts
from prosepose_jax.report.view_data import ContactLine, SceneView
from prosepose_jax.scene import Fit, Scene

MOST_LISTED = 60  # rows of a scene's tables; the rest is counted
_PICTURE_PX, _PICTURE_QUALITY = 1100, 80
_SHOWN_SHARE = 0.5  # contacts that this share of the answers names are lit from the start
_BADGES = {"ok": "ok", "fallback": "fallback: no usable answer", "failed": "failed"}
KINDS = ("failed", "fallback", "ok")  # the order in which a reader should look


@dataclasses.dataclass(frozen=True)
class Picture:
    """An embedded picture."""

    width: int
    height: int
    source: str  # a data URI


def status_kind(status: str) -> str:
    """ "ok", "fallback" or "failed"."""
    return status if status in ("ok", "fallback") else "failed"


def make_card(
    scene: Scene,
    fit: Fit,
    entry: Mapping[str, Any],
    place: int,
    view: SceneView | None,
    picture: Picture | None,
    no_picture: str,
    curve_points: int,
) -> dict[str, Any]:
    """The values of a scene's card.

    Args:
      scene: the scene.
      fit: its fit.
      entry: its figures in metrics.json; empty when it has none.
      place: of the card in the page.
      view: its 3D view.
      picture: its render.
      no_picture: what stands in the picture's place.
      curve_points: most points of a loss curve.
    """
    lines = {line.place: (number, line) for number, line in enumerate(view.contacts)} if view else {}
    counted = Counter(fit.rejected).most_common()
    terms = [("total", 0)]
    terms += [(t, 1 + i % (NUM_LINE_COLORS - 1)) for i, t in enumerate(fit.loss_terms) if _weighs(fit, i)]
    kind = status_kind(fit.status)
    return {
        "place": place,
        "key": scene.key,
        "ok": fit.ok,
        "kind": kind,
        "badge": _BADGES[kind],
        "status": fit.status,
        "facts": _facts(scene, fit),
        "view": view is not None,
        "inside": _inside_text(view) if view and scene.num_people > 1 else "",
        "picture": picture,
        "no_picture": no_picture,
        "figures": figures_of(entry),
        "answers": fit.answers,
        "usable": fit.answers_usable,
        "none": fit.answers_none,
        "who": ("person 1", "person 2") if scene.num_people > 1 else ("part", "part"),
        "contacts": _contacts(scene, fit, lines),
        "more_contacts": max(0, len(fit.constraints) - MOST_LISTED),
        "rows_rejected": len(fit.rejected),
        "rejected": [(row, reason, times) for (row, reason), times in counted[:MOST_LISTED]],
        "more_rejected": max(0, len(counted) - MOST_LISTED),
        "charts": [Markup(chart) for chart in loss_charts(fit, curve_points)] if fit.ok else [],
        "terms": terms,
    }


def load_picture(file: Path) -> Picture | None:
    """A render as a small JPEG in a data URI; None when the file is no picture."""
    try:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError):  # Pillow's ways of saying that a file is no picture
        return None
    picture.thumbnail((_PICTURE_PX, 4 * _PICTURE_PX), Image.Resampling.HAMMING)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_PICTURE_QUALITY, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(picture.width, picture.height, f"data:image/jpeg;base64,{data}")


def figures_of(
    figures: Mapping[str, Any], extra: Sequence[tuple[str, Mapping[str, Any] | None]] = ()
) -> dict[str, Any]:
    """The table of figures before and after; the best of a row is marked."""
    columns = [(label, found) for name, label in COLUMNS if (found := column(figures, name))]
    columns += [(label, found) for label, found in extra if found]
    rows = []
    for metric in MAIN:
        values = [found.get(metric.name) for _, found in columns]
        known = [value for value in values if value is not None]
        best = metric.best(known)
        if best is None:
            continue
        cells = [
            (
                metric.written(value, "–"),
                value is not None and len(known) > 1 and metric.written(value) == metric.written(best),
            )
            for value in values
        ]
        rows.append({"label": metric.label, "unit": f"{metric.unit} {metric.arrow}", "cells": cells})
    for metric in ANSWER_METRICS:
        if metric.name in figures:
            cells = [
                (metric.written(found.get(metric.name) if name != "initial" else None, "–"), False)
                for name, found in columns
            ]
            rows.append({"label": metric.label, "unit": metric.arrow, "cells": cells})
    return {"columns": [label for label, _ in columns], "rows": rows, "joints": figures.get("joint_set")}


def _facts(scene: Scene, fit: Fit) -> str:
    facts = [f"{scene.num_people} people" if scene.num_people > 1 else "one person"]
    if fit.steps is not None:
        facts.append(" + ".join(str(int(n)) for n in np.atleast_1d(fit.steps)) + " steps")
    if fit.ok:
        facts.append(f"{fit.seconds:.2f} s")
    return " · ".join(facts)


def _inside_text(view: SceneView) -> str:
    before, after = view.inside
    return f"vertices inside the other: {before} before, {after} after"


def _weighs(fit: Fit, term: int) -> bool:
    if fit.losses is None:
        return False
    values = np.asarray(fit.losses)[..., term]
    return bool((values[np.isfinite(values)] > 0.0).any())


def _contacts(scene: Scene, fit: Fit, lines: Mapping[int, tuple[int, ContactLine]]) -> list[dict[str, Any]]:
    """What the answers say and how often, and how near it is."""
    truth = annotated_pairs(scene) or ()
    rows = []
    most = max((count for _, _, count in fit.constraints), default=0)
    for place, (first, second, count) in enumerate(fit.constraints[:MOST_LISTED]):
        number, line = lines.get(place, (None, None))
        rows.append(
            {
                "first": first,
                "second": second,
                "annotated": _is_annotated(first, second, truth),
                "count": int(count),
                "of": fit.answers,
                "percent": round(100.0 * min(1.0, count / fit.answers)) if fit.answers else 0,
                "line": number,
                # When the answers agree on nothing, at least what they name most often.
                "shown": count >= min(most, _SHOWN_SHARE * fit.answers),
                "before": "" if line is None or line.before_m is None else f"{100.0 * line.before_m:.1f}",
                "after": "" if line is None else f"{100.0 * line.after_m:.1f}",
            }
        )
    return rows


def _is_annotated(first: str, second: str, truth: Sequence[ContactPair]) -> bool:
    """Whether a contact of the answers shares regions with an annotated pair, in either person order."""
    try:
        a, b = name_regions(first), name_regions(second)
    except InputError:
        return False
    return any((a & x and b & y) or (b & x and a & y) for x, y in truth)
