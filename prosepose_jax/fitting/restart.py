"""A second attempt for people who ended inside each other (docs/method.md, "People inside each other").

An arm that has gone halfway through a trunk is pushed out on both sides at once and stays. Which way round it belongs
is decided early, before penetration counts; so such scenes are fitted again from people moved apart, in either order
of depth and with penetration counted from the first stage, and the fit with the lowest energy is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prosepose_jax.fitting.settings import StageSettings
from prosepose_jax.fitting.vote import total_energies
from prosepose_jax.scene import Fit

if TYPE_CHECKING:
    from prosepose_jax.fitting.fit import Fitter
    from prosepose_jax.fitting.prepare import PreparedScene, Room

# The term whose energy asks for it.
_TERM = "penetration"


def is_inside(item: PreparedScene, fit: Fit) -> bool:
    """Whether so much penetration is left that the scene is worth another attempt."""
    limit = item.settings.restart_above
    if not limit or not (fit.ok or fit.status == "fallback") or item.scene.num_people < 2:
        return False
    if _TERM not in fit.loss_terms or fit.losses is None:
        return False
    left = fit.losses[-1, :, fit.loss_terms.index(_TERM)]
    left = left[np.isfinite(left)]
    return bool(len(left)) and float(left[-1]) > limit


def fit_apart(
    fitter: Fitter, items: Sequence[PreparedScene], fits: Sequence[Fit], variant: str, shared: Mapping[Any, Room]
) -> list[Fit]:
    """The best of each scene's fit and of two others, by the energy of the last stage.

    Args:
      fitter: does the fits.
      items: scenes that ended with people inside each other.
      fits: how.
      variant: recorded in the fits.
      shared: `rooms` of the whole run: nothing is compiled again.
    """
    again = [_apart(item, reverse) for item in items for reverse in (False, True)]
    others = dict(fitter.fit_plain(again, variant, shared))
    candidates = [(k, fit) for k, fit in enumerate(fits)] + [(k // 2, others[k]) for k in range(len(again))]
    good = [(k, fit) for k, fit in candidates if fit.ok or fit.status == "fallback"]
    energies = total_energies(fitter, [items[k] for k, _ in good], [fit for _, fit in good], shared)
    best: list[Fit] = list(fits)
    lowest = dict.fromkeys(range(len(items)), np.inf)
    for (k, fit), energy in zip(good, energies, strict=True):
        if energy < lowest[k]:
            best[k], lowest[k] = fit, energy
    spent = [sum(fit.seconds for owner, fit in candidates if owner == k) for k in range(len(items))]
    return [dataclasses.replace(fit, seconds=seconds) for fit, seconds in zip(best, spent, strict=True)]


def _apart(item: PreparedScene, reverse: bool) -> PreparedScene:
    """The scene begun with its people apart, and with penetration counted from the first stage."""
    settings = item.settings
    last = settings.stages[-1]

    def counted(stage: StageSettings) -> StageSettings:
        return dataclasses.replace(
            stage,
            weights={**stage.weights, _TERM: last.weights.get(_TERM, 0.0)},
            fallback_weights={**stage.fallback_weights, _TERM: last.fallback_weights.get(_TERM, 0.0)},
        )

    stages = tuple(counted(stage) for stage in settings.stages)
    apart = -settings.restart_apart_m if reverse else settings.restart_apart_m
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
