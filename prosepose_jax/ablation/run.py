"""Runs a sweep: scenes prepared, equal problems shared, all fitted in few calls, figures written as they come."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.ablation.answers import changed
from prosepose_jax.ablation.points import Point, Sweep
from prosepose_jax.ablation.problems import digest_arrays, digest_initial, digest_problem, digest_scene
from prosepose_jax.ablation.scene_sets import Scenes, SceneSpec, load_or_make
from prosepose_jax.ablation.store import append_records, failed, read_records
from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.contact import program_shape
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings, Fitter, settings_from_config
from prosepose_jax.fitting.plausible import checked
from prosepose_jax.fitting.prepare import PreparedScene, prepare_scene
from prosepose_jax.metrics import Evaluator, load_joint_set
from prosepose_jax.scene import Fit, Scene
from prosepose_jax.terms import PosePrior, load_pose_prior

# Figures of a scene that a sweep keeps, of those that metrics.json has.
FIGURES = (
    "joint_pa_mpjpe_mm", "pa_mpjpe_mm", "mpjpe_mm", "pelvis_vector_mm", "pcc", "penetration_max_mm",
    "penetration_mean_mm", "reprojection_px",
)  # fmt: skip
_MOST_WAITING = 128  # fits in memory whose figures are not measured yet
Record = dict[str, Any]


@dataclasses.dataclass
class Outcome:
    """What a sweep has: every point's records by scene key, and what this run added."""

    records: dict[Point, dict[str, Record]]
    fits: int = 0
    shared: int = 0  # records that came from the fit of another point
    kept: int = 0  # records that were there already
    fit_seconds: float = 0.0
    compile_seconds: float = 0.0
    failures: dict[str, str] = dataclasses.field(default_factory=dict)  # "point: scene" and reason


@dataclasses.dataclass(frozen=True)
class _Bodies:
    """A body with what depends on it."""

    body: BodyModel
    prior: PosePrior
    digest: str
    evaluator: Evaluator


@dataclasses.dataclass
class _Job:
    """A problem to solve, and the records that wait for it."""

    item: PreparedScene
    bodies: _Bodies
    waiting: list[tuple[Point, Record]]


