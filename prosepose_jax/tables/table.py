"""A dataset's table from the figures of its rows: common scenes, intervals, differences, coverage, footnotes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.metrics.bootstrap import Interval, bootstrap, paired_bootstrap
from prosepose_jax.metrics.records import BY_KIND, METRICS, TRUTH, Metric, values_of
from prosepose_jax.tables.published import Published, figure, notes
from prosepose_jax.tables.rows import ROWS, RowSpec

Entries = Mapping[str, Mapping[str, Any]]  # "scenes" of metrics.json

COLUMNS: Mapping[str, tuple[Metric, ...]] = {
    "two_person": (*BY_KIND["two_person"][:2], METRICS["pcc_five"], *BY_KIND["two_person"][2:]),
    "self_contact": BY_KIND["self_contact"],
}
_FEW = 5  # scenes: resampling fewer shows little of how scenes differ
RADII = ("0.05", "0.10", "0.15", "0.20")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A row's figure over the scenes that all rows have.

    Attributes:
      mean: with its 95 % bootstrap interval.
      difference: paired, to the reference row over the same scenes; None for the reference itself.
      answered: the mean over scenes whose fit used answers; None where all or none did.
      published: the paper's figure.
    """

    mean: Interval
    difference: Interval | None = None
    answered: float | None = None
    published: Published | None = None


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of the table."""

    name: str
    title: str
    scenes: int  # compared
    own: int  # that the row has figures of
    fallback: int  # of the compared ones, fits without usable answers
    failed: int  # of all scenes
    coverage: float | None  # share of the compared scenes whose fit used answers; None where the row reads none
    cells: Mapping[str, Cell]  # by metric
    at: Mapping[str, float]  # PCC in percent by radius in metres


@dataclasses.dataclass(frozen=True)
class Table:
    """A finished table.

    Attributes:
      title: what was measured.
      kind: "two_person" or "self_contact".
      columns: the metrics that any row has.
      lines: in the order of the papers.
      joint_set: the joints on which errors were taken; "" without truth.
      reference: name of the row that differences are taken to.
      footnotes: what a reader must know.
      confidence: of all intervals.
    """

    title: str
    kind: str
    columns: tuple[Metric, ...]
    lines: tuple[Line, ...]
    joint_set: str
    reference: str
    footnotes: tuple[str, ...]
    confidence: float = 0.95


def initial_entries(entries: Entries) -> dict[str, Any]:
    """The figures of the initial estimates, from those of any run on the same scenes."""
    found = {}
    for key, entry in entries.items():
        if "initial" in entry:
            joints = {"joint_set": entry["joint_set"]} if "joint_set" in entry else {}
            found[key] = dict(entry["initial"]) | joints | {"status": "ok"}
    return found


def exchanged_note(dataset: str) -> tuple[str, ...]:
    """What our errors do differently."""
    if dataset in ("hi4d", "chi3d"):
        return ("Ours: people are never exchanged; who is person 0 comes with the dataset.",)
    return ()


def make_table(
    rows: Mapping[str, Entries],
    kind: str,
    *,
    title: str = "",
    dataset: str = "",
    specs: Sequence[RowSpec] | None = None,
    reference: str = "default",
    footnotes: Sequence[str] = (),
    seed: int = 0,
) -> Table:
    """Puts the figures of several runs on the same scenes into one table.

    Every figure is taken over the scenes in which all rows have it, so that rows differ by the method alone.

    Args:
      rows: {row name: its entries}; entries that failed count as missing.
      kind: "two_person" or "self_contact".
      title: what was measured.
      dataset: whose published figures stand beside ours; "": none.
      specs: the rows in order with their titles; None: those of the papers, others after them.
      reference: the row that differences are taken to; the first that is there if it isn't.
      footnotes: what a reader must know of the rows besides.
      seed: of the bootstrap.

    Raises:
      InputError: no row has figures, or rows took errors on different joints.
    """
    known = list(ROWS[kind] if specs is None else specs)
    known += [RowSpec(name, name) for name in rows if name not in {spec.name for spec in known}]
    present = [spec for spec in known if rows.get(spec.name)]
    if not present:
        raise InputError("no row of the table has a scene with figures")
    if reference not in rows:
        reference = present[-1].name if len(present) == 1 else present[0].name
    done = {spec.name: _finished(rows[spec.name]) for spec in present}
    joint_set = _joint_set(done)
    columns, remarks = [], []
    common: dict[str, list[str]] = {}
    for metric in COLUMNS[kind]:
        having = {name: set(values_of(metric, entries)) for name, entries in done.items()}
        sharing = {name: keys for name, keys in having.items() if keys}
        if not sharing:
            continue
        columns.append(metric)
        common[metric.name] = sorted(set.intersection(*sharing.values()))
        everything = set.union(*sharing.values())
        if len(common[metric.name]) < len(everything):
            lost = len(everything) - len(common[metric.name])
            remarks.append(
                f"{metric.heading}: over the {len(common[metric.name])} scenes that every row has; {lost} of "
                f"{len(everything)} lack a row."
            )
        absent = sorted(set(done) - set(sharing))
        if absent:
            remarks.append(f"{metric.heading}: not measured for {', '.join(absent)}.")
    if not columns:
        raise InputError("no row has any of the table's figures: " + ", ".join(m.name for m in COLUMNS[kind]))
    compared = sorted(set.intersection(*(set(entries) for entries in done.values())))
    lines = tuple(
        _line(spec, rows[spec.name], done[spec.name], columns, common, compared,
              {} if spec.name == reference else done.get(reference, {}), dataset, seed)
        for spec in present
    )  # fmt: skip
    if len(compared) < _FEW:
        remarks.append(f"Intervals over {len(compared)} scene{'s' if len(compared) != 1 else ''} say little.")
    if any(line.fallback for line in lines):
        remarks.append("[…]: over the scenes whose fit used answers; the others took the fallback.")
    if any(cell.published for line in lines for cell in line.cells.values()):
        remarks += [*notes(dataset), *exchanged_note(dataset)]
    missing = [spec.title for spec in known if spec.name not in done]
    if missing:
        remarks.append(f"Rows without fits: {', '.join(missing)}.")
    return Table(title, kind, tuple(columns), lines, joint_set, reference, (*footnotes, *remarks))


def _finished(entries: Entries) -> dict[str, Mapping[str, Any]]:
    return {
        key: entry for key, entry in entries.items()
        if "error" not in entry and not str(entry.get("status", "ok")).startswith("failed")
    }  # fmt: skip


def _joint_set(done: Mapping[str, Entries]) -> str:
    needing = {metric.name for metric in METRICS.values() if TRUTH in metric.needs}
    found: dict[str, str] = {}
    for name, entries in done.items():
        for key, entry in entries.items():
            if needing & set(entry):
                found.setdefault(str(entry.get("joint_set", "joints unknown")), f"{name}, scene {key}")
    if len(found) > 1:
        listed = "; ".join(f"{joints} ({where})" for joints, where in sorted(found.items()))
        raise InputError(f"errors on different joints can't stand in one table: {listed}")
    return next(iter(found), "")


def _line(
    spec: RowSpec,
    every: Entries,
    entries: Entries,
    columns: Sequence[Metric],
    common: Mapping[str, list[str]],
    compared: Sequence[str],
    against: Entries,
    dataset: str,
    seed: int,
) -> Line:
    cells = {}
    answered = {key for key in compared if entries[key].get("status") == "ok"}
    for metric in columns:
        mine = values_of(metric, entries)
        keys = [key for key in common[metric.name] if key in mine]
        if not keys:
            continue
        values = np.array([mine[key] for key in keys])
        other = values_of(metric, against)
        both = [key for key in keys if key in other]
        difference = None
        if both:
            difference = paired_bootstrap(
                np.array([other[k] for k in both]), np.array([mine[k] for k in both]), seed=seed
            )
        used = [mine[key] for key in keys if key in answered]
        cells[metric.name] = Cell(
            bootstrap(values, seed=seed), difference,
            float(np.mean(used)) if spec.reads and 0 < len(used) < len(keys) else None,
            figure(dataset, spec.name, metric.name),
        )  # fmt: skip
    fallback = sum(entries[key].get("status") == "fallback" for key in compared) if spec.reads else 0
    # Files of other versions may have other radii, or none.
    found = (entries[key].get("pcc_at") for key in compared)
    curves = [curve for curve in found if isinstance(curve, Mapping) and set(RADII) <= set(curve)]
    return Line(
        name=spec.name, title=spec.title, scenes=len(compared), own=len(entries), fallback=fallback,
        failed=len(every) - len(entries), cells=cells,
        coverage=len(answered) / len(compared) if spec.reads and compared else None,
        at={radius: float(np.mean([curve[radius] for curve in curves])) for radius in RADII} if curves else {},
    )  # fmt: skip
