"""Fits of a folder evaluated by several processes, each with a part of the scenes and reading its fits itself.

What is measured on the host (depths, volumes, distances along the surface) keeps one core busy; the figures are those
of one process, in the same order.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prosepose_jax.metrics.evaluate import Evaluator, Row
    from prosepose_jax.scene import Answer, Scene

WORTH_A_PROCESS = 200
"""Scenes that take about as long as a process takes to start."""

_PART = 64  # scenes handed over at a time
Entry = tuple[str, str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Job:
    """All that a process needs besides scenes and answers.

    Attributes:
      fits: the folder of the run.
      body: what `load_body` is called with.
      joint_regressor: file of a joint set, or none.
      parser: how the answers are read.
    """

    fits: str
    body: Mapping[str, Any]
    joint_regressor: str | None = None
    parser: str = "published"


def processes_for(scenes: int) -> int:
    """As many as there are cores, unless there is too little to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, scenes // WORTH_A_PROCESS))


def evaluate_in_processes(
    job: Job, scenes: Sequence[Scene], answers: Sequence[Sequence[Answer]], processes: int
) -> Iterator[Entry]:
    """`metrics.evaluate.evaluate_rows` of a run's scenes, in their order; those without a fit are left out.

    Args:
      job: the run and how it is measured.
      scenes: to be measured.
      answers: of each scene.
      processes: how many; memory grows with them.
    """
    given = list(zip(scenes, answers, strict=True))
    parts = [given[start : start + _PART] for start in range(0, len(given), _PART)]
    # Started anew, not forked: threads of JAX do not survive a fork.
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (job,)) as pool:
        yield from chain.from_iterable(pool.map(_evaluate, parts))


class _Worker:
    """What a process keeps between parts."""

    def __init__(self, job: Job) -> None:
        import jax

        # Processes that share an accelerator would each take most of its memory.
        jax.config.update("jax_platforms", "cpu")
        from prosepose_jax.apps._runtime import set_up_jax

        set_up_jax()
        from prosepose_jax.body import load_body
        from prosepose_jax.io import load_fits
        from prosepose_jax.metrics.evaluate import NO_ANSWERS, Evaluator
        from prosepose_jax.metrics.joint_sets import load_joint_set

        body = load_body(**job.body)
        joints = load_joint_set(job.joint_regressor, body.num_vertices) if job.joint_regressor else None
        self.evaluator: Evaluator = Evaluator(body, joints)
        self.parser = job.parser
        self._fits, self._beside = load_fits(job.fits), load_fits(job.fits, NO_ANSWERS)

    def row(self, scene: Scene, answers: Sequence[Answer]) -> Row | None:
        from prosepose_jax.metrics.evaluate import Row

        fit = self._fits.get(scene.key)
        return None if fit is None else Row(scene, fit, self._beside.get(scene.key), answers)


_WORKERS: list[_Worker] = []  # the one of this process


def _begin(job: Job) -> None:
    _WORKERS.append(_Worker(job))


def _evaluate(part: Sequence[tuple[Scene, Sequence[Answer]]]) -> list[Entry]:
    from prosepose_jax.metrics.evaluate import evaluate_rows

    worker = _WORKERS[-1]
    rows = (row for scene, answers in part if (row := worker.row(scene, answers)) is not None)
    return list(evaluate_rows(worker.evaluator, rows, worker.parser))
