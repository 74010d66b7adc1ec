"""The rows of the papers' tables: what each row is, and how its fits are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from prosepose_jax.body.region_table import REGION_NAMES
from prosepose_jax.contact.vocabulary import NAME_PARTS, PART_REGION_IDS
from prosepose_jax.scene import Answer, Scene

INITIAL = ""
ANSWERS, ANNOTATED = "answers", "annotated"


@dataclasses.dataclass(frozen=True)
class RowSpec:
    """A row of a table.

    Attributes:
      name: as a command line and files call it.
      title: as the table prints it.
      config: a packaged config; INITIAL: the scenes' estimates, without any fit.
      overrides: of the config.
      reads: ANSWERS, ANNOTATED (contacts of the annotation in their place), or "" for none.
      needs_prior: made with a checkpoint of BUDDI alone.
      quick: further overrides that solve it sooner; empty: it is quick already.
    """

    name: str
    title: str
    config: str = INITIAL
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    reads: str = ""
    needs_prior: bool = False
    quick: Mapping[str, Any] = dataclasses.field(default_factory=dict)


# The published optimiser takes up to 2,000 steps a scene, Levenberg–Marquardt some 30 to 60 on the same objective. The
# nearest vertices are searched exactly, for a random sample's differ from step to step; so are the prior's draws.
_QUICK: Mapping[str, Any] = {"solver": "lm", "contact.search": "cells"}
_QUICK_PRIOR: Mapping[str, Any] = {**_QUICK, "buddi.draws": 8}


def _without_contact() -> dict[str, Any]:
    """No answers, and no contact heuristic in their place."""
    return {f"{stage}.weights.contact": 0.0 for stage in ("stage1", "stage2")}


TWO_PERSON: tuple[RowSpec, ...] = (
    RowSpec("regressor", "regressor"),
    RowSpec("heuristic", "contact heuristic", "heuristic"),
    RowSpec("no_answers", "optimisation without answers", "two_person", _without_contact(), ANSWERS),
    RowSpec("published", "ProsePose as published", "parity_two_person", reads=ANSWERS, quick=_QUICK),
    RowSpec("default", "ProsePose, our default", "two_person", reads=ANSWERS),
    RowSpec("oracle", "annotated contacts", "two_person", reads=ANNOTATED),
    RowSpec("buddi", "BUDDI", "buddi", needs_prior=True, quick=_QUICK_PRIOR),
    RowSpec(
        "buddi_answers", "BUDDI with answers", "buddi_answers", reads=ANSWERS, needs_prior=True, quick=_QUICK_PRIOR
    ),
)
SELF_CONTACT: tuple[RowSpec, ...] = (
    RowSpec("regressor", "regressor"),
    RowSpec("no_answers", "regressor + optimisation", "self_contact"),
    RowSpec("published", "ProsePose as published", "parity_self_contact", reads=ANSWERS, quick=_QUICK),
    RowSpec("default", "ProsePose, our default", "self_contact", reads=ANSWERS),
    RowSpec("oracle", "annotated contacts", "self_contact", {"contact.min_count": 1}, ANNOTATED),
)
ROWS: Mapping[str, tuple[RowSpec, ...]] = {"two_person": TWO_PERSON, "self_contact": SELF_CONTACT}


def annotated_answer(scene: Scene) -> Answer | None:
    """The annotated contacts as an answer that names sides and who is Person 1; None without any.

    Pairs of fine regions are given by the smallest named parts that they lie in: an answer can't be finer.
    """
    if scene.gt_contacts is not None:
        rows = list(scene.gt_contacts)
    elif scene.gt_region_pairs is not None:
        rows = list(dict.fromkeys((_part(int(a)), _part(int(b))) for a, b in scene.gt_region_pairs))
    else:
        return None
    lines = ["| Person 1 Body Part | Person 2 Body Part |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    return Answer("\n".join(lines), order="given", model="annotated")


def _part(region: int) -> str:
    """The smallest part of the vocabulary that a fine region lies in, its side named where it has one."""
    sizes = {
        name: sum(len(PART_REGION_IDS[part]) for part in parts)
        for name, parts in NAME_PARTS.items()
        if any(region in PART_REGION_IDS[part] for part in parts) and len(parts) == 1
    }
    if not sizes:
        raise ValueError(f"region {region} ({REGION_NAMES[region]}) lies in no part")
    return min(sizes, key=lambda name: (sizes[name], name))
