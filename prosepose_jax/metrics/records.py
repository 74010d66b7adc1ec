"""One record a metric: what it is called, how it is printed, which way is better and what it needs.

Evaluation, tables, sweeps and the report read these; none of them names a unit or a number of digits itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

# What a scene must have for a metric to exist.
TRUTH = "ground truth"
PEOPLE = "two people or more"
CONTACTS = "annotated contacts"
KEYPOINTS = "keypoints with confidence ≥ 0.2"
ANSWERS = "answers"
FIT = "a fit"
SEQUENCE = "a sequence of frames"

LOWER, HIGHER, NEITHER = "lower", "higher", ""

# Whom a figure describes: posed bodies (initial estimate and fits alike), the answers, or the run.
BODIES, TEXTS, RUN = "bodies", "answers", "run"


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of metrics.json.

    Attributes:
      name: its key.
      label: in a list of figures.
      unit: "" where there is none.
      digits: after the point, in tables.
      better: LOWER, HIGHER, or NEITHER where neither is.
      needs: what a scene must have; with several, all of them.
      of: BODIES, TEXTS or RUN.
      heading: over a column; the label unless given.
      short: where there is little room; the label unless given.
      about: one sentence on what is measured.
      curve: the figure is a mapping {radius: value}.
    """

    name: str
    label: str
    unit: str
    digits: int
    better: str
    needs: tuple[str, ...] = ()
    of: str = BODIES
    heading: str = ""
    short: str = ""
    about: str = ""
    curve: bool = False

    def __post_init__(self) -> None:
        for field in ("heading", "short"):
            if not getattr(self, field):
                object.__setattr__(self, field, self.label)

    @property
    def more_is_better(self) -> bool:
        return self.better == HIGHER

    @property
    def arrow(self) -> str:
        """↑ where more is better, ↓ where less is."""
        return {HIGHER: "↑", LOWER: "↓"}.get(self.better, "")

    def titled(self, text: str | None = None) -> str:
        """The label (or another name) with the unit behind it."""
        text = self.label if text is None else text
        return f"{text} ({self.unit})" if self.unit else text

    def written(self, value: float | None, nothing: str = "-") -> str:
        """A value with the metric's digits."""
        return nothing if value is None else f"{value:.{self.digits}f}"

    def best(self, values: Iterable[float]) -> float | None:
        """The best of some values; None of none, or where neither way is better."""
        found = list(values)
        if not found or self.better == NEITHER:
            return None
        return max(found) if self.more_is_better else min(found)


