"""Runs a sweep: scenes prepared, equal problems shared, all fitted in few calls, figures written as they come."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.ablation.answers import changed
from prosepose_jax.ablation.points import Point, Sweep
from prosepose_jax.ablation.problems import digest_initial, digest_problem, digest_scene
from prosepose_jax.ablation.scene_sets import Scenes, SceneSpec, load_or_make
from prosepose_jax.ablation.solving import (
    FIGURES,
    Bodies,
    Group,
    Record,
    Solved,
    fit_and_measure,
    kept,
    load_bodies,
    make_group,
)
from prosepose_jax.ablation.store import append_records, failed, read_records
from prosepose_jax.contact import program_shape
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings, Fitter, settings_from_config
from prosepose_jax.fitting.fit import Timing
from prosepose_jax.fitting.prepare import PreparedScene, prepare_scene
from prosepose_jax.scene import Scene

__all__ = ["FIGURES", "Outcome", "Record", "Solver", "run_sweep"]

Solver = Callable[[Sequence[Group]], Iterator[Solved | Timing]]
"""Solves groups of problems elsewhere, in any order; tells in between what time went into it."""


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


@dataclasses.dataclass
class _Job:
    """A problem to solve, and the records that wait for it."""

    item: PreparedScene
    bodies: Bodies
    waiting: list[tuple[Point, Record]]


def run_sweep(
    sweep: Sweep,
    workdir: Path,
    scenes_cache: Path | None = None,
    step: Callable[[int, int], None] = lambda done, total: None,
    solver: Solver | None = None,
) -> Outcome:
    """Brings every point of a sweep up to date and returns all records.

    Args:
      sweep: the points.
      workdir: the sweep's folder; what is there already is not fitted again.
      scenes_cache: where generated scenes are kept; None: a folder of `workdir`.
      step: called with (fits done, fits of this run).
      solver: solves the problems elsewhere; None: they are solved here.

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
    solved_now = _solve_here(jobs, loader, outcome) if solver is None else _solve_elsewhere(jobs, solver, outcome)
    for job, figures in solved_now:
        for count, (point, found) in enumerate(job.waiting):
            record = found | figures
            if "seconds" in figures:  # else it broke, and the next run tries again
                append_records(folders[point], [record])
                outcome.shared += count > 0
            outcome.records[point][record["key"]] = record
        outcome.fits += "seconds" in figures
        done += 1
        step(done, total)
    for point, every in outcome.records.items():
        for key, record in every.items():
            if failed(record):
                outcome.failures[f"{point.folder}: {key}"] = record["status"].removeprefix("failed: ")
    return outcome


class _Loader:
    """Scenes, bodies and true people, each read once."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._bodies: dict[str, Bodies] = {}
        self._scenes: dict[SceneSpec, Scenes] = {}
        self._digests: dict[int, str] = {}
        self._truths: dict[tuple[int, str], Any] = {}

    def bodies(self, point: Point) -> Bodies:
        section, prior = point.files["body"], point.files["prior"].get("path", "")
        name = repr((sorted(section.items()), prior)) if any([*section.values(), prior]) else ""
        if name not in self._bodies:
            self._bodies[name] = load_bodies(point.files)
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

    def truth(self, scene: Scene, bodies: Bodies) -> Any:
        name = (id(scene), bodies.digest)
        if name not in self._truths:
            self._truths[name] = bodies.evaluator.truth(scene)
        return self._truths[name]


def _pose(
    point: Point, settings: FitSettings | None, scene: Scene, scenes: Scenes, bodies: Bodies, loader: _Loader
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


def _solve_here(jobs: Mapping[str, _Job], loader: _Loader, outcome: Outcome) -> Iterator[tuple[_Job, Record]]:
    for fitter, group in _fitters(jobs):
        bodies = group[0].bodies
        truth = functools.partial(loader.truth, bodies=bodies)
        for place, figures in fit_and_measure(fitter, [job.item for job in group], bodies.evaluator, truth):
            yield group[place], figures
        outcome.compile_seconds += fitter.timing.compile
        outcome.fit_seconds += fitter.timing.fit


def _solve_elsewhere(jobs: Mapping[str, _Job], solver: Solver, outcome: Outcome) -> Iterator[tuple[_Job, Record]]:
    groups = _groups(jobs)
    for found in solver([make_group(group[0].bodies.files, [job.item for job in group]) for group in groups]):
        if isinstance(found, Solved):
            yield groups[found.group][found.place], found.figures
        else:
            outcome.compile_seconds += found.compile
            outcome.fit_seconds += found.fit


def _fitters(jobs: Mapping[str, _Job]) -> Iterator[tuple[Fitter, list[_Job]]]:
    """Every group with a fitter of its own."""
    for group in _groups(jobs):
        first = group[0]
        yield Fitter(first.bodies.body, first.item.settings, first.bodies.prior), group


def _groups(jobs: Mapping[str, _Job]) -> list[list[_Job]]:
    """Problems that one compilation serves, large programs apart from small ones."""
    groups: dict[tuple[Any, ...], list[_Job]] = {}
    for job in jobs.values():
        groups.setdefault((job.item.settings.served_together(), id(job.bodies)), []).append(job)
    for group in groups.values():
        # A call's arrays are as large as its largest program: neighbours in size share calls.
        group.sort(key=lambda job: _size(job.item))
    return list(groups.values())


def _size(item: PreparedScene) -> tuple[int, ...]:
    shape = program_shape(item.arrays)
    entries = len(np.unique(np.asarray(item.arrays.minima)))
    return (item.scene.num_people, -(-entries // 32), shape.levels * shape.nodes * shape.edges, shape.answers)


def _measure_initial(scene: Scene, bodies: Bodies, loader: _Loader) -> Record:
    figures = bodies.evaluator.bodies(scene, *bodies.evaluator.initial(scene), loader.truth(scene, bodies))
    return kept(figures) | {"seconds": 0.0}
