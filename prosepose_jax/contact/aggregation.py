"""How N answers about one scene become one loss: the published mean, and others behind one interface.

An aggregation is a pure function on the answers' rows (on the host, before they become arrays), a pure
function on the answers' losses (on the device), or both; a new one is such a function and a line in
AGGREGATIONS. docs/ablate.md, "Aggregations".
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from prosepose_jax.contact.rows import Pair, Row
from prosepose_jax.errors import InputError

_MAX_ROUNDS = 10  # of turning answers round; a handful is enough to come to rest
_TIE = 1e-5  # float32 weights such as 1/3 do not add up to exactly one half


@dataclasses.dataclass(frozen=True)
class AggregationSettings:
    """Which aggregation, and the numbers that some of them read."""

    name: str = "mean"  # of AGGREGATIONS
    power: float = 1.0  # frequency: a row weighs its share of the answers to this power
    trim: float = 0.25  # trimmed: share of the answers, those with the largest losses, that do not count
    answer_m: float = 0.05  # soft: metres over which an answer may be farther than the nearest one and still count
    choice_m: float = 0.0  # of any: the same for left/right choices and person orders; 0: the nearest one alone


class WeightedRow(NamedTuple):
    """A contact and how much it counts in its answer's sum."""

    row: Row
    weight: float


class Reading(NamedTuple):
    """What an answer says about one pair of people: rows from its first person to its second."""

    rows: tuple[WeightedRow, ...]
    free: bool  # either of the two may be the first
    weight: float  # in the scene's loss
    answer: int = 0  # which of the scene's answers (the first, of several)


Gather = Callable[[Sequence[Reading], AggregationSettings], Sequence[Reading]]
"""From the N readings of a pair of people to those that are compiled."""

Combine = Callable[[jax.Array, jax.Array, jax.Array, AggregationSettings], jax.Array]
"""From (N,) losses in metres, (N,) weights that add up to 1 or 0 and (N,) bool usable to a scalar in metres."""


def as_they_are(readings: Sequence[Reading], settings: AggregationSettings) -> Sequence[Reading]:
    """Every answer for itself: it chooses its own sides and person order."""
    del settings
    return readings


def consensus(readings: Sequence[Reading], settings: AggregationSettings) -> Sequence[Reading]:
    """One answer out of all: each distinct row, weighted by the share of the answers that name it.

    Answers that leave the person order open are first turned the way that agrees best with the others; the
    consensus then has one order and one choice of sides for all its rows. A row that an answer repeats counts by
    occurrence: the k-th stands with the share of the answers that have it k times. For N equal answers this
    is their mean.
    """
    turned = _agree_on_order(readings)
    total = sum(reading.weight for reading in readings)
    shares: dict[tuple[Pair, ...], list[float]] = {}
    first_row: dict[tuple[Pair, ...], Row] = {}
    for reading, rows in zip(readings, turned, strict=True):
        for options, times in rows.items():
            share = shares.setdefault(options, [])
            share.extend([0.0] * (times - len(share)))
            for k in range(times):
                share[k] += reading.weight / total
            first_row.setdefault(options, Row(options, " / ".join(f"{a} – {b}" for a, b in options)))
    named = tuple(
        WeightedRow(first_row[options], share**settings.power)
        for options in sorted(shares)
        for share in shares[options]
    )
    free = all(reading.free for reading in readings)
    return [Reading(named, free, total, readings[0].answer)] if readings else []


def _options(row: Row, turn: bool) -> tuple[Pair, ...]:
    return tuple(sorted({Pair(b, a) if turn else Pair(a, b) for a, b in row.options}))


def _agree_on_order(readings: Sequence[Reading]) -> list[collections.Counter[tuple[Pair, ...]]]:
    """Rows and how often, per answer, open orders turned so that the answers agree."""
    ways = [
        [collections.Counter(_options(one.row, turn) for one in reading.rows) for turn in (False, True)]
        for reading in readings
    ]
    fixed = [not reading.free for reading in readings]
    counts: collections.Counter[tuple[Pair, ...]] = collections.Counter()
    chosen = [0] * len(readings)
    # Those that know the order come first, then the longest answers: they say most about it.
    order = sorted(range(len(readings)), key=lambda k: (not fixed[k], -len(readings[k].rows), k))
    for step in range(_MAX_ROUNDS):
        changed = False
        for k in order:
            if step:
                counts.subtract(ways[k][chosen[k]])
            agrees = [sum(counts[options] * times for options, times in way.items()) for way in ways[k]]
            best = chosen[k] if fixed[k] or agrees[0] == agrees[1] else int(agrees[1] > agrees[0])
            changed |= best != chosen[k]
            chosen[k] = best
            counts.update(ways[k][best])
        if step and not changed:
            break
    return [way[turn] for way, turn in zip(ways, chosen, strict=True)]


