"""Fitting people to scenes and answers: batches of scenes, two stages, one jit per shape (docs/fit.md)."""

from prosepose_jax.fitting.fit import Fitter, Timing, fit_scenes
from prosepose_jax.fitting.settings import FitSettings, StageSettings, StopSettings, settings_from_config

__all__ = [
    "FitSettings",
    "Fitter",
    "StageSettings",
    "StopSettings",
    "Timing",
    "fit_scenes",
    "settings_from_config",
]
