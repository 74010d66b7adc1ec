"""What a fit works on, as pytrees: the prepared body, and one scene (or a batch of scenes)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.terms import Camera, PosePrior, Surface, Term, make_surface


@struct.dataclass
class FitModel:
    """A body with everything that searches and terms precompute."""

    body: BodyModel
    surface: Surface
    terms: dict[str, Any]  # what each term prepared of the body


@struct.dataclass
class SceneArrays:
    """One scene of P people, or a batch of them with a leading axis on every leaf."""

    params: BodyParams  # initial estimate
    camera: Camera
    weights: dict[str, jax.Array]  # of each term, (stages,)
    terms: dict[str, Any]  # what each term prepared of the scene
    seed: jax.Array  # () uint32 from the scene's key: draws do not depend on the batch


@struct.dataclass
class Numbers:
    """Settings of a stage that are numbers on the device: changing them compiles nothing."""

    scales: dict[str, jax.Array]  # of each term's kernel, 0: plain
    moves: dict[str, jax.Array]  # 1 or 0 for each field of MOVABLE
    steps: jax.Array  # () int32 most steps
    learning_rate: jax.Array
    damping: jax.Array
    tolerance: jax.Array
    stop_slope: jax.Array


def make_fit_model(body: BodyModel, prior: PosePrior, terms: Sequence[Term]) -> FitModel:
    """Prepares a body for fitting (host, about a second)."""
    prepared = {term.name: term.prepare_body(body, prior) for term in terms}
    return FitModel(body=body, surface=make_surface(body), terms=prepared)
