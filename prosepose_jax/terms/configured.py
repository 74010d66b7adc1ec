"""The terms that a config asks for: those of every objective, those it gives weight, a prior whose file it names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.resources import FREE_PRIOR, checkpoint_file
from prosepose_jax.terms.base import Term
from prosepose_jax.untrusted import as_input_error, open_regular

_SECTION = "buddi"
_MOST_DRAWS = 256  # each is a pass through the network at every search
_FIELDS: Mapping[str, type] = {
    "checkpoint": str, "conditional": bool, "timestep": int, "pose": float, "relative_transl": float, "betas": float,
    "dropout": bool, "draws": int,
}  # fmt: skip


def configured_terms(config: Mapping[str, Any], terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """The terms of an objective.

    Args:
      config: with a section "buddi" where the prior of two people is wanted (configs/buddi.py).
      terms: that it may have; of those with `if_weighed` the ones to which a stage gives a weight, if only without
        answers.

    Raises:
      InputError: the section's fields or its checkpoint can't be used.
    """
    terms = tuple(term for term in terms if not term.if_weighed or _weighs(config, term.name))
    if _SECTION not in config:
        return terms
    # Late: fits without the prior load no network library.
    from prosepose_jax.diffusion import load_buddi
    from prosepose_jax.terms.pair_prior import PairPrior

    section = {"draws": 0, **config[_SECTION]}  # sections of old have no draws
    found = {name: _field(section, name, kind) for name, kind in _FIELDS.items()}
    path, conditional = found.pop("checkpoint"), found.pop("conditional")
    if not path:
        raise InputError(
            "config: field buddi.checkpoint is empty, expected a checkpoint of BUDDI "
            f"(--config.buddi.checkpoint=FILE; {FREE_PRIOR}: the packaged free one; docs/buddi.md)"
        )
    if not 0 <= found["timestep"] < 1000:
        raise InputError(f"config: field buddi.timestep is {found['timestep']}, expected 0 to 999")
    if not 0 <= found["draws"] <= _MOST_DRAWS:
        raise InputError(f"config: field buddi.draws is {found['draws']}, expected 0 to {_MOST_DRAWS}")
    path = str(checkpoint_file(path))
    loaded = load_buddi(path, conditional=conditional)
    with as_input_error(path), open_regular(path) as file:
        mark = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    comparable = found["draws"] > 0
    return (
        *terms,
        PairPrior(comparable=comparable, network=loaded.network, weights=loaded.weights, mark=mark, **found),
    )


def _weighs(config: Mapping[str, Any], name: str) -> bool:
    """Whether a stage gives a term a weight; what is no number is found when weights are read."""
    stages = (config.get(stage, {}) for stage in ("stage1", "stage2"))
    return any(stage.get(kind, {}).get(name, 0.0) for stage in stages for kind in ("weights", "fallback_weights"))


def _field(section: Mapping[str, Any], name: str, kind: type) -> Any:
    if name not in section:
        raise InputError(f"config: field buddi.{name} is missing")
    value = section[name]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise InputError(f"config: field buddi.{name} is {value!r}, expected {kind.__name__}")
    if isinstance(value, float) and not 0.0 <= value < float("inf"):
        raise InputError(f"config: field buddi.{name} is {value!r}, expected a finite number of at least 0")
    return value
