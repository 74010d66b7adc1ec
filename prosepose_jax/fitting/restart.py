"""Further attempts for people who ended inside each other (docs/method.md, "People inside each other").

An arm that has gone halfway through a trunk is pushed out on both sides at once and stays. Which way round it belongs
is decided early, before penetration counts. So such scenes are fitted again from people moved apart, in either order
of depth. The fit with the lowest energy is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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
    attempts = [_apart(item, reverse) for item in items for reverse in (False, True)]
    found = [
        fit for _, fit in sorted(fitter.fit_plain(attempts, variant, shared, few=True), key=lambda placed: placed[0])
    ]
    best = []
    for k, first in enumerate(fits):
        others = found[2 * k : 2 * k + 2]
        winner = min([first, *(fit for fit in others if fit.ok)], key=_energy)
        best.append(dataclasses.replace(winner, seconds=first.seconds + sum(fit.seconds for fit in others)))
    return best


def _last_stage(fit: Fit) -> np.ndarray:
    """(steps, terms) weighted energies that the last stage recorded; no rows of a fit without."""
    if fit.losses is None:
        return np.zeros((0, 0), np.float32)
    return fit.losses[-1][np.isfinite(fit.losses[-1]).any(axis=-1)]


def _energy(fit: Fit) -> float:
    """Of the last stage, at the best of its steps: that is the one a stage ends with."""
    return float(np.nansum(_last_stage(fit), axis=-1).min())


def _apart(item: PreparedScene, reverse: bool) -> PreparedScene:
    """The scene begun with its people apart."""
    apart = item.settings.restart_apart_m
    return dataclasses.replace(item, apart_m=-apart if reverse else apart)


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
