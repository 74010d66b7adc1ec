"""Further attempts for people who ended inside each other (docs/method.md, "People inside each other").

An arm that has gone halfway through a trunk is pushed out on both sides at once and stays. Which way round it belongs
is decided early, before penetration counts. So such scenes are fitted again from people moved apart, in either order
of depth; those that are still inside each other once more, with penetration counted from the first stage, which keeps
people out of each other even where contacts suffer. The fit with the lowest energy is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prosepose_jax.fitting.settings import StageSettings
from prosepose_jax.scene import Fit

if TYPE_CHECKING:
    from prosepose_jax.fitting.fit import Fitter
    from prosepose_jax.fitting.prepare import PreparedScene, Room

# The term whose energy asks for it.
_TERM = "penetration"


def is_inside(item: PreparedScene, fit: Fit) -> bool:
    """Whether so much penetration is left that the scene is worth another attempt."""
    limit = item.settings.restart_above
    if not limit or not fit.ok or item.scene.num_people < 2 or _TERM not in fit.loss_terms:
        return False
    left = _last_stage(fit)
    return bool(len(left)) and float(left[-1, fit.loss_terms.index(_TERM)]) > limit


def fit_apart(
    fitter: Fitter, items: Sequence[PreparedScene], fits: Sequence[Fit], variant: str, shared: Mapping[Any, Room]
) -> list[Fit]:
    """The best of each scene's fit and of its further attempts, by the energy of the last stage.

    Args:
      fitter: does the fits.
      items: scenes that ended with people inside each other.
      fits: how.
      variant: recorded in the fits.
      shared: `rooms` of the whole run: nothing is compiled again.
    """
    best = list(fits)
    for counted in (False, True):
        again = [k for k, item in enumerate(items) if is_inside(item, best[k])]
        attempts = [(k, _apart(items[k], reverse, counted)) for k in again for reverse in (False, True)]
        found = dict(fitter.fit_plain([item for _, item in attempts], variant, shared)) if attempts else {}
        for place, (k, _) in enumerate(attempts):
            other, spent = found[place], best[k].seconds + found[place].seconds
            winner = other if other.ok and _energy(other) < _energy(best[k]) else best[k]
            best[k] = dataclasses.replace(winner, seconds=spent)
    return best


def _last_stage(fit: Fit) -> np.ndarray:
    """(steps, terms) weighted energies that the last stage recorded; no rows of a fit without."""
    if fit.losses is None:
        return np.zeros((0, 0), np.float32)
    return fit.losses[-1][np.isfinite(fit.losses[-1]).any(axis=-1)]


def _energy(fit: Fit) -> float:
    """Of the last stage, at the best of its steps: that is the one a stage ends with."""
    return float(np.nansum(_last_stage(fit), axis=-1).min())


def _apart(item: PreparedScene, reverse: bool, count_early: bool) -> PreparedScene:
    """The scene begun with its people apart, where wanted with penetration counted from the first stage."""
    settings = item.settings
    apart = -settings.restart_apart_m if reverse else settings.restart_apart_m
    if not count_early:
        return dataclasses.replace(item, apart_m=apart)
    last = settings.stages[-1]

    def counted(stage: StageSettings) -> StageSettings:
        return dataclasses.replace(
            stage,
            weights={**stage.weights, _TERM: last.weights.get(_TERM, 0.0)},
            fallback_weights={**stage.fallback_weights, _TERM: last.fallback_weights.get(_TERM, 0.0)},
        )

    stages = tuple(counted(stage) for stage in settings.stages)
    return dataclasses.replace(item, settings=dataclasses.replace(settings, stages=stages), apart_m=apart)


def in_portions(
    found: Iterator[tuple[int, Fit]], prepared: Sequence[PreparedScene], most: int
) -> Iterator[tuple[list[tuple[int, Fit]], bool]]:
    """Fits as they come: (one that is done, False), or (several that want another attempt, True)."""
    waiting: list[tuple[int, Fit]] = []
    for place, fit in found:
        if is_inside(prepared[place], fit):
            waiting.append((place, fit))
        else:
            yield [(place, fit)], False
        if len(waiting) == most:
            yield waiting, True
            waiting = []
    if waiting:
        yield waiting, True