def mean(losses: jax.Array, weights: jax.Array, usable: jax.Array, settings: AggregationSettings) -> jax.Array:
    """The published one: the mean, an answer without a usable row counting as 0."""
    del usable, settings
    return jnp.sum(weights * losses)


def median(losses: jax.Array, weights: jax.Array, usable: jax.Array, settings: AggregationSettings) -> jax.Array:
    """The middle one of the usable answers' losses; the mean of the two middle ones of an even number."""
    del settings
    ranked, share = _ranked(losses, weights, usable)
    below = jnp.cumsum(share)
    lower, upper = jnp.argmax(below >= 0.5 - _TIE), jnp.argmax(below > 0.5 + _TIE)
    return jnp.where(jnp.any(usable), 0.5 * (ranked[lower] + ranked[upper]), 0.0)


def trimmed(losses: jax.Array, weights: jax.Array, usable: jax.Array, settings: AggregationSettings) -> jax.Array:
    """The mean of the usable answers without the `trim` share of them that are farthest from the people."""
    ranked, share = _ranked(losses, weights, usable)
    kept = jnp.clip(1.0 - settings.trim - (jnp.cumsum(share) - share), 0.0, share)
    return jnp.sum(kept * ranked) / jnp.maximum(jnp.sum(kept), 1e-6)


def soft(losses: jax.Array, weights: jax.Array, usable: jax.Array, settings: AggregationSettings) -> jax.Array:
    """A soft minimum over the usable answers: near ones count more, by e for every `answer_m` metres."""
    share = jnp.where(usable, weights, 0.0)
    share = share / jnp.maximum(jnp.sum(share), 1e-6)
    low = jax.lax.stop_gradient(jnp.min(jnp.where(usable, losses, jnp.inf)))
    low = jnp.where(jnp.any(usable), low, 0.0)
    total = jnp.sum(share * jnp.exp(-(jnp.where(usable, losses, low) - low) / settings.answer_m))
    return low - settings.answer_m * jnp.log(jnp.where(jnp.any(usable), total, 1.0))


def nearest(losses: jax.Array, weights: jax.Array, usable: jax.Array, settings: AggregationSettings) -> jax.Array:
    """The smallest loss of a usable answer: the others are taken for mistakes."""
    del weights, settings
    return jnp.where(jnp.any(usable), jnp.min(jnp.where(usable, losses, jnp.inf)), 0.0)


def _ranked(losses: jax.Array, weights: jax.Array, usable: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Usable losses in rising order, others behind with share 0, and their shares of the usable weight."""
    order = jnp.argsort(jnp.where(usable, jax.lax.stop_gradient(losses), jnp.inf))
    share = jnp.where(usable, weights, 0.0)
    share = share / jnp.maximum(jnp.sum(share), 1e-6)
    return jnp.where(usable, losses, 0.0)[order], share[order]


@dataclasses.dataclass(frozen=True)
class Aggregation:
    """One way to make a loss of N answers."""

    gather: Gather = as_they_are
    combine: Combine = mean
    each_alone: bool = False  # the fit tries every answer alone and keeps the result that all answers like best


AGGREGATIONS: dict[str, Aggregation] = {
    "mean": Aggregation(),
    "frequency": Aggregation(gather=consensus),
    "median": Aggregation(combine=median),
    "trimmed": Aggregation(combine=trimmed),
    "soft": Aggregation(combine=soft),
    "nearest": Aggregation(combine=nearest),
    "vote": Aggregation(each_alone=True),
}


def check_aggregation(settings: AggregationSettings) -> AggregationSettings:
    """The settings, if they can be used.

    Raises:
      InputError: an unknown name, or a number out of range.
    """
    if settings.name not in AGGREGATIONS:
        raise InputError(f"aggregation: expected one of {', '.join(AGGREGATIONS)}, found {settings.name!r}")
    for name, value, usable, wanted in (
        ("power", settings.power, settings.power > 0, "above 0"),
        ("trim", settings.trim, 0 <= settings.trim < 1, "at least 0 and below 1"),
        ("answer_m", settings.answer_m, settings.answer_m > 0, "above 0"),
        ("choice_m", settings.choice_m, settings.choice_m >= 0, "at least 0"),
    ):
        if not usable or value == float("inf"):
            raise InputError(f"aggregation: {name}: expected a finite number {wanted}, found {value}")
    return settings