def run_sweep(
    sweep: Sweep,
    workdir: Path,
    scenes_cache: Path | None = None,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Brings every point of a sweep up to date and returns all records.

    Args:
      sweep: the points.
      workdir: the sweep's folder; what is there already is not fitted again.
      scenes_cache: where generated scenes are kept; None: a folder of `workdir`.
      step: called with (fits done, fits of this run).

    Raises:
      InputError: scenes, a body, a prior or a config cannot be used, or points that are compared with each other
        have different joint regressors.
    """
    loader = _Loader(scenes_cache or workdir / "scenes")
    folders = {point: workdir / "points" / point.folder for point in sweep.points}
    outcome = Outcome({point: {} for point in sweep.points})
    solved: dict[str, Record] = {}
    before = {point: read_records(folders[point]) for point in sweep.points}
    for records in before.values():
        solved.update((r["problem"], r) for r in records.values() if "problem" in r and "seconds" in r)

    jobs: dict[str, _Job] = {}
    joint_sets: dict[str, str] = {}
    for point in sweep.points:
        bodies, scenes = loader.bodies(point), loader.scenes(point)
        joints = joint_sets.setdefault(point.group, bodies.evaluator.joint_set.name)
        if joints != bodies.evaluator.joint_set.name:
            # Errors on different joints are centimetres apart, and the points of a group are subtracted.
            raise InputError(
                f"point {point.folder}: body.joint_regressor: expected the joints of the other points of its group "
                f"({joints}), found {bodies.evaluator.joint_set.name}"
            )
        outcome.failures |= {f"{point.folder}: {key}": reason for key, reason in scenes.failures.items()}
        settings = None if point.config is None else settings_from_config(point.config)
        new: list[Record] = []
        for scene in scenes.scenes:
            found, item = _pose(point, settings, scene, scenes, bodies, loader)
            old = before[point].get(scene.key, {})
            if failed(found):
                outcome.records[point][scene.key] = found
                continue
            if old.get("problem") == found["problem"] and "seconds" in old:
                outcome.records[point][scene.key] = old
                outcome.kept += 1
            elif found["problem"] in solved:
                new.append(_shared(solved[found["problem"]], found))
                outcome.shared += 1
            elif item is None:
                new.append(found | _measure_initial(scene, bodies, loader))
            elif found["problem"] in jobs:
                jobs[found["problem"]].waiting.append((point, found))
            else:
                jobs[found["problem"]] = _Job(item, bodies, [(point, found)])
        append_records(folders[point], new)
        outcome.records[point].update((record["key"], record) for record in new)

    total, done = len(jobs), 0
    step(done, total)
    for fitter, group in _fitters(jobs):
        compiled, fitted = fitter.timing.compile, fitter.timing.fit
        for job, figures in _fitted(fitter, group, loader):
            for count, (point, found) in enumerate(job.waiting):
                record = found | figures
                if "seconds" in figures:  # else it broke, and the next run tries again
                    append_records(folders[point], [record])
                    outcome.shared += count > 0
                outcome.records[point][record["key"]] = record
            outcome.fits += "seconds" in figures
            done += 1
            step(done, total)
        outcome.compile_seconds += fitter.timing.compile - compiled
        outcome.fit_seconds += fitter.timing.fit - fitted
    for point, kept in outcome.records.items():
        for key, record in kept.items():
            if failed(record):
                outcome.failures[f"{point.folder}: {key}"] = record["status"].removeprefix("failed: ")
    return outcome


class _Loader:
    """Scenes, bodies and true people, each read once."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._bodies: dict[str, _Bodies] = {}
        self._scenes: dict[SceneSpec, Scenes] = {}
        self._digests: dict[int, str] = {}
        self._truths: dict[tuple[int, str], Any] = {}

    def bodies(self, point: Point) -> _Bodies:
        section, prior = point.files["body"], point.files["prior"].get("path", "")
        name = repr((sorted(section.items()), prior)) if any([*section.values(), prior]) else ""
        if name not in self._bodies:
            files: dict[str, Any] = {k: section.get(k) or None for k in ("keypoints", "lowres", "kid_template")}
            flat = bool(section.get("flat_hands"))
            body = load_body(section.get("path") or None, section.get("regions") or None, flat_hands=flat, **files)
            loaded = load_pose_prior(prior)
            regressor = section.get("joint_regressor")
            joints = load_joint_set(regressor, body.num_vertices) if regressor else None
            # The regressor is in the digest since records hold figures: None adds no leaf, older sweeps go on.
            digest = digest_arrays((body, loaded, None if joints is None else joints.regressor))
            self._bodies[name] = _Bodies(body, loaded, digest, Evaluator(body, joints))
        return self._bodies[name]

    def scenes(self, point: Point) -> Scenes:
        if point.scenes not in self._scenes:
            found = load_or_make(point.scenes, self.bodies(point).body, self._cache)
            if not found.scenes:
                raise InputError(f"point {point.folder}: its scenes are none")
            self._scenes[point.scenes] = found
        return self._scenes[point.scenes]

    def digest(self, scene: Scene) -> str:
        # Scenes live as long as this: their ids stay theirs.
        if id(scene) not in self._digests:
            self._digests[id(scene)] = digest_scene(scene)
        return self._digests[id(scene)]

    def truth(self, scene: Scene, bodies: _Bodies) -> Any:
        name = (id(scene), bodies.digest)
        if name not in self._truths:
            self._truths[name] = bodies.evaluator.truth(scene)
        return self._truths[name]


def _pose(
    point: Point, settings: FitSettings | None, scene: Scene, scenes: Scenes, bodies: _Bodies, loader: _Loader
) -> tuple[Record, PreparedScene | None]:
    """The problem that a point poses for a scene: what is known of its record, and what is to be fitted."""
    digest = loader.digest(scene)
    if settings is None:
        return {"key": scene.key, "problem": digest_initial(digest, bodies.digest), "status": "ok"}, None
    try:
        answers = changed(scenes.of(scene), scene, point.answers)
        item = prepare_scene(scene, answers, settings, bodies.body.num_betas)
    except InputError as error:
        return {"key": scene.key, "problem": "", "status": f"failed: {error}"}, None
    record = {
        "key": scene.key,
        "problem": digest_problem(item, digest, bodies.digest),
        "status": "fallback" if item.fallback else "ok",
        "answers": item.program.num_answers,
        "answers_usable": item.program.num_usable,
    }
    return record, item


def _shared(solved: Record, found: Record) -> Record:
    """The record of a scene whose problem was solved elsewhere."""
    status = solved["status"] if failed(solved) else found["status"]
    return solved | found | {"status": status}


def _fitters(jobs: dict[str, _Job]) -> Iterator[tuple[Fitter, list[_Job]]]:
    """Problems that one compilation serves, large programs apart from small ones."""
    groups: dict[tuple[Any, ...], list[_Job]] = {}
    for job in jobs.values():
        groups.setdefault((job.item.settings.served_together(), id(job.bodies)), []).append(job)
    for group in groups.values():
        # A call's arrays are as large as its largest program: neighbours in size share calls.
        group.sort(key=lambda job: _size(job.item))
        first = group[0]
        yield Fitter(first.bodies.body, first.item.settings, first.bodies.prior), group


def _fitted(fitter: Fitter, group: Sequence[_Job], loader: _Loader) -> Iterator[tuple[_Job, Record]]:
    """The jobs with what a fit adds to their records; figures are measured while the next scenes are fitted.

    Where fitting breaks off (a device without enough memory, say), what was fitted before is measured, and the others
    are failed without `seconds`.
    """
    waiting: deque[tuple[_Job, Future[Record]]] = deque()
    missing = dict(enumerate(group))

    def next_one() -> tuple[_Job, Record]:
        job, figures = waiting.popleft()
        try:
            return job, figures.result()
        except Exception as error:
            return job, _broken(error)

    with ThreadPoolExecutor(max_workers=1) as measuring:
        try:
            for place, fit in fitter.fit_prepared([job.item for job in group]):
                job = missing.pop(place)
                waiting.append((job, measuring.submit(_measure, fit, job, loader)))
                while waiting and (waiting[0][1].done() or len(waiting) > _MOST_WAITING):
                    yield next_one()
            broken: Record = {}
        except Exception as error:
            broken = _broken(error)
        while waiting:
            yield next_one()
        yield from ((job, broken) for job in missing.values())


def _broken(error: Exception) -> Record:
    return {"status": f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"}


def _size(item: PreparedScene) -> tuple[int, ...]:
    shape = program_shape(item.arrays)
    entries = len(np.unique(np.asarray(item.arrays.minima)))
    return (item.scene.num_people, -(-entries // 32), shape.levels * shape.nodes * shape.edges, shape.answers)


def _measure(fit: Fit, job: _Job, loader: _Loader) -> Record:
    """A fit's part of the record."""
    fit = checked(fit)
    if not fit.ok:
        return {"status": fit.status, "seconds": 0.0}
    scene, evaluator = job.item.scene, job.bodies.evaluator
    assert fit.vertices is not None and fit.joints is not None and fit.steps is not None
    figures = evaluator.bodies(scene, fit.vertices, fit.joints, loader.truth(scene, job.bodies))
    return _kept(figures) | {"steps": [int(n) for n in fit.steps], "seconds": round(float(fit.seconds), 4)}


def _measure_initial(scene: Scene, bodies: _Bodies, loader: _Loader) -> Record:
    figures = bodies.evaluator.bodies(scene, *bodies.evaluator.initial(scene), loader.truth(scene, bodies))
    return _kept(figures) | {"seconds": 0.0}


def _kept(figures: Record) -> Record:
    """The figures that are numbers: estimates beyond all floats have none."""
    named = {name: float(figures[name]) for name in FIGURES if name in figures}
    return {name: round(value, 5) for name, value in named.items() if math.isfinite(value)}
