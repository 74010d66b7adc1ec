"""Several fits of a scene, of which the one with the lowest energy is kept.

The energy has many minima: which limb an answer means is decided early. So a scene may be fitted from several
*starts*, that is with the contact weight of the stages before the last times some factors, or once per
distinct usable answer (a *vote*). Candidates are compared by the energy of the last stage under all answers of the
scene, keypoints, priors and penetration included (docs/method.md, "Several starts"; docs/ablate.md, "Aggregations").
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import BodyParams
from prosepose_jax.contact.aggregation import AGGREGATIONS
from prosepose_jax.contact.program import ProgramArrays
from prosepose_jax.fitting.arrays import FitModel, Numbers, SceneArrays
from prosepose_jax.fitting.prepare import (
    PreparedScene,
    Room,
    filled_up,
    group_key,
    group_scenes,
    initial_batch,
    stack_scenes,
)
from prosepose_jax.fitting.problem import stage_problem, take_moving
from prosepose_jax.fitting.rooms import CANDIDATES, VOTING, rooms
from prosepose_jax.fitting.search import active_terms, search_batch
from prosepose_jax.fitting.settings import FitSettings, StageSettings, Structure
from prosepose_jax.scene import Fit

if TYPE_CHECKING:
    from prosepose_jax.fitting.fit import Fitter

_AT_ONCE = 512  # candidates fitted together: more share compilations and fill slots, and are in memory together
_MOVED = ("global_orient", "body_pose", "betas", "transl")


def takes_a_vote(item: PreparedScene) -> bool:
    """Whether a scene is fitted several times, or once from another start than the plain one."""
    several = AGGREGATIONS[item.settings.aggregation.name].each_alone or item.settings.starts != (1.0,)
    return several and not item.fallback


def fit_by_vote(fitter: Fitter, prepared: Sequence[PreparedScene], variant: str) -> Iterator[tuple[int, Fit]]:
    """Fits every scene's candidates and yields the winners with their places.

    Args:
      fitter: does the fits.
      prepared: scenes with their answers.
      variant: recorded in the fits.
    """
    # All candidates at the start, for the calls of every portion are to share their compilations.
    split = [candidates_of(item) for item in prepared]
    of_candidates = fitter.rooms_for([candidate for several in split for candidate in several], CANDIDATES, variant)
    of_scenes = fitter.rooms_for(prepared, VOTING, variant)
    first = 0
    while first < len(prepared):
        owners: list[int] = []
        candidates: list[PreparedScene] = []
        some: list[PreparedScene] = []
        for item, several in zip(prepared[first:], split[first:], strict=True):
            if some and len(candidates) + len(several) > _AT_ONCE:
                break
            candidates += several
            owners += [len(some)] * len(several)
            some.append(item)
        # A candidate is a plain problem: it must not be taken to a vote again.
        fits = dict(fitter.fit_plain(candidates, variant, of_candidates))
        # A scene with one candidate has nothing to compare.
        compared = [k for k, owner in enumerate(owners) if fits[k].ok and len(split[first + owner]) > 1]
        found = total_energies(fitter, [some[owners[k]] for k in compared], [fits[k] for k in compared], of_scenes)
        energies = dict.fromkeys(range(len(candidates)), 0.0) | dict(zip(compared, found, strict=True))
        for owner, item in enumerate(some):
            mine = [k for k in range(len(candidates)) if owners[k] == owner]
            good = [k for k in mine if fits[k].ok]
            winner = fits[min(good, key=energies.__getitem__, default=mine[0])]
            yield (
                first + owner,
                dataclasses.replace(
                    winner,
                    seconds=sum(fits[k].seconds for k in mine),
                    answers=item.program.num_answers,
                    answers_usable=item.program.num_usable,
                    answers_none=item.program.num_none,
                ),
            )
        first += len(some)


def candidates_of(item: PreparedScene) -> list[PreparedScene]:
    """The scene with each of its starts; for a vote, with each of its distinct usable answers alone."""
    alone = AGGREGATIONS[item.settings.aggregation.name].each_alone
    problems = _answers_alone(item) if alone else [item]
    starts = [_started(item.settings, factor) for factor in item.settings.starts]
    return [dataclasses.replace(problem, settings=start) for problem in problems for start in starts]


def _started(settings: FitSettings, factor: float) -> FitSettings:
    """The weight of what the answers say times a factor in all stages but the last."""
    if factor == 1.0:
        return settings

    def scaled(stage: StageSettings) -> dict[str, float]:
        return {t.name: stage.weight(t) * (factor if t.from_answers else 1.0) for t in settings.terms}

    *early, last = settings.stages
    stages = tuple(dataclasses.replace(stage, weights=scaled(stage)) for stage in early)
    return dataclasses.replace(settings, stages=(*stages, last))


def _answers_alone(item: PreparedScene) -> list[PreparedScene]:
    arrays = item.arrays
    seen: set[bytes] = set()
    candidates = []
    for k in range(len(arrays.weights)):
        one = _answer_alone(arrays, k)
        said = np.concatenate([one.singles.ravel(), [-1], one.coupled.ravel()]).tobytes()
        if (one.singles.any() or one.coupled.any()) and said not in seen:
            seen.add(said)
            candidates.append(dataclasses.replace(item, arrays=one))
    return candidates


def _answer_alone(arrays: ProgramArrays, k: int) -> ProgramArrays:
    pick = slice(k, k + 1)
    return dataclasses.replace(
        arrays,
        singles=np.sort(np.asarray(arrays.singles)[pick], axis=-1),
        coupled=np.sort(np.asarray(arrays.coupled)[pick], axis=-1),
        weights=np.ones(1, np.float32),
        pair_of=np.asarray(arrays.pair_of)[pick],
    )


@functools.partial(jax.jit, static_argnames=("structure",))
def _energies(
    model: FitModel,
    scenes: SceneArrays,
    params: BodyParams,
    numbers: Numbers,
    index: jax.Array,
    *,
    structure: Structure,
) -> jax.Array:
    """(B,) total energies of a stage, closest vertices and inside vertices searched at `params`."""
    active = active_terms(structure, scenes, index)
    rounds = jnp.zeros(len(params.transl), jnp.int32)
    held = search_batch(model, scenes, params, structure, active, index, rounds)

    def one(scene: SceneArrays, params: BodyParams, held: Any) -> jax.Array:
        problem = stage_problem(model, scene, scene.params, held, active, numbers, index, structure)
        return problem.judged(problem.energy(take_moving(params))[1])

    return jax.vmap(one)(scenes, params, held)


def total_energies(
    fitter: Fitter,
    items: Sequence[PreparedScene],
    fits: Sequence[Fit],
    shared: Mapping[Any, Room] | None = None,
) -> list[float]:
    """The energy of each fit under all answers of its scene, at the last stage that has steps.

    Args:
      fitter: of the fits.
      items: the scenes.
      fits: of the scenes.
      shared: `rooms` of all scenes with which this shares its compilations; None: of these alone.
    """
    settings, size = fitter.settings, fitter.settings.batch_size
    index = max((k for k, stage in enumerate(settings.stages) if stage.steps), default=len(settings.stages) - 1)
    device = jax.local_devices()[0]
    energies = [float("nan")] * len(items)
    shared = shared or rooms(items, settings)
    for group in group_scenes([dataclasses.replace(item, place=k) for k, item in enumerate(items)]):
        shape = shared[group_key(group[0])].shape
        for first in range(0, len(group), size):
            some = group[first : first + size]
            moved: dict[str, Any] = {
                name: np.stack([np.asarray(getattr(fits[item.place], name)) for item in some]) for name in _MOVED
            }
            params = filled_up(dataclasses.replace(initial_batch(fitter.model.body, some), **moved), size)
            _, pixels = fitter.initial_people(some, size, device)
            arrays = filled_up(stack_scenes(fitter.model.body, some, pixels, settings, shape), size)
            # Compared where they are, whatever the stage moves.
            numbers = settings.numbers(index)
            numbers["moves"] = dict.fromkeys(numbers["moves"], np.float32(1.0))
            args = (fitter.model, arrays, params, Numbers(**numbers), np.int32(index))
            found = np.asarray(fitter.call(device, _energies, *args, structure=settings.structure))
            for item, value in zip(some, found, strict=False):
                energies[item.place] = float(value)
    return energies
