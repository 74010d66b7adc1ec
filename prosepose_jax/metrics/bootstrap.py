"""Is a difference between two runs on the same scenes more than chance? A paired bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.metrics.records import METRICS, TRUTH


class Interval(NamedTuple):
    """A mean and the limits of its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0.0 or self.high < 0.0


def bootstrap(values: np.ndarray, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The mean of one figure over scenes (n,), with a percentile bootstrap interval; see `paired_bootstrap`."""
    values = np.asarray(values, np.float64)
    return paired_bootstrap(np.zeros_like(values), values, confidence=confidence, resamples=resamples, seed=seed)


def paired_bootstrap(
    first: np.ndarray, second: np.ndarray, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The mean of `second - first` over the same scenes, with a percentile bootstrap interval.

    Args:
      first: (n,) one figure a scene.
      second: (n,) the other run's figures of the same scenes.
      confidence: of the interval.
      resamples: draws of n scenes with replacement.
      seed: of the draws.

    Raises:
      ValueError: the two are empty or differ in length.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise ValueError(f"expected two arrays of the same length > 0, found {first.shape} and {second.shape}")
    difference = second - first
    draws = np.random.default_rng(seed).integers(0, len(difference), size=(resamples, len(difference)))
    means = difference[draws].mean(axis=1)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return Interval(float(difference.mean()), float(low), float(high))


def compare(first: Mapping[str, Mapping], second: Mapping[str, Mapping], metric: str, **settings) -> Interval:
    """`paired_bootstrap` of one figure of two metrics tables ("scenes" of metrics.json), over the scenes of both.

    Args:
      first: {key: {metric: value, …}}.
      second: the same of the other run.
      metric: for example "joint_pa_mpjpe_mm".
      **settings: of `paired_bootstrap`.

    Raises:
      ValueError: no scene has the figure in both.
      InputError: the two took the figure on different joints.
    """
    keys = sorted(key for key in first.keys() & second.keys() if metric in first[key] and metric in second[key])
    sets = {entry["joint_set"] for key in keys for entry in (first[key], second[key]) if "joint_set" in entry}
    if len(sets) > 1 and metric in METRICS and TRUTH in METRICS[metric].needs:
        raise InputError(f"{metric}: errors on different joints ({', '.join(sorted(sets))}) can't be compared")
    return paired_bootstrap(
        np.array([first[key][metric] for key in keys]), np.array([second[key][metric] for key in keys]), **settings
    )
