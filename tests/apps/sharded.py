"""Divided runs without fits: everything is real but the optimisation, so that tests of who does what take no time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated_run import made_fit, made_scene
from fake_ray import Killed

from prosepose_jax.apps import _blocks
from prosepose_jax.apps._blocks import Job
from prosepose_jax.body import BodyModel
from prosepose_jax.config import load_config
from prosepose_jax.fitting.fit import Timing
from prosepose_jax.fitting.rooms import RunRooms
from prosepose_jax.io import save_scene
from prosepose_jax.scene import Answer, Fit, Scene


class FakeFitting:
    """What the fake fitters of a test have done and are to do.

    Attributes:
      fitted: (key, variant) of every fit, in order.
      killers: keys whose fit kills the worker, each so many times.
      failing: keys whose fit fails.
    """

    def __init__(self, body: BodyModel) -> None:
        self.body = body
        self.fitted: list[tuple[str, str]] = []
        self.killers: dict[str, int] = {}
        self.failing: set[str] = set()

    def fit(self, scenes: Sequence[Scene], answers: Callable[[str], Sequence[Answer]], variant: str) -> Iterator[Fit]:
        for scene in scenes:
            if self.killers.get(scene.key, 0) > 0:
                self.killers[scene.key] -= 1
                raise Killed(scene.key)
            self.fitted.append((scene.key, variant))
            if scene.key in self.failing:
                yield Fit(key=scene.key, status="failed: on purpose", variant=variant)
                continue
            apart = float(np.abs(scene.transl).sum()) + len(answers(scene.key))
            yield made_fit(
                self.body, scene.key, apart, status="ok" if answers(scene.key) else "fallback", variant=variant
            )


def pretend_to_fit(monkeypatch: pytest.MonkeyPatch, body: BodyModel) -> FakeFitting:
    """Puts fakes where a block is fitted and measured."""
    fitting = FakeFitting(body)

    class FakeFitter:
        def __init__(self, make: Any, settings: Any, say: Any) -> None:
            self.timing = Timing()

        def fit(self, scenes: Sequence[Scene], answers: Any, variant: str) -> Iterator[Fit]:
            for fit in fitting.fit(scenes, answers, variant):
                self.timing.scenes += 1
                self.timing.fit += 0.5
                yield fit

    def rows(evaluator: Any, rows: Iterable[Any], parser: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for row in rows:
            entry: dict[str, Any] = {"status": row.fit.status, "answers": len(row.answers), "initial": {}}
            yield row.scene.key, "two_person", entry

    monkeypatch.setattr(_blocks, "PatientFitter", FakeFitter)
    monkeypatch.setattr(_blocks, "Evaluator", lambda body, regressor: None)
    monkeypatch.setattr(_blocks, "evaluate_rows", rows)
    monkeypatch.setattr(_blocks, "checked", lambda fit: fit)
    monkeypatch.setattr(_blocks, "run_rooms", lambda *args: [RunRooms({})])
    monkeypatch.setattr(_blocks, "load_files", lambda config: (body, None, None))
    return fitting


def make_scenes(folder: Path, count: int) -> list[str]:
    """Scenes that can be read, each another one."""
    keys = [f"s{number:03d}" for number in range(count)]
    for number, key in enumerate(keys):
        scene = made_scene(key)
        scene.keypoints[..., 2] = 1.0
        scene.transl[..., 2] = 3.0 + number
        save_scene(folder, scene)
    return keys


def job_of(scenes: Path | str, workdir: Path | str, **fields: Any) -> Job:
    """A run of packaged settings without pictures."""
    values: dict[str, Any] = {"answers": None, "pictures": False} | fields
    return Job((load_config("two_person"),), str(scenes), workdir=str(workdir), **values)
