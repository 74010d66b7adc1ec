"""Fits any number of scenes: groups of equal shape, batches on the device, records on the host."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body import BodyModel, BodyParams, PosedBody, keypoints, pose_body
from prosepose_jax.camera import project
from prosepose_jax.errors import InputError
from prosepose_jax.fitting.arrays import FitModel, Numbers, SceneArrays, make_fit_model
from prosepose_jax.fitting.compiled import compiled
from prosepose_jax.fitting.path import recorded_path
from prosepose_jax.fitting.prepare import (
    GroupShape,
    PreparedScene,
    Room,
    filled_up,
    group_key,
    group_scenes,
    initial_batch,
    prepare_scene,
    stack_scenes,
    starting_batch,
)
from prosepose_jax.fitting.restart import fit_again, in_portions
from prosepose_jax.fitting.rooms import PLAIN, RunRooms, rooms, with_known
from prosepose_jax.fitting.settings import FitSettings, settings_from_config
from prosepose_jax.fitting.stage import no_steps, run_stage
from prosepose_jax.fitting.vote import fit_by_vote, takes_a_vote
from prosepose_jax.scene import Answer, Fit, Scene
from prosepose_jax.terms import PosePrior, load_pose_prior


@dataclasses.dataclass
class Timing:
    """Where the time of a run went, in seconds."""

    compile: float = 0.0
    fit: float = 0.0
    first_step: float | None = None  # time.monotonic() when the first optimisation began
    scenes: int = 0


@jax.jit
def _pose_batch(body: BodyModel, params: BodyParams) -> tuple[PosedBody, jax.Array]:
    def one(params: BodyParams) -> tuple[PosedBody, jax.Array]:
        posed = pose_body(body, params)
        return posed, keypoints(body, posed)

    return jax.vmap(one)(params)


def call_size(num_scenes: int, batch_size: int) -> int:
    """Scenes of a call, filled up: few sizes, so few compilations.

    Up to one batch there are exactly as many as slots (an empty slot would cost as much as a full one); beyond,
    filling costs nothing, and sizes double.
    """
    size = min(num_scenes, batch_size)
    while size < num_scenes:
        size *= 2
    return size


@dataclasses.dataclass
class _Running:
    """A batch on its way through a device."""

    batch: Sequence[PreparedScene]
    results: Any  # of the device, not waited for
    begin: float
    compile: float  # seconds of `begin` until now that went into compiling


class Fitter:
    """A body and settings ready to fit; compiled programs are kept between calls and shared by all fitters.

    Args:
      body: the body model.
      config: FitSettings, or a ConfigDict of the layout of configs/two_person.py.
      prior: the pose prior; None reads config.prior.path, or the packaged one.
      run: shapes of the run that the scenes are a part of; None: the scenes of a call are all there are.
    """

    def __init__(
        self, body: BodyModel, config: Any, prior: PosePrior | None = None, run: RunRooms | None = None
    ) -> None:
        self._run = run
        self.settings: FitSettings = settings_from_config(config)
        self._wide = body.v_template.dtype == np.float64
        with jax.enable_x64(self._wide):
            if prior is None:
                path = config["prior"]["path"] if not isinstance(config, FitSettings) and "prior" in config else None
                prior = load_pose_prior(path)
            self.model: FitModel = make_fit_model(body, prior, self.settings.terms)
        self.timing = Timing()
        self._finished = 0.0  # when the last batch was done
        self._rooms: dict[Any, list[Room]] = {}  # of few scenes, fitted before: their programs are there
        # Every device works on calls of its own, with its own copy of the body, and waits for nobody.
        self._models = {device: jax.device_put(self.model, device) for device in jax.local_devices()}

    def fit(
        self,
        scenes: Iterable[Scene],
        answers: Callable[[str], Sequence[Answer]],
        variant: str = "",
    ) -> Iterator[Fit]:
        """Fits scenes batch by batch and yields each as its batch ends.

        A scene that cannot be fitted yields a Fit with status "failed: <reason>"; the others go on.

        Args:
          scenes: the scenes.
          answers: a scene's answers by its key; none make it take the fallback.
          variant: recorded in the fits.
        """
        prepared: list[PreparedScene] = []
        for scene in scenes:
            try:
                prepared.append(prepare_scene(scene, answers(scene.key), self.settings, self.model.body.num_betas))
            except InputError as error:
                yield Fit(key=scene.key, status=f"failed: {error}", variant=variant)
        for _, fit in self.fit_prepared(prepared, variant):
            yield fit

    def fit_prepared(self, prepared: Sequence[PreparedScene], variant: str = "") -> Iterator[tuple[int, Fit]]:
        """Fits prepared scenes and yields each with its place in `prepared` as its batch ends.

        Scenes may have been prepared with settings of their own (another reading of the answers, other weights);
        one call then fits the scenes of many runs in one compilation.

        Args:
          prepared: from `prepare_scene`.
          variant: recorded in the fits.

        Raises:
          ValueError: a scene's settings ask for another compilation than this fitter's.
        """
        wanted = self.settings.served_together()
        for item in prepared:
            if item.settings is not self.settings and item.settings.served_together() != wanted:
                raise ValueError(f"scene {item.scene.key} was prepared with settings that this fitter cannot serve")
        voting = [place for place, item in enumerate(prepared) if takes_a_vote(item)]
        plain = [place for place, item in enumerate(prepared) if not takes_a_vote(item)]
        for place, fit in self._fit_plain_or_again([prepared[place] for place in plain], variant):
            yield plain[place], fit
        for place, fit in fit_by_vote(self, [prepared[place] for place in voting], variant):
            yield voting[place], fit

    def _fit_plain_or_again(self, prepared: Sequence[PreparedScene], variant: str) -> Iterator[tuple[int, Fit]]:
        """`fit_plain`, and further attempts for scenes that are stuck (`fitting.restart`)."""
        if not prepared:
            return
        shared = self.rooms_for(prepared, PLAIN, variant)
        found = self.fit_plain(prepared, variant, shared)
        for some, stuck in in_portions(found, prepared, max(1, self.settings.scenes_per_call // 2)):
            if not stuck:
                yield from some
                continue
            places, fits = [place for place, _ in some], [fit for _, fit in some]
            scenes = self.timing.scenes
            yield from zip(
                places, fit_again(self, [prepared[place] for place in places], fits, variant, shared), strict=True
            )
            self.timing.scenes = scenes  # counted already

    def fit_plain(
        self,
        prepared: Sequence[PreparedScene],
        variant: str = "",
        shared: Mapping[Any, Room] | None = None,
        first_stage: int = 0,
    ) -> Iterator[tuple[int, Fit]]:
        """`fit_prepared` for scenes whose answers are one problem, whatever their aggregation says.

        Args:
          prepared: from `prepare_scene`.
          variant: recorded in the fits.
          shared: `rooms` of more scenes, these among them, with which to share compilations; None: of these alone.
          first_stage: the stages before it are left out.
        """
        prepared = [dataclasses.replace(item, place=place) for place, item in enumerate(prepared)]
        # Devices of a CPU share its threads: one call at a time. Others work side by side.
        devices = list(self._models)
        most_running = 1 if devices[0].platform == "cpu" else len(devices)
        running: deque[_Running] = deque()
        turn = itertools.cycle(devices)
        shared = shared or self.rooms_for(prepared, PLAIN, variant)
        for batch, size, shape in self._calls(prepared, shared):
            if len(running) == most_running:
                yield from self._finish(running.popleft(), variant)
            running.append(self._start(batch, size, shape, next(turn), first_stage))
        while running:
            yield from self._finish(running.popleft(), variant)

    def rooms_for(self, prepared: Sequence[PreparedScene], kind: str, variant: str) -> dict[Any, Room]:
        """Rooms for scenes of a kind (`fitting.rooms`): the run's, or their own."""
        if self._run is not None:
            return self._run.of(variant, kind, prepared, self.settings)
        found = rooms(prepared, self.settings)
        # A run without answers takes what the run with answers compiled, where it is large enough.
        return with_known(found, self._rooms) if kind == PLAIN else found

    def _calls(
        self, prepared: Sequence[PreparedScene], shared: Mapping[Any, Room]
    ) -> Iterator[tuple[list[PreparedScene], int, GroupShape]]:
        """Scenes of equal shape in portions, small enough that every device gets some.

        The calls of a group share their size and the shapes of their arrays, and with them a compilation: filling up
        is cheap, compiling is not.
        """
        for group in group_scenes(prepared, shared):
            number, shape = shared[group_key(group[0])]
            most = min(self.settings.scenes_per_call, number)
            # The size is that of one device, whatever part of it a device gets: a fit's last digits depend on it.
            size = call_size(most, self.settings.batch_size)
            portion = min(most, -(-len(group) // len(self._models)))
            for first in range(0, len(group), portion):
                yield list(group[first : first + portion]), size, shape

    def call(self, device: jax.Device, function: Any, *args: Any, **static: Any) -> Any:
        """Runs a jitted function, its compile time counted apart."""
        begin = time.monotonic()
        # The programs are of the body's type, whatever type JAX makes numbers without one.
        with jax.enable_x64(self._wide):
            program, new = compiled(function, device, args, static)
            if new:
                self.timing.compile += time.monotonic() - begin
            if function is run_stage and self.timing.first_step is None:
                self.timing.first_step = time.monotonic()
            return program(*args)

    def initial_people(
        self, batch: Sequence[PreparedScene], size: int, device: jax.Device
    ) -> tuple[PosedBody, np.ndarray]:
        """The initial estimates, posed and filled up to `size`, and their (B, P, 25, 2) keypoints in the image."""
        body = self._models[device].body
        posed, points = self.call(device, _pose_batch, body, filled_up(initial_batch(body, batch), size))
        return posed, _project_all(batch, np.asarray(points)[: len(batch)])

    def _start(
        self,
        batch: Sequence[PreparedScene],
        size: int,
        shape: GroupShape,
        device: jax.Device,
        first_stage: int,
    ) -> _Running:
        """Sends a batch to a device and does not wait for it."""
        settings, model = self.settings, self._models[device]
        structure = settings.structure
        real = np.arange(size) < len(batch)
        begin, compile_before = time.monotonic(), self.timing.compile
        initial_posed, pixels = self.initial_people(batch, size, device)
        arrays: SceneArrays = filled_up(stack_scenes(model.body, batch, pixels, settings, shape), size)
        params = filled_up(starting_batch(model.body, batch), size)
        expected: jax.Array | np.ndarray = np.zeros(size, np.float32)
        records: list[tuple[jax.Array, jax.Array, Any]] = []  # losses, steps and path of each stage
        for index, stage in enumerate(settings.stages):
            if stage.steps == 0 or index < first_stage:
                result = no_steps(params, structure)
            else:
                numbers = Numbers(**settings.numbers(index))
                args = (model, arrays, params, numbers, np.int32(index), real, expected)
                result = self.call(device, run_stage, *args, structure=structure)
            records.append((result.losses, result.steps, result.path))
            # The next stage may use up the memory of its input, so the final parameters alone are kept.
            # What costs much now will take long.
            params, expected = result.params, result.energy
        posed, _ = self.call(device, _pose_batch, model.body, params)
        return _Running(batch, (posed, params, records, initial_posed), begin, self.timing.compile - compile_before)

    def _finish(self, running: _Running, variant: str) -> Iterator[tuple[int, Fit]]:
        """Waits for a batch and yields its fits with their places."""
        posed, params, records, initial_posed = jax.device_get(running.results)
        seconds = time.monotonic() - max(running.begin, self._finished) - running.compile
        self.timing.fit += seconds
        self.timing.scenes += len(running.batch)
        for i, item in enumerate(running.batch):
            yield (
                item.place,
                _record(
                    item,
                    jax.tree.map(lambda leaf, i=i: leaf[i], (params, posed, initial_posed)),
                    [jax.tree.map(lambda leaf, i=i: leaf[i], record) for record in records],
                    seconds / len(running.batch),
                    variant,
                ),
            )
        self._finished = time.monotonic()


def _project_all(batch: Sequence[PreparedScene], points: np.ndarray) -> np.ndarray:
    """Keypoints (B, P, 25, 3) in the images of their scenes, (B, P, 25, 2)."""
    cameras = [(item.scene.focal_length, item.scene.principal_point) for item in batch]
    return np.stack([np.asarray(project(x, *map(jnp.asarray, c))) for x, c in zip(points, cameras, strict=True)])


def _record(
    item: PreparedScene,
    arrays: tuple[Any, Any, Any],
    stages: list[tuple[Any, Any, Any]],
    seconds: float,
    variant: str,
) -> Fit:
    params, posed, initial = arrays  # BodyParams, PosedBody of the fit and of the initial estimate, numpy leaves
    scene, program = item.scene, item.program
    counts: dict[str, Any] = {
        "key": scene.key,
        "variant": variant,
        "seconds": seconds,
        "answers": program.num_answers,
        "answers_usable": program.num_usable,
        "answers_none": program.num_none,
        "rows_rejected": len(program.rejected),
        "rejected": tuple((r.row, r.reason) for r in program.rejected),
        "constraints": program.constraints,
        "initial_vertices": initial.vertices,
        "initial_joints": initial.joints,
    }
    if not np.all(np.isfinite(posed.vertices)):
        return Fit(status="failed: the optimisation left the finite numbers", **counts)
    most = max(item.settings.max_steps)
    terms = item.settings.terms
    losses = np.full((len(stages), most, len(terms)), np.nan, np.float32)
    for i, (values, _, _) in enumerate(stages):
        losses[i, : len(values)] = values[:most]
    return Fit(
        status="fallback" if item.fallback else "ok",
        global_orient=params.global_orient,
        body_pose=params.body_pose,
        betas=params.betas,
        transl=params.transl,
        kid_scale=params.kid_scale,
        vertices=posed.vertices,
        joints=posed.joints,
        loss_terms=tuple(term.name for term in terms),
        losses=losses,
        steps=np.array([steps for _, steps, _ in stages], np.int32),
        path=recorded_path([(path, int(steps)) for _, steps, path in stages], item.settings.structure.refresh_every),
        **counts,
    )


def fit_scenes(
    body: BodyModel,
    scenes: Iterable[Scene],
    answers: Mapping[str, Sequence[Answer]] | None,
    config: Any,
    prior: PosePrior | None = None,
) -> dict[str, Fit]:
    """Fits scenes with their answers (docs/method.md, "Optimisation").

    Args:
      body: the body model.
      scenes: any number of scenes, as from `load_scenes`.
      answers: answers by key, as from `load_answers`; None: every scene takes the fallback.
      config: FitSettings, or a ConfigDict of the layout of configs/two_person.py.
      prior: the pose prior; None reads config.prior.path, or the packaged one.

    Returns:
      Fit by key, also for scenes that failed (status "failed: …").

    Raises:
      InputError: the config or the prior cannot be used.
    """
    lookup = getattr(answers, "for_scene", None) or (lambda key: (answers or {}).get(key, []))
    return {fit.key: fit for fit in Fitter(body, config, prior).fit(scenes, lookup)}
