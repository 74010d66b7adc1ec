"""report.html: a whole run in one file that opens offline (docs/report.md).

Pictures are data URIs, charts SVG, 3D views packed numbers, style and scripts inline. Past `MOST_BYTES` the scenes
move into files beside the page, each read when its reader gets there. Texts of scenes, answers and configs pass
through templates that escape them; a content security policy lets only the page's own scripts run and forbids any
request.
"""

from __future__ import annotations

import base64
import collections
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from prosepose_jax.body import BodyModel
from prosepose_jax.io.atomic import write_text
from prosepose_jax.metrics.contact import PCC_RADII_M
from prosepose_jax.metrics.records import BRIEF
from prosepose_jax.metrics.table import COLUMNS, TITLES, column, coverage_line
from prosepose_jax.report.cards import KINDS, figures_of, load_picture, make_card, status_kind
from prosepose_jax.report.plots import Series, histogram, line_chart
from prosepose_jax.report.view_data import ViewBody, make_view
from prosepose_jax.scene import Fit, Scene

REPORT_FILE = "report.html"
SCENES_FOLDER = "report_scenes"
MOST_BYTES = 50_000_000  # of one file; more makes it a page and a folder
_CURVE_POINTS, _CURVE_POINTS_OF_MANY, _MANY = 120, 40, 100
_WEB = Path(__file__).with_name("web")
_MOST_NAMED = 500  # rows of the table of all contacts
# No JSON may end a script element or begin a comment in it.
_UNSAFE_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
Paths = Callable[[str], np.ndarray | None]


