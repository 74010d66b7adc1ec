"""Scalars of a run for TensorBoard (`--config.log.tensorboard=true`, extra `tensorboard`): DIR/tensorboard."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.scene import Fit

FOLDER = "tensorboard"


class Scalars:
    """Writes numbers by name; nothing unless it is on. A context manager."""

    def __init__(self, workdir: Path, on: bool, phase: str) -> None:
        """
        Args:
          workdir: the folder of the run.
          on: whether to write.
          phase: of the run; each has a curve of its own.

        Raises:
          InputError: it is on and tensorboardX is not installed.
        """
        self._writer: Any = None
        if on:
            try:
                module = importlib.import_module("tensorboardX")
            except ImportError:
                raise InputError(
                    "config: log.tensorboard needs tensorboardX: pip install 'prosepose_jax[tensorboard]'"
                ) from None
            self._writer = module.SummaryWriter(str(workdir / FOLDER / phase.replace(" ", "_")))

    def add(self, number: int, scalars: Mapping[str, float]) -> None:
        """A point of each curve at a number."""
        if self._writer is None:
            return
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()


class Board(Scalars):
    """A point for every fit, in the order in which they end."""

    def add_fit(self, number: int, fit: Fit) -> None:
        """The figures of one fit: seconds, steps, usable answers, and the last weighted value of every term."""
        if fit.ok:
            self.add(number, fit_scalars(fit))

    def add_block(self, number: int, figures: Mapping[str, Any], reasons: Mapping[str, int]) -> None:
        """What a block of a divided run took, after so many scenes of this worker; reasons of failures, counted."""
        told = {f"worker/{name}": float(value) for name, value in figures.items() if isinstance(value, int | float)}
        self.add(number, told | {f"failed/{reason}": float(count) for reason, count in reasons.items()})
        if self._writer is not None:
            self._writer.flush()  # a worker may be killed at any time


def fit_scalars(fit: Fit) -> dict[str, float]:
    """The numbers of a fit that a curve over the run is drawn of, by name."""
    found = {"fit/seconds": float(fit.seconds), "answers/usable": float(fit.answers_usable)}
    if fit.steps is None or fit.losses is None:
        return found
    for stage, steps in enumerate(np.atleast_1d(fit.steps)):
        found[f"steps/stage{stage + 1}"] = float(steps)
        if steps:
            last = np.asarray(fit.losses)[stage, : int(steps)][-1]
            found |= {
                f"stage{stage + 1}/{term}": float(value)
                for term, value in zip(fit.loss_terms, last, strict=True)
                if np.isfinite(value)
            }
    return found
