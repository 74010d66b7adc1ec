"""Further attempts for people who ended inside each other (docs/method.md, "People inside each other").

An arm that has gone halfway through a trunk is pushed out on both sides at once and stays. So such people are drawn
apart, whole, in several ways, and the last stage begins anew from each. The fit with the lowest energy is kept.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prosepose_jax.camera.pinhole import MIN_DEPTH_M
from prosepose_jax.fitting.ways_out import ways_out
from prosepose_jax.scene import Fit, FitPath
from prosepose_jax.terms.points import MOVABLE

if TYPE_CHECKING:
    from prosepose_jax.body import BodyModel
    from prosepose_jax.fitting.fit import Fitter
    from prosepose_jax.fitting.prepare import PreparedScene, Room

Moving = dict[str, np.ndarray]
"""What moves of people, by the names of MOVABLE."""

# The term whose energy asks for it.
_TERM = "penetration"


def is_inside(item: PreparedScene, fit: Fit) -> bool:
    """Whether so much penetration is left that the scene is worth another attempt."""
    limit = item.settings.restart_above
    if not limit or not fit.ok or item.scene.num_people < 2 or _TERM not in fit.loss_terms:
        return False
    left = _last_stage(fit)
    return bool(len(left)) and float(left[-1, fit.loss_terms.index(_TERM)]) > limit


def fit_again(
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
    attempts, whose = [], []
    for k, (item, fit) in enumerate(zip(items, fits, strict=True)):
        for start in drawn_apart(fitter.model.body, fit, item.settings.restart_gap_m):
            attempts.append(dataclasses.replace(item, start=start))
            whose.append(k)
    best = list(fits)
    if not attempts:
        return best
    seconds = [fit.seconds for fit in fits]
    for place, attempt in fitter.fit_plain(attempts, variant, shared, again=True):
        k = whose[place]
        seconds[k] += attempt.seconds
        if attempt.ok and _energy(attempt) < _energy(best[k]):
            best[k] = _continued(fits[k], attempt)
    return [dataclasses.replace(fit, seconds=spent) for fit, spent in zip(best, seconds, strict=True)]


def drawn_apart(body: BodyModel, fit: Fit, gap_m: float) -> list[Moving]:
    """Where attempts begin: the fit's people, those two drawn apart who are farthest inside each other.

    Args:
      body: the body model.
      fit: how they ended.
      gap_m: metres that are left between the two.

    Returns:
      Of each way out what moves of all people (numpy, (P, …)); nobody is put behind the camera.
    """
    ids, faces = np.asarray(body.lowres.vertex_ids), np.asarray(body.lowres.faces)
    surfaces = np.asarray(fit.vertices, np.float64)[:, ids]
    pairs = itertools.combinations(range(len(surfaces)), 2)
    found = [(a, b, ways_out(surfaces[a], surfaces[b], faces)) for a, b in pairs]
    a, b, ways = max(found, key=lambda pair: pair[2][0].distance_m if pair[2] else 0.0)
    starts = []
    for way in ways:
        transl = np.array(fit.transl, np.float32)
        half = 0.5 * (way.distance_m + gap_m) * way.direction
        transl[a] += half
        transl[b] -= half
        if transl[:, 2].min() > MIN_DEPTH_M:
            starts.append({**{name: np.asarray(getattr(fit, name)) for name in MOVABLE}, "transl": transl})
    return starts


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
        if is_inside(prepared[place], fit):
            waiting.append((place, fit))
        else:
            yield [(place, fit)], False
        if len(waiting) == most:
            yield waiting, True
            waiting = []
    if waiting:
        yield waiting, True
