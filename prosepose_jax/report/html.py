"""report.html: one file that opens offline and shows a whole run (docs/report.md).

Everything is inside the file: pictures as data URIs, charts as SVG, style and script inline. All text that
comes from scenes, answers or configs is escaped; a content security policy forbids any request.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.io.atomic import write_text
from prosepose_jax.metrics.contact import PCC_RADII_M, ContactPair, annotated_pairs, name_regions
from prosepose_jax.metrics.records import ANSWER_METRICS, BRIEF, MAIN
from prosepose_jax.metrics.table import COLUMNS, TITLES, column, coverage_line
from prosepose_jax.report.plots import NUM_LINE_COLORS, Series, legend, line_chart, loss_charts
from prosepose_jax.scene import Fit, Scene

REPORT_FILE = "report.html"
# All pictures together stay below this many bytes; with many scenes each gets smaller, then some are only linked.
_PICTURE_BUDGET = 30_000_000
_PICTURE_SIZES = ((1400, 84), (1100, 80), (900, 75), (700, 70))  # (width in pixels, JPEG quality), best first
_MOST_LISTED = 60  # rows of a scene's tables; the rest is counted
_CURVE_POINTS, _CURVE_POINTS_OF_MANY, _MANY = 120, 40, 100


def write_report(
    workdir: str | os.PathLike[str],
    scenes: Iterable[Scene],
    fits: Mapping[str, Fit],
    metrics: Mapping[str, Any],
    run_info: Mapping[str, Any],
    config: Mapping[str, Any],
) -> Path:
    """Writes `workdir/report.html` in one step.

    Args:
      workdir: the folder of the run; pictures are taken from `workdir/renders/<key>.png` where they are there.
      scenes: the run's scenes; a `failures` attribute ({key: reason}, as a SceneSet has) is listed.
      fits: fits by key.
      metrics: the content of metrics.json.
      run_info: the content of run.json (versions, device, times).
      config: the content of config.json.

    Returns:
      The path of the report.
    """
    workdir = Path(workdir)
    ordered = [scene for scene in scenes if scene.key in fits]
    failures = dict(getattr(scenes, "failures", {}))
    pictures = _Pictures(workdir, [scene.key for scene in ordered])
    body = "\n".join(
        [
            _head(workdir, run_info, config),
            _summary(metrics.get("mean", {})),
            _failures(failures, ordered, fits, metrics),
            _overview(ordered, fits, metrics.get("scenes", {})),
            '<h2 id="scenes">Scenes</h2>',
            *(_card(scene, fits[scene.key], metrics.get("scenes", {}), pictures, i, len(ordered))
              for i, scene in enumerate(ordered)),
            pictures.note(),
            _about(run_info, config),
        ]
    )  # fmt: skip
    template = Template(Path(__file__).with_name("template.html").read_text(encoding="utf-8"))
    path = workdir / REPORT_FILE
    write_text(path, template.substitute(title=f"prosepose: {escape(workdir.resolve().name)}", body=body))
    return path


class _Pictures:
    """The run's renders as JPEG data URIs within a budget."""

    def __init__(self, workdir: Path, keys: Sequence[str]):
        self._folder = workdir / "renders"
        share = _PICTURE_BUDGET / max(1, len(keys))
        # A panel takes about a ninth of a byte per pixel as JPEG, and base64 adds a third.
        fits = [i for i, (width, _) in enumerate(_PICTURE_SIZES) if width * width * 0.66 / 9 * 4 / 3 <= share]
        self._size = _PICTURE_SIZES[fits[0] if fits else -1]
        self._left = _PICTURE_BUDGET
        self.missing = 0
        self.linked = 0

    def element(self, key: str) -> str:
        """The picture of a scene, a link to it once the budget is spent, or a line that says it is missing."""
        file = self._folder / f"{key}.png"
        if not file.is_file():
            self.missing += 1
            return '<p class="soft">No picture.</p>'
        link = f'<a href="renders/{escape(quote(key))}.png">renders/{escape(key)}.png</a>'
        if self._left <= 0:
            self.linked += 1
            return f'<p class="soft">Picture: {link}</p>'
        try:
            with Image.open(file) as opened:
                picture = opened.convert("RGB")
        except (OSError, SyntaxError, ValueError):  # Pillow's ways of saying that a file is no picture
            self.missing += 1
            return f'<p class="soft">The picture {link} can\'t be read.</p>'
        width, quality = self._size
        picture.thumbnail((width, 4 * width), Image.Resampling.HAMMING)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        self._left -= len(data)
        return (
            f'<img width="{picture.width}" height="{picture.height}" '
            f'alt="{escape(key)}: people before and after the fit" src="data:image/jpeg;base64,{data}">'
        )

    def note(self) -> str:
        """What a reader should know about pictures that aren't there."""
        notes = []
        if self.missing:
            notes.append(
                f"{self.missing} scenes have no picture in renders/. A run writes them unless it was told not to; "
                "run the same command again with the same --workdir to add them."
            )
        if self.linked:
            notes.append(f"To keep this file small, {self.linked} pictures are only linked from it.")
        return "".join(f'<p class="soft">{note}</p>' for note in notes)