_RECORDS = (
    Metric("joint_pa_mpjpe_mm", "joint PA-MPJPE", "mm", 1, LOWER, (TRUTH, PEOPLE),
           about="mean joint error after one similarity for all people"),
    Metric("pa_mpjpe_mm", "PA-MPJPE", "mm", 1, LOWER, (TRUTH,),
           about="mean joint error after a similarity of every person's own"),
    Metric("mpjpe_mm", "MPJPE", "mm", 1, LOWER, (TRUTH,),
           about="mean joint error with every person's pelvis on the true one"),
    Metric("translation_mpjpe_mm", "MPJPE, translation aligned", "mm", 1, LOWER, (TRUTH,), heading="T-MPJPE",
           about="mean joint error after the best shift of every person"),
    Metric("scale_translation_mpjpe_mm", "MPJPE, scale and translation aligned", "mm", 1, LOWER, (TRUTH,),
           heading="ST-MPJPE", about="mean joint error after the best shift and scale of every person, not turned"),
    Metric("pve_mm", "vertex error", "mm", 1, LOWER, (TRUTH,), heading="PVE",
           about="mean vertex error with every person's pelvis on the true one"),
    Metric("pa_pve_mm", "vertex error, aligned", "mm", 1, LOWER, (TRUTH,), heading="PA-PVE",
           about="mean vertex error after a similarity of every person's own, fitted to the vertices"),
    Metric("pelvis_vector_mm", "pelvis vector", "mm", 1, LOWER, (TRUTH, PEOPLE),
           about="error of the vector between the pelvises of two people, camera frame, not aligned"),
    Metric("pcc", "PCC", "%", 1, HIGHER, (CONTACTS,),
           about="share of annotated pairs of regions nearer than r, mean over r = 0, 0.05, …, 0.95 m"),
    Metric("pcc_at", "PCC at r", "%", 1, HIGHER, (CONTACTS,), curve=True, about="the same at each radius"),
    Metric("pcc_five", "PCC, five vertices", "%", 1, HIGHER, (CONTACTS, PEOPLE), heading="PCC (five)",
           about="PCC as published: each region stands for five of its vertices, drawn with a fixed seed"),
    Metric("pcc_five_at", "PCC at r, five vertices", "%", 1, HIGHER, (CONTACTS, PEOPLE), curve=True,
           about="the same at each radius"),
    Metric("region_precision", "region contact, precision", "", 2, HIGHER, (CONTACTS,),
           about="share of the touching pairs of regions that are annotated"),
    Metric("region_recall", "region contact, recall", "", 2, HIGHER, (CONTACTS,),
           about="share of the annotated pairs of regions that touch"),
    Metric("region_f1", "region contact, F1", "", 2, HIGHER, (CONTACTS,), about="harmonic mean of the two"),
    Metric("region_iou", "region contact, IoU", "", 2, HIGHER, (CONTACTS,),
           about="pairs that touch and are annotated, of those that do either"),
    Metric("penetration_max_mm", "penetration, deepest", "mm", 1, LOWER, (PEOPLE,), heading="deepest penetration",
           short="deepest", about="depth of the deepest vertex inside another person"),
    Metric("penetration_mean_mm", "penetration, mean", "mm", 1, LOWER, (PEOPLE,), heading="mean penetration",
           about="mean depth of the vertices inside another person"),
    Metric("penetration_volume_l", "penetration, volume", "l", 2, LOWER, (PEOPLE,), heading="shared volume",
           about="volume that two people share"),
    Metric("self_penetration_max_mm", "self-penetration, deepest", "mm", 1, LOWER, heading="deepest self-penetration",
           short="self-penetration", about="depth of the deepest vertex inside a far segment of the own body"),
    Metric("reprojection_px", "reprojection", "px", 1, LOWER, (KEYPOINTS,),
           about="mean distance of projected and detected keypoints"),
    Metric("acceleration_error_mm", "acceleration error", "mm/frame²", 1, LOWER, (TRUTH, SEQUENCE),
           about="mean difference of the joints' accelerations to the true ones"),
    Metric("contact_f1", "contact F1 of the answers", "", 2, HIGHER, (CONTACTS, ANSWERS), TEXTS,
           about="contacts in the answers against annotated pairs, without a fit"),
    Metric("contact_f1_ignoring_sides", "contact F1, sides ignored", "", 2, HIGHER, (CONTACTS, ANSWERS), TEXTS,
           about="the same with left and right taken as one"),
    Metric("answers", "answers", "", 0, NEITHER, (FIT,), RUN, about="answers given"),
    Metric("answers_usable", "usable answers", "", 0, NEITHER, (FIT,), RUN, about="answers with a usable row"),
    Metric("rows_rejected", "rejected rows", "", 0, NEITHER, (FIT,), RUN, about="rows that were not used"),
    Metric("seconds", "time", "s", 2, LOWER, (FIT,), RUN, about="the scene's share of the fitting time"),
)  # fmt: skip

METRICS: Mapping[str, Metric] = {record.name: record for record in _RECORDS}
"""Every metric by its key in metrics.json, in the order in which tables list them."""

MAIN: tuple[Metric, ...] = tuple(
    METRICS[name]
    for name in ("joint_pa_mpjpe_mm", "pa_mpjpe_mm", "mpjpe_mm", "pelvis_vector_mm", "pcc", "penetration_max_mm",
                 "penetration_mean_mm", "reprojection_px")
)  # fmt: skip
"""The figures of a run's table and of the report."""

BRIEF: tuple[Metric, ...] = tuple(
    METRICS[name] for name in ("pcc", "joint_pa_mpjpe_mm", "pa_mpjpe_mm", "penetration_max_mm", "reprojection_px")
)
"""The figures of a list with a line a scene."""

ANSWER_METRICS: tuple[Metric, ...] = tuple(record for record in _RECORDS if record.of == TEXTS)

BY_KIND: Mapping[str, tuple[Metric, ...]] = {
    "two_person": tuple(
        METRICS[n] for n in ("joint_pa_mpjpe_mm", "pcc", "pa_mpjpe_mm", "pelvis_vector_mm", "penetration_max_mm")
    ),
    "self_contact": tuple(METRICS[n] for n in ("pa_mpjpe_mm", "pcc", "self_penetration_max_mm", "reprojection_px")),
}
"""The columns of sweeps and of the published tables for each kind of scene; the first two are the main ones."""


def names_of(of: str) -> tuple[str, ...]:
    """The keys of all metrics that describe bodies, answers or the run."""
    return tuple(record.name for record in _RECORDS if record.of == of)


def values_of(metric: Metric, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """{scene: value} of the scenes that have the metric, in the order of their keys."""
    return {key: float(entries[key][metric.name]) for key in sorted(entries) if metric.name in entries[key]}
