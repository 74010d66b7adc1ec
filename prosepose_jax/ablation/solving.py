"""Fits problems of sweeps and measures them: what happens to a group of problems, wherever that is.

A group is what one compilation serves, of one body. Its array shapes are measured before it is cut into portions, so
the figures of a portion are those of the whole, bit by bit.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from prosepose_jax.ablation.problems import digest_arrays
from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.fitting import FitSettings, Fitter
from prosepose_jax.fitting.plausible import checked
from prosepose_jax.fitting.prepare import PreparedScene
from prosepose_jax.fitting.rooms import RunRooms
from prosepose_jax.fitting.run_meter import RunMeter
from prosepose_jax.metrics import Evaluator, load_joint_set
from prosepose_jax.scene import Fit, Scene
from prosepose_jax.terms import PosePrior, load_pose_prior

# Figures of a scene that a sweep keeps, of those that metrics.json has.
FIGURES = (
    "joint_pa_mpjpe_mm", "pa_mpjpe_mm", "mpjpe_mm", "pelvis_vector_mm", "pcc", "penetration_max_mm",
    "penetration_mean_mm", "self_penetration_max_mm", "reprojection_px",
)  # fmt: skip
_MOST_WAITING = 128  # fits in memory whose figures are not measured yet
Record = dict[str, Any]
Truth = Callable[[Scene], Any]
"""The true people of a scene, as `Evaluator.truth` has them."""


@dataclasses.dataclass(frozen=True)
class Bodies:
    """A body with what depends on it."""

    body: BodyModel
    prior: PosePrior
    digest: str
    evaluator: Evaluator
    files: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # sections body and prior that name it


def load_bodies(files: Mapping[str, Any]) -> Bodies:
    """The body of a config's sections body and prior.

    Raises:
      InputError: a file cannot be used.
    """
    section = files["body"]
    named: dict[str, Any] = {k: section.get(k) or None for k in ("keypoints", "lowres", "kid_template")}
    flat = bool(section.get("flat_hands"))
    body = load_body(section.get("path") or None, section.get("regions") or None, flat_hands=flat, **named)
    prior = load_pose_prior(files["prior"].get("path", ""))
    regressor = section.get("joint_regressor")
    joints = load_joint_set(regressor, body.num_vertices) if regressor else None
    # The regressor is in the digest since records hold figures: None adds no leaf, older sweeps go on.
    digest = digest_arrays((body, prior, None if joints is None else joints.regressor))
    return Bodies(body, prior, digest, Evaluator(body, joints), files)


@dataclasses.dataclass(frozen=True)
class Group:
    """Problems that one compilation serves, of one body; can be sent to another process.

    Attributes:
      files: sections body and prior of the config.
      settings: of the fit.
      rooms: array shapes of all its problems.
      items: the problems; of the groups that are sent ahead of their problems, none.
    """

    files: Mapping[str, Any]
    settings: FitSettings
    rooms: RunRooms
    items: tuple[PreparedScene, ...] = ()


def make_group(files: Mapping[str, Any], items: Sequence[PreparedScene]) -> Group:
    """A group of problems, neighbours in size next to each other; its shapes are measured here."""
    settings = items[0].settings
    meter = RunMeter(settings)
    for item in items:
        meter.add(item)
    return Group(files, settings, meter.rooms(), tuple(items))


@dataclasses.dataclass(frozen=True)
class Solved:
    """A problem that was solved, or could not be.

    Attributes:
      group, place: which one.
      figures: what it adds to its records; without `seconds` where fitting broke off.
    """

    group: int
    place: int
    figures: Record


def fit_and_measure(
    fitter: Fitter, items: Sequence[PreparedScene], evaluator: Evaluator, truth: Truth
) -> Iterator[tuple[int, Record]]:
    """The places of problems with what a fit adds to their records; figures are taken while the next ones are fitted.

    Where fitting breaks off (a device without enough memory, say), what was fitted before is measured, and the others
    are failed without `seconds`.
    """
    waiting: deque[tuple[int, Future[Record]]] = deque()
    missing = set(range(len(items)))

    def next_one() -> tuple[int, Record]:
        place, figures = waiting.popleft()
        try:
            return place, figures.result()
        except Exception as error:
            return place, broken(error)

    with ThreadPoolExecutor(max_workers=1) as measuring:
        try:
            for place, fit in fitter.fit_prepared(items):
                missing.discard(place)
                waiting.append((place, measuring.submit(_measure, fit, items[place].scene, evaluator, truth)))
                while waiting and (waiting[0][1].done() or len(waiting) > _MOST_WAITING):
                    yield next_one()
            why: Record = {}
        except Exception as error:
            why = broken(error)
        while waiting:
            yield next_one()
        yield from ((place, why) for place in sorted(missing))


def broken(error: Exception) -> Record:
    """The record of a problem whose fit broke off."""
    return {"status": f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"}


def _measure(fit: Fit, scene: Scene, evaluator: Evaluator, truth: Truth) -> Record:
    """A fit's part of the record."""
    fit = checked(fit)
    if not fit.ok:
        return {"status": fit.status, "seconds": 0.0}
    assert fit.vertices is not None and fit.joints is not None and fit.steps is not None
    figures = evaluator.bodies(scene, fit.vertices, fit.joints, truth(scene))
    return kept(figures) | {"steps": [int(n) for n in fit.steps], "seconds": round(float(fit.seconds), 4)}


def kept(figures: Record) -> Record:
    """The figures that are numbers: estimates beyond all floats have none."""
    named = {name: float(figures[name]) for name in FIGURES if name in figures}
    return {name: round(value, 5) for name, value in named.items() if math.isfinite(value)}