def write_report(
    workdir: str | os.PathLike[str],
    scenes: Iterable[Scene],
    fits: Mapping[str, Fit],
    metrics: Mapping[str, Any],
    run_info: Mapping[str, Any],
    config: Mapping[str, Any],
    body: BodyModel | None = None,
    paths: Paths | None = None,
    on_scene: Callable[[], object] | None = None,
) -> Path:
    """Writes `workdir/report.html`, and `workdir/report_scenes/` when one file would be too large.

    Args:
      workdir: the folder of the run; pictures are taken from `workdir/renders/<key>.png` where they are there.
      scenes: the run's scenes; a `failures` attribute ({key: reason}, as a SceneSet has) is listed.
      fits: fits by key.
      metrics: the content of metrics.json.
      run_info: the content of run.json (versions, device, times).
      config: the content of config.json.
      body: of the run; None: the report has no 3D views.
      paths: vertices (F, P, V, 3) of the optimisation of a scene by its key, where they were recorded.
      on_scene: called when a scene is done.

    Returns:
      The path of the report.
    """
    workdir = Path(workdir)
    entries = metrics.get("scenes", {})
    # Read once: a large run's fits are read from their files whenever they are asked for.
    statuses = {scene.key: fits[scene.key].status for scene in scenes if scene.key in fits}
    ordered = sorted((s for s in scenes if s.key in statuses), key=lambda s: KINDS.index(status_kind(statuses[s.key])))
    failures = _failures(dict(getattr(scenes, "failures", {})), statuses, entries)
    templates = _templates()
    surface = None if body is None else ViewBody.of(body)
    pages = _Pages(workdir)
    cards, named, missing = [], _Named(), 0
    for place, scene in enumerate(ordered):
        fit = fits[scene.key]
        named.add(fit)
        picture, no_picture, lacking = _picture(workdir, scene.key, fit)
        missing += lacking
        path = paths(scene.key) if paths is not None and fit.ok else None
        view = make_view(scene, fit, surface, path) if surface is not None and fit.ok else None
        points = _CURVE_POINTS if len(ordered) <= _MANY else _CURVE_POINTS_OF_MANY
        card = make_card(scene, fit, entries.get(scene.key, {}), place, view, picture, no_picture, points)
        content = templates.get_template("body.html.j2").render(card=card)
        pages.add(place, content, _json(view.packed) if view else "")
        cards.append({name: card[name] for name in ("place", "key", "kind", "badge", "facts")})
        if on_scene is not None:
            on_scene()
    for card, page in zip(cards, pages.finished(), strict=True):
        card |= page
    scripts = [(_WEB / name).read_text(encoding="utf-8") for name in ("three.min.js", "view3d.js", "report.js")]
    scripts = scripts if any(card["viewable"] for card in cards) else scripts[2:]
    text = templates.get_template("report.html.j2").render(
        name=workdir.resolve().name,
        facts=_run_facts(run_info, config),
        summaries=_summaries(metrics.get("mean", {})),
        failures=failures,
        distributions=_distributions(ordered, entries),
        named=named.rows(),
        overview=_overview(ordered, statuses, entries),
        cards=cards,
        missing_pictures=missing,
        versions=_versions(run_info),
        run_json=_shown_json(run_info),
        config_json=_shown_json(config),
        licence=(_WEB / "three_LICENSE.txt").read_text(encoding="utf-8") if len(scripts) > 1 else "",
        style=Markup((_WEB / "report.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        script_sources=_script_sources(scripts, pages.in_files),
        body_data=Markup(_json(surface.packed())) if surface is not None and len(scripts) > 1 else "",
    )
    file = workdir / REPORT_FILE
    write_text(file, text.lstrip())
    pages.tidy()
    return file


class _Pages:
    """What the cards hold: kept for the page, or from `MOST_BYTES` on in files of their own."""

    def __init__(self, workdir: Path) -> None:
        self._folder = workdir / SCENES_FOLDER
        self._kept: list[tuple[int, str, str]] = []
        self._bytes = 0
        self._count = 0
        self._viewable: list[bool] = []
        self.in_files = False

    def add(self, place: int, content: str, data: str) -> None:
        """The next card: its HTML, and the JSON of its view ("" without)."""
        self._count += 1
        self._viewable.append(bool(data))
        self._kept.append((place, content, data))
        self._bytes += len(content) + len(data)
        if self.in_files or self._bytes > MOST_BYTES:
            self.in_files = True
            self._folder.mkdir(exist_ok=True)
            for one in self._kept:
                self._write(*one)
            self._kept = []

    def _write(self, place: int, content: str, data: str) -> None:
        write_text(self._folder / _file(place), f"prosepose.add({place}, {_json(content)}, {data or 'null'});\n")

    def finished(self) -> Iterator[dict[str, Any]]:
        """For each card, in order: its file or its content."""
        for place in range(self._count):
            page = {"viewable": self._viewable[place], "file": "", "body": "", "data": ""}
            if self.in_files:
                page["file"] = f"{SCENES_FOLDER}/{_file(place)}"
            else:
                page |= {"body": Markup(self._kept[place][1]), "data": Markup(self._kept[place][2])}
            yield page

    def tidy(self) -> None:
        """Removes the files of an earlier report."""
        if not self._folder.is_dir():
            return
        current = {_file(place) for place in range(self._count)} if self.in_files else set()
        for file in self._folder.iterdir():
            if re.fullmatch(r"\d{5,}\.js", file.name) and file.name not in current:
                file.unlink(missing_ok=True)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()


class _Named:
    """The contacts that the answers of all scenes name."""

    def __init__(self) -> None:
        self._scenes: collections.Counter[tuple[str, str]] = collections.Counter()
        self._shares: dict[tuple[str, str], float] = collections.defaultdict(float)

    def add(self, fit: Fit) -> None:
        for first, second, count in fit.constraints:
            self._scenes[first, second] += 1
            self._shares[first, second] += count / max(1, fit.answers)

    def rows(self) -> list[tuple[str, str, int, float]]:
        """(part, part, scenes, mean share of their answers in percent), the most widespread first."""
        return [
            (*parts, scenes, 100.0 * self._shares[parts] / scenes)
            for parts, scenes in self._scenes.most_common(_MOST_NAMED)
        ]


def _file(place: int) -> str:
    return f"{place:05d}.js"


def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: _UNSAFE_IN_SCRIPT[found[0]], text)


def _script_sources(scripts: Sequence[str], in_files: bool) -> Markup:
    """The content security policy's sources: these very scripts, and the scenes' files when there are any."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts]
    sources = [f"'sha256-{digest}'" for digest in digests]
    return Markup(" ".join([*sources, *(["'self'", "file:"] if in_files else [])]))


def _picture(workdir: Path, key: str, fit: Fit) -> tuple[Any, str, bool]:
    """A scene's picture, what is said in its place, and whether it is simply not there."""
    if not fit.ok:
        return None, "", False
    name = f"renders/{key}.png"
    if not (workdir / name).is_file():
        return None, "No picture.", True
    picture = load_picture(workdir / name)
    return picture, "" if picture else f"The picture {name} can't be read.", picture is None


def _run_facts(run_info: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    facts = [
        f"body: {run_info['body']}" if run_info.get("body") else "",
        f"mode: {config['mode']}" if config.get("mode") else "",
        f"device: {run_info['device']}" if run_info.get("device") else "",
        f"{run_info['scenes_per_second']:.2f} fits per second" if run_info.get("scenes_per_second") else "",
        f"{run_info['wall_seconds']:.0f} s in all" if run_info.get("wall_seconds") else "",
    ]
    return " · ".join(fact for fact in facts if fact)


def _summaries(means: Mapping[str, Any]) -> list[dict[str, Any]]:
    summaries = []
    for kind, mean in means.items():
        rest = mean.get("without_fallback")
        note = "Means over all fitted scenes."
        if mean.get("fallback"):
            note += f" {100 * mean['coverage']:.0f} % of the scenes had usable answers"
            note += "; the last column is without the others." if rest else "."
        title = f"{TITLES.get(kind, kind)}: {coverage_line(mean)}"
        figures = figures_of(mean, [("answered only", rest)] if rest else [])
        summaries.append({"title": title, "note": note, "figures": figures} | _pcc_chart(mean))
    return summaries


def _pcc_chart(mean: Mapping[str, Any]) -> dict[str, Any]:
    series = []
    for (name, label), style in zip(COLUMNS, (6, 5, 1), strict=True):
        found = column(mean, name)
        if found and "pcc_at" in found:
            shares = np.array([found["pcc_at"].get(f"{r:.2f}", np.nan) for r in PCC_RADII_M])
            series.append(Series(label, PCC_RADII_M, shares, style))
    if not series:
        return {"chart": "", "legend": []}
    chart = line_chart(series, "annotated pairs nearer than r, %", "r in metres", y_range=(0.0, 100.0))
    return {"chart": Markup(chart), "legend": [(s.name, s.style) for s in series]}


def _failures(
    unread: Mapping[str, str], statuses: Mapping[str, str], entries: Mapping[str, Any]
) -> list[tuple[str, str]]:
    reasons = dict(unread)
    for key, status in statuses.items():
        if status_kind(status) == "failed":
            reasons[key] = status.removeprefix("failed: ")
        elif "error" in entries.get(key, {}):
            reasons[key] = entries[key]["error"]
    return sorted(reasons.items())


def _distributions(scenes: Sequence[Scene], entries: Mapping[str, Any]) -> list[Markup]:
    """A histogram for each brief figure that more than one scene has."""
    charts = []
    for metric in BRIEF:
        found = [entries.get(scene.key, {}) for scene in scenes]
        after = [entry[metric.name] for entry in found if entry.get(metric.name) is not None]
        before = [entry.get("initial", {}).get(metric.name) for entry in found]
        known = [value for value in before if value is not None]
        if len(after) > 1:
            title = metric.titled()
            charts.append(Markup(histogram([("initial", known, 6), ("fit", after, 1)], title, "scenes")))
    return charts


def _overview(scenes: Sequence[Scene], statuses: Mapping[str, str], entries: Mapping[str, Any]) -> dict[str, Any]:
    shown = [metric for metric in BRIEF if any(metric.name in entries.get(scene.key, {}) for scene in scenes)]
    rows = []
    for place, scene in enumerate(scenes):
        kind, entry = status_kind(statuses[scene.key]), entries.get(scene.key, {})
        cells = []
        for metric in shown:
            before, after = entry.get("initial", {}).get(metric.name), entry.get(metric.name)
            both = before is not None and after is not None
            cells.append(
                {
                    "value": "" if after is None else f"{after:.6g}",
                    "text": metric.written(after, "–"),
                    "before": metric.written(before) if both else "",
                }
            )
        rows.append({"key": scene.key, "kind": kind, "order": KINDS.index(kind), "place": place, "cells": cells})
    return {"columns": [f"{metric.short} {metric.unit}".strip() for metric in shown], "rows": rows}


def _versions(run_info: Mapping[str, Any]) -> str:
    versions = run_info.get("versions")
    named = ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, Mapping) else ""
    own = run_info.get("prosepose_jax")
    return ", ".join(part for part in (f"prosepose_jax {own}" if own else "", named) if part)


def _shown_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
