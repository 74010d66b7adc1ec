"""Further attempts at scenes whose fit is stuck; the fit with the lowest energy is kept.

An arm that has gone halfway through a trunk is pushed out on both sides at once and stays (docs/method.md, "People
inside each other"). People at depths that are wrong to each other press into each other, or wrong sizes hold limbs that
have bent over the gap ("Bodies under strain"). What is left of two terms tells; the attempts begin elsewhere
(`other_starts`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prosepose_jax.body.measurements import shape_measures
from prosepose_jax.fitting.other_starts import Moving, drawn_apart, other_depths
from prosepose_jax.fitting.prepare import initial_params
from prosepose_jax.scene import Fit, FitPath

if TYPE_CHECKING:
    from prosepose_jax.fitting.fit import Fitter
    from prosepose_jax.fitting.prepare import PreparedScene, Room


# What bodies pay for where people are against each other. Not contacts: wrong ones stay unmet wherever people are.
_STRAIN = ("penetration", "estimate_shape")


def is_inside(item: PreparedScene, fit: Fit) -> bool:
    """Whether so much penetration is left that the scene is worth another attempt."""
    return _is_left(item, fit, ("penetration",), item.settings.restart_above)


def is_strained(item: PreparedScene, fit: Fit) -> bool:
    """Whether bodies are so far inside each other and from their estimated shapes that another attempt is worth it.

    The limit is of two people; every person adds to the energy.
    """
    return _is_left(item, fit, _STRAIN, item.settings.restart_strain * item.scene.num_people / 2)


def is_stuck(item: PreparedScene, fit: Fit) -> bool:
    """Whether the scene is worth another attempt."""
    return is_strained(item, fit) or is_inside(item, fit)


def _is_left(item: PreparedScene, fit: Fit, terms: Sequence[str], limit: float) -> bool:
    if not limit or not fit.ok or item.scene.num_people < 2:
        return False
    left = _last_stage(fit)
    found = [k for k, name in enumerate(fit.loss_terms) if name in terms]
    return bool(len(left)) and float(left[-1, found].sum()) > limit


def fit_again(
    fitter: Fitter, items: Sequence[PreparedScene], fits: Sequence[Fit], variant: str, shared: Mapping[Any, Room]
) -> list[Fit]:
    """The best of each scene's fit and of its further attempts, by the energy of the last stage.

    Depths first, for both stages anew; who is inside somebody after that is drawn out, for the last stage alone.

    Args:
      fitter: does the fits.
      items: scenes that are stuck.
      fits: how.
      variant: recorded in the fits.
      shared: `rooms` of the whole run: nothing is compiled again.
    """
    body = fitter.model.body
    measures = functools.cache(lambda: shape_measures(body, min(10, body.num_betas)))  # once, and only if wanted

    def depths(item: PreparedScene, fit: Fit) -> list[Moving]:
        if not is_strained(item, fit):
            return []
        estimated = np.asarray(initial_params(body, item.scene).betas)
        return other_depths(body, measures(), fit, estimated, item.settings.restart_depth_m)

    def apart(item: PreparedScene, fit: Fit) -> list[Moving]:
        return drawn_apart(body, fit, item.settings.restart_gap_m) if is_inside(item, fit) else []

    def attempts(items: Sequence[PreparedScene], first_stage: int) -> Iterator[tuple[int, Fit]]:
        return fitter.fit_plain(items, variant, shared, first_stage=first_stage)

    best = _best(items, fits, depths, lambda some: attempts(some, 0))
    last = len(fitter.settings.stages) - 1
    return _best(items, best, apart, lambda some: attempts(some, last), last)


def _best(
    items: Sequence[PreparedScene],
    fits: Sequence[Fit],
    starts: Callable[[PreparedScene, Fit], list[Moving]],
    attempt: Callable[[Sequence[PreparedScene]], Iterator[tuple[int, Fit]]],
    first_stage: int = 0,
) -> list[Fit]:
    """Of each scene the best of its fit and of attempts from other starts, with the time of all."""
    tried, whose = [], []
    for k, (item, fit) in enumerate(zip(items, fits, strict=True)):
        for start in starts(item, fit):
            tried.append(dataclasses.replace(item, start=start))
            whose.append(k)
    best = list(fits)
    if not tried:
        return best
    seconds = [fit.seconds for fit in fits]
    for place, found in attempt(tried):
        k = whose[place]
        seconds[k] += found.seconds
        if found.ok and _energy(found) < _energy(best[k]):
            best[k] = _continued(fits[k], found) if first_stage else found
    return [dataclasses.replace(fit, seconds=spent) for fit, spent in zip(best, seconds, strict=True)]


def _continued(first: Fit, attempt: Fit) -> Fit:
    """An attempt, which is a last stage alone, with the stages that led to where it began."""
    assert first.losses is not None and attempt.losses is not None
    assert first.steps is not None and attempt.steps is not None
    return dataclasses.replace(
        attempt,
        losses=np.concatenate([first.losses[:-1], attempt.losses[-1:]]),
        steps=np.concatenate([first.steps[:-1], attempt.steps[-1:]]),
        path=_joined(first.path, attempt.path, len(first.steps) - 1),
    )


def _joined(first: FitPath | None, attempt: FitPath | None, last: int) -> FitPath | None:
    """A path's stages before the last, and an attempt's."""
    if first is None or attempt is None:
        return attempt
    before = first.stage < last
    fields = (field.name for field in dataclasses.fields(FitPath))
    return FitPath(**{name: np.concatenate([getattr(first, name)[before], getattr(attempt, name)]) for name in fields})


def _last_stage(fit: Fit) -> np.ndarray:
    """(steps, terms) weighted energies that the last stage recorded; no rows of a fit without."""
    if fit.losses is None:
        return np.zeros((0, 0), np.float32)
    return fit.losses[-1][np.isfinite(fit.losses[-1]).any(axis=-1)]


def _energy(fit: Fit) -> float:
    """Of the last stage, at the best of its steps: that is the one a stage ends with."""
    return float(np.nansum(_last_stage(fit), axis=-1).min())


def in_portions(
    found: Iterator[tuple[int, Fit]], prepared: Sequence[PreparedScene], most: int
) -> Iterator[tuple[list[tuple[int, Fit]], bool]]:
    """Fits as they come: (one that is done, False), or (several that want another attempt, True)."""
    waiting: list[tuple[int, Fit]] = []
    for place, fit in found:
        if is_stuck(prepared[place], fit):
            waiting.append((place, fit))
        else:
            yield [(place, fit)], False
        if len(waiting) == most:
            yield waiting, True
            waiting = []
    if waiting:
        yield waiting, True
