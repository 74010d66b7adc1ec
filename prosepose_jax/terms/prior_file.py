"""Reads the pose prior's file (docs/method.md, "Other terms")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body import safe_load
from prosepose_jax.errors import InputError
from prosepose_jax.resources import smpl_assets_dir
from prosepose_jax.terms.mixture import PosePrior, make_pose_prior
from prosepose_jax.untrusted import read_members

_FIELDS = ("means", "covars", "weights")


def load_pose_prior(path: str | Path | None = None) -> PosePrior:
    """Reads a Gaussian mixture in the published layout; None or "" reads the packaged free one.

    Args:
      path: `.npz` or `.pkl` with means (K, 63 or more), covars (K, D, D) and weights (K,).

    Raises:
      InputError: naming the file and the field that is missing or wrong.
    """
    file = Path(path) if path else smpl_assets_dir() / "pose_prior.npz"
    if not file.is_file():
        raise InputError(f"{file}: no such file, expected a pose prior (.npz or .pkl)")
    if file.suffix == ".pkl":
        fields = safe_load(file)
        if not isinstance(fields, dict):
            raise InputError(f"{file}: expected a dictionary with {', '.join(_FIELDS)}")
    else:
        fields = read_members(file, _FIELDS)
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise InputError(f"{file}: field {missing[0]} is missing, expected {', '.join(_FIELDS)}")
    try:
        return make_pose_prior(*(_numbers(fields[name], name) for name in _FIELDS))
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _numbers(value: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"pose prior: field {name}: expected numbers, found {type(value).__name__}") from None