def _head(workdir: Path, run_info: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    facts = [
        f"body: {run_info['body']}" if run_info.get("body") else "",
        f"mode: {config['mode']}" if config.get("mode") else "",
        f"device: {run_info['device']}" if run_info.get("device") else "",
        f"{run_info['scenes_per_second']:.2f} fits per second" if run_info.get("scenes_per_second") else "",
        f"{run_info['wall_seconds']:.0f} s in all" if run_info.get("wall_seconds") else "",
    ]
    line = " · ".join(escape(fact) for fact in facts if fact)
    return f'<h1>{escape(workdir.resolve().name)}</h1>\n<p class="soft">{line}</p>'


def _summary(means: Mapping[str, Any]) -> str:
    if not means:
        return '<p class="soft">No scene was evaluated.</p>'
    cards = []
    for kind, mean in means.items():
        rest = mean.get("without_fallback")
        note = "Means over all fitted scenes."
        if mean.get("fallback"):
            note += f" {100 * mean['coverage']:.0f} % of the scenes had usable answers"
            note += "; the last column is without the others." if rest else "."
        extra = [("answered only", rest)] if rest else []
        cards.append(
            f'<section class="card"><h3>{escape(TITLES.get(kind, kind))}: {escape(coverage_line(mean))}</h3>'
            f'<p class="soft">{escape(note)}</p>{_figures(mean, extra)}{_pcc_chart(mean)}</section>'
        )
    return f'<h2>Figures</h2>\n<div class="summary">{"".join(cards)}</div>'


def _figures(figures: Mapping[str, Any], extra: Sequence[tuple[str, Mapping[str, Any] | None]] = ()) -> str:
    """The table of figures before and after; the best of a row is bold."""
    columns = [(label, found) for name, label in COLUMNS if (found := column(figures, name))]
    columns += [(label, found) for label, found in extra if found]
    rows = []
    for metric in MAIN:
        values = [found.get(metric.name) for _, found in columns]
        known = [value for value in values if value is not None]
        best = metric.best(known)
        if best is None:
            continue
        cells = []
        for value in values:
            is_best = value is not None and len(known) > 1 and metric.written(value) == metric.written(best)
            cells.append(f'<td class="n{" best" if is_best else ""}">{metric.written(value, "–")}</td>')
        unit = f"{escape(metric.unit)} {metric.arrow}"
        rows.append(f"<tr><th>{escape(metric.label)} <span class=soft>{unit}</span></th>{''.join(cells)}</tr>")
    for metric in ANSWER_METRICS:
        if metric.name in figures:
            scores = "".join(
                f'<td class="n">{metric.written(found.get(metric.name) if name != "initial" else None, "–")}</td>'
                for name, found in columns
            )
            rows.append(f"<tr><th>{metric.label} <span class=soft>{metric.arrow}</span></th>{scores}</tr>")
    if not rows:
        return '<p class="soft">No figures: the scene has neither ground truth nor confident keypoints.</p>'
    head = "".join(f'<th class="n">{escape(label)}</th>' for label, _ in columns)
    joints = f'<p class="soft">Joints: {escape(figures["joint_set"])}.</p>' if "joint_set" in figures else ""
    return _table(f"<th></th>{head}", rows) + joints


def _pcc_chart(mean: Mapping[str, Any]) -> str:
    series = []
    for (name, label), style in zip(COLUMNS, (6, 5, 1), strict=True):
        found = column(mean, name)
        if found and "pcc_at" in found:
            shares = np.array([found["pcc_at"].get(f"{r:.2f}", np.nan) for r in PCC_RADII_M])
            series.append(Series(label, PCC_RADII_M, shares, style))
    if not series:
        return ""
    chart = line_chart(series, "annotated pairs nearer than r, %", "r in metres", y_range=(0.0, 100.0))
    return _fold("Share of contacts over the radius", chart + legend([(s.name, s.style) for s in series]))


def _failures(
    unread: Mapping[str, str], scenes: Sequence[Scene], fits: Mapping[str, Fit], metrics: Mapping[str, Any]
) -> str:
    reasons = dict(unread)
    for scene in scenes:
        fit, entry = fits[scene.key], metrics.get("scenes", {}).get(scene.key, {})
        if not fit.ok:
            reasons[scene.key] = fit.status.removeprefix("failed: ")
        elif "error" in entry:
            reasons[scene.key] = entry["error"]
    if not reasons:
        return ""
    rows = [f"<tr><td>{escape(key)}</td><td>{escape(reasons[key])}</td></tr>" for key in sorted(reasons)]
    return f'<h2>Failures</h2><div class="card">{_table("<th>scene</th><th>reason</th>", rows)}</div>'


def _kind(fit: Fit) -> str:
    return fit.status if fit.status in ("ok", "fallback") else "failed"


def _badge(fit: Fit) -> str:
    kind = _kind(fit)
    text = {"ok": "ok", "fallback": "fallback: no usable answer", "failed": "failed"}[kind]
    return f'<span class="badge {kind}">{text}</span>'


def _overview(scenes: Sequence[Scene], fits: Mapping[str, Fit], entries: Mapping[str, Any]) -> str:
    shown = [metric for metric in BRIEF if any(metric.name in entries.get(scene.key, {}) for scene in scenes)]
    rows = []
    for index, scene in enumerate(scenes):
        fit, entry = fits[scene.key], entries.get(scene.key, {})
        cells = [
            f'<td data-value="{escape(scene.key)}"><a href="#scene-{index}">{escape(scene.key)}</a></td>',
            f'<td data-value="{_kind(fit)}"><span class="badge {_kind(fit)}">{_kind(fit)}</span></td>',
        ]
        for metric in shown:
            before, after = entry.get("initial", {}).get(metric.name), entry.get(metric.name)
            value = "" if after is None else f"{after:.6g}"
            text = metric.written(after, "–")
            if before is not None and after is not None:
                text = f'<span class="soft">{metric.written(before)} →</span> {text}'
            cells.append(f'<td class="n" data-value="{value}">{text}</td>')
        rows.append(
            f'<tr data-key="{escape(scene.key)}" data-status="{_kind(fit)}" data-card="scene-{index}">'
            f"{''.join(cells)}</tr>"
        )
    head = '<th class="sort">scene</th><th class="sort">status</th>'
    head += "".join(f'<th class="sort n">{escape(f"{metric.short} {metric.unit}")}</th>' for metric in shown)
    return (
        '<h2>Overview</h2><div class="tools"><input id="search" type="search" placeholder="find a scene" '
        'aria-label="find a scene"><select id="status" aria-label="status"><option value="">any status</option>'
        "<option>ok</option><option>fallback</option><option>failed</option></select></div>"
        f'<div class="card" id="overview">{_table(head, rows)}</div>'
    )


def _card(scene: Scene, fit: Fit, entries: Mapping[str, Any], pictures: _Pictures, index: int, num_scenes: int) -> str:
    entry = entries.get(scene.key, {})
    people = f"{scene.num_people} people" if scene.num_people > 1 else "one person"
    facts = [people]
    if fit.steps is not None:
        facts.append(" + ".join(str(int(n)) for n in np.atleast_1d(fit.steps)) + " steps")
    if fit.ok:
        facts.append(f"{fit.seconds:.2f} s")
    parts = [
        f'<article class="card scene" id="scene-{index}"><header><h3>{escape(scene.key)}</h3>{_badge(fit)}'
        f'<span class="soft">{escape(" · ".join(facts))}</span></header>'
    ]
    if not fit.ok:
        parts.append(f"<p>{escape(fit.status)}</p></article>")
        return "".join(parts)
    parts.append(pictures.element(scene.key))
    parts.append(f'<div class="columns"><div>{_figures(entry)}</div><div>{_contacts(scene, fit)}</div></div>')
    points = _CURVE_POINTS if num_scenes <= _MANY else _CURVE_POINTS_OF_MANY
    charts = loss_charts(fit, points)
    if charts:
        names = [("total", 0)] + [
            (term, 1 + i % (NUM_LINE_COLORS - 1)) for i, term in enumerate(fit.loss_terms) if _weighs(fit, i)
        ]
        parts.append(_fold("Loss curves", f'<div class="charts">{"".join(charts)}</div>{legend(names)}'))
    parts.append("</article>")
    return "".join(parts)


def _weighs(fit: Fit, term: int) -> bool:
    values = np.asarray(fit.losses)[..., term]
    return bool((values[np.isfinite(values)] > 0.0).any())


def _contacts(scene: Scene, fit: Fit) -> str:
    """What the answers say, how often, and what could not be used."""
    if not fit.answers:
        return '<p class="soft">No answers.</p>'
    none = f" {fit.answers_none} say that nothing touches." if fit.answers_none else ""
    parts = [f"<p>{fit.answers_usable} of {fit.answers} answers are usable.{none}</p>"]
    if fit.constraints:
        truth = annotated_pairs(scene) or ()
        who = ("person 1", "person 2") if scene.num_people > 1 else ("part", "part")
        rows = []
        for first, second, count in fit.constraints[:_MOST_LISTED]:
            mark = ' <span class="ok badge">annotated</span>' if _is_annotated(first, second, truth) else ""
            share = 100.0 * min(1.0, count / fit.answers)
            rows.append(
                f"<tr><td>{escape(first)}</td><td>{escape(second)}{mark}</td>"
                f'<td class="bar"><i style="width:{share:.0f}%"></i><b>{int(count)}</b></td></tr>'
            )
        parts.append(_table(f"<th>{who[0]}</th><th>{who[1]}</th><th>answers</th>", rows))
        parts.append(_and_more(len(fit.constraints), "contacts"))
    if fit.rejected:
        counted: dict[tuple[str, str], int] = {}
        for row, reason in fit.rejected:
            counted[row, reason] = counted.get((row, reason), 0) + 1
        listed = sorted(counted.items(), key=lambda item: -item[1])
        rows = [
            f'<tr><td>{escape(row)}</td><td>{escape(reason)}</td><td class="n">{count}</td></tr>'
            for (row, reason), count in listed[:_MOST_LISTED]
        ]
        table = _table('<th>row</th><th>reason</th><th class="n">times</th>', rows)
        parts.append(_fold(f"{len(fit.rejected)} rows rejected", table + _and_more(len(listed), "rows")))
    return "".join(parts)


def _table(head: str, rows: Iterable[str]) -> str:
    body = "".join(rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _fold(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>{content}</details>"


def _and_more(count: int, what: str) -> str:
    return f'<p class="soft">and {count - _MOST_LISTED} more {what}</p>' if count > _MOST_LISTED else ""


def _is_annotated(first: str, second: str, truth: Sequence[ContactPair]) -> bool:
    """Whether a contact of the answers shares regions with an annotated pair, in either person order."""
    try:
        a, b = name_regions(first), name_regions(second)
    except InputError:
        return False
    return any((a & x and b & y) or (b & x and a & y) for x, y in truth)


def _about(run_info: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    def block(title: str, value: Mapping[str, Any]) -> str:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
        return _fold(title, f"<pre>{escape(text)}</pre>")

    versions = run_info.get("versions")
    named = ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, Mapping) else ""
    own = run_info.get("prosepose_jax")
    line = ", ".join(part for part in (f"prosepose_jax {own}" if own else "", named) if part)
    return (
        f'<h2>Run</h2><div class="card"><p class="soft">{escape(line)}</p>'
        f"{block('run.json', run_info)}{block('config.json', config)}</div>"
    )
