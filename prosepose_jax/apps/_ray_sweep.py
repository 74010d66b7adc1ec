"""`prosepose ablate --runner=ray`: the problems of a sweep on the actors of a Ray cluster.

The driver poses the problems, shares equal ones and writes the records, as in one process; actors fit and measure
portions of them. A portion whose actor died goes to another; when that dies too its problems go out singly, so that
one that kills its worker is named and takes no other with it.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

from prosepose_jax.ablation.solving import Bodies, Group, Record, Solved, broken, fit_and_measure, load_bodies
from prosepose_jax.apps._ray_cluster import Cluster, actor_resources, enter, how_many, joined
from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import Fitter
from prosepose_jax.fitting.fit import Timing
from prosepose_jax.fitting.prepare import PreparedScene

_PORTIONS_AN_ACTOR = 3  # at least, where there are problems enough: so that all end at about the same time
_DEATHS_TOGETHER, _DEATHS_ALONE = 2, 3
_POLL_S = 1.0


class Solver:
    """What runs in an actor: one body and one set of compiled programs a group."""

    def __init__(self, folder: str) -> None:
        enter(folder)
        set_up_jax()
        self._bodies: dict[str, Bodies] = {}
        self._fitters: dict[int, Fitter] = {}

    def solve(
        self, number: int, group: Group, items: Sequence[PreparedScene]
    ) -> tuple[list[tuple[int, Record]], float, float]:
        """Fits and measures problems of a group; returns their records by place, and seconds of compiling and fitting.

        Raises:
          InputError: the body cannot be read here.
        """
        name = repr(group.files)
        if name not in self._bodies:
            self._bodies[name] = load_bodies(group.files)
        bodies = self._bodies[name]
        if number not in self._fitters:
            self._fitters[number] = Fitter(bodies.body, group.settings, bodies.prior, group.rooms)
        fitter = self._fitters[number]
        before = dataclasses.replace(fitter.timing)
        found = list(fit_and_measure(fitter, items, bodies.evaluator, bodies.evaluator.truth))
        return found, fitter.timing.compile - before.compile, fitter.timing.fit - before.fit


@dataclasses.dataclass(frozen=True)
class _Portion:
    """Problems that an actor is given at once."""

    group: int
    places: tuple[int, ...]
    deaths: int = 0  # of actors that had it


def solve_on_ray(cluster: Cluster, groups: Sequence[Group]) -> Iterator[Solved | Timing]:
    """Solves groups of problems on a cluster (`ablation.run.Solver`).

    Raises:
      InputError: Ray is not installed, the cluster cannot be reached, or an actor cannot work.
    """
    if not groups:
        return
    with joined(cluster) as ray:
        yield from _Driver(ray, cluster, groups).run()


class _Driver:
    def __init__(self, ray: Any, cluster: Cluster, groups: Sequence[Group]) -> None:
        self._ray, self._groups = ray, groups
        wanted = actor_resources(ray.cluster_resources())
        count = cluster.actors or how_many(ray.cluster_resources(), wanted)
        self._waiting = collections.deque(_portions(groups, count))
        make = ray.remote(max_restarts=-1, max_task_retries=0, **wanted)(Solver)
        self._actors = [make.remote(os.getcwd()) for _ in range(min(count, len(self._waiting)))]
        # Without the problems, which go with each portion; kept by the cluster, not sent again each time.
        self._kept = [ray.put(dataclasses.replace(group, items=())) for group in groups]

    def run(self) -> Iterator[Solved | Timing]:
        free = list(range(len(self._actors)))
        running: dict[Any, tuple[int, _Portion]] = {}
        while self._waiting or running:
            while free and self._waiting:
                actor, portion = free.pop(), self._waiting.popleft()
                items = [self._groups[portion.group].items[place] for place in portion.places]
                call = self._actors[actor].solve.remote(portion.group, self._kept[portion.group], items)
                running[call] = (actor, portion)
            done, _ = self._ray.wait(list(running), timeout=_POLL_S)
            for call in done:
                actor, portion = running.pop(call)
                free.append(actor)
                yield from self._take(call, portion)

    def _take(self, call: Any, portion: _Portion) -> Iterator[Solved | Timing]:
        try:
            found, compile_seconds, fit_seconds = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            if getattr(error, "actor_init_failed", False):
                raise InputError(f"a worker cannot start: {str(error).strip().splitlines()[-1]}") from None
            yield from self._lost(portion)
            return
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError):  # of the sweep as a whole
                raise InputError(str(error.cause)) from None
            yield from (Solved(portion.group, place, broken(error.cause)) for place in portion.places)
            return
        yield Timing(compile_seconds, fit_seconds)
        yield from (Solved(portion.group, portion.places[place], figures) for place, figures in found)

    def _lost(self, portion: _Portion) -> Iterator[Solved]:
        """A portion whose actor died: to another actor, then singly, then given up."""
        deaths, alone = portion.deaths + 1, len(portion.places) == 1
        if deaths < (_DEATHS_ALONE if alone else _DEATHS_TOGETHER):
            self._waiting.appendleft(dataclasses.replace(portion, deaths=deaths))
        elif not alone:
            self._waiting.extendleft(_Portion(portion.group, (place,)) for place in portion.places)
        else:
            status = "failed: a worker died whenever it fitted this scene"
            yield Solved(portion.group, portion.places[0], {"status": status})


def _portions(groups: Sequence[Group], actors: int) -> Iterator[_Portion]:
    """All problems, in portions of at most a call, so many that every actor has some."""
    total = sum(len(group.items) for group in groups)
    for number, group in enumerate(groups):
        size = max(1, min(group.settings.scenes_per_call, total // (actors * _PORTIONS_AN_ACTOR)))
        for first in range(0, len(group.items), size):
            yield _Portion(number, tuple(range(first, min(first + size, len(group.items)))))
