"""When are two fits the same? A digest of everything that a fit's figures depend on.

Points of a sweep that pose the same problem for a scene (many thresholds f keep the same rows; a
threshold t only decides between two fits) share the fit, and a sweep that was stopped finds what it has.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import jax
import numpy as np

from prosepose_jax import __version__
from prosepose_jax.contact import AGGREGATIONS
from prosepose_jax.contact.aggregation import AggregationSettings
from prosepose_jax.fitting.prepare import PreparedScene
from prosepose_jax.scene import Scene
from prosepose_jax.terms import TERMS


def digest_arrays(tree: Any) -> str:
    """A hash of the arrays of a pytree (a body, a prior)."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        _add(found, np.asarray(leaf))
    return found.hexdigest()


def digest_scene(scene: Scene) -> str:
    """A hash of all that a scene says, the ground truth included: figures depend on it."""
    found = hashlib.sha256()
    for field in dataclasses.fields(scene):
        value = getattr(scene, field.name)
        if field.name == "image" or value is None:
            continue
        found.update(field.name.encode())
        _add(found, value) if isinstance(value, np.ndarray) else found.update(repr(value).encode())
    return found.hexdigest()


# Packaged terms that no votes of the second table reach; others may be anybody's.
_READ_TOUCH_ALONE = frozenset(term.name for term in TERMS) - {"told", "floor"}


def digest_problem(item: PreparedScene, scene: str, body: str) -> str:
    """A hash of one scene's problem.

    Args:
      item: the prepared scene.
      scene: its `digest_scene`.
      body: `digest_arrays` of body and prior.
    """
    settings = item.settings
    # Where no answer counts, it doesn't matter how answers are added up.
    kind = dataclasses.replace(settings, aggregation=AggregationSettings()) if item.fallback else settings
    alone = AGGREGATIONS[settings.aggregation.name].each_alone and not item.fallback
    starts = () if item.fallback else settings.starts
    found = hashlib.sha256("\n".join([__version__, scene, body]).encode())
    found.update(repr((kind.problem(), item.fallback, alone, starts)).encode())
    # Answers that say the same of touch may say something else beside it, where a term reads that.
    reads = any(np.any(weights) for name, weights in item.weights.items() if name not in _READ_TOUCH_ALONE)
    beside = item.votes if reads and item.votes is not None and item.votes.said.any() else None
    found.update(repr((beside is not None, [(person, sorted(names)) for person, names in item.grounded])).encode())
    for leaf in jax.tree.leaves((item.arrays, item.weights, beside)):
        _add(found, np.asarray(leaf))
    return found.hexdigest()[:32]


def digest_initial(scene: str, body: str) -> str:
    """The same for the figures of a scene's initial estimate."""
    return hashlib.sha256("\n".join(["initial", __version__, scene, body]).encode()).hexdigest()[:32]


def _add(found: Any, array: np.ndarray) -> None:
    found.update(f"{array.dtype}{array.shape}".encode())
    found.update(np.ascontiguousarray(array).tobytes())
