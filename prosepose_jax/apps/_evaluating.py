"""Fits of a folder evaluated scene by scene, in one process or several; of the scenes their answers stay in memory.

What is measured on the host (depths, volumes, distances along the surface) keeps one core busy. Each process reads a
part of the scenes and fits itself; the figures are those of one process, in the same order.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import shown

if TYPE_CHECKING:
    from prosepose_jax.metrics.evaluate import Evaluator, Row
    from prosepose_jax.metrics.sequences import Sequences
    from prosepose_jax.scene import Answer, Fit

WORTH_A_PROCESS = {True: 250, False: 100}
"""Scenes that take as long as a process takes to start, with compiled loops and with NumPy alone: about 6 s of
processor time, 25 ms and 62 ms each (benchmarks/evaluate_fits.py)."""

_PART = 64  # scenes handed over at a time
Entry = tuple[str, str, dict[str, Any]]


class Unreadable(NamedTuple):
    """A scene file that is of no use, and why."""

    key: str
    reason: str


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
    worth = WORTH_A_PROCESS[importlib.util.find_spec("numba") is not None]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, scenes // worth))


def evaluate_in_processes(
    job: Job, files: Sequence[Path], answers: Sequence[Sequence[Answer]], processes: int
) -> Iterator[Entry | Unreadable]:
    """`evaluate_files` in several processes.

    Args:
      job: the run and how it is measured.
      files: of the scenes to be measured.
      answers: of each scene.
      processes: how many; memory grows with them.

    Raises:
      ChildProcessError: one of them died.
    """
    given = list(zip(files, answers, strict=True))
    parts = [given[start : start + _PART] for start in range(0, len(given), _PART)]
    # Started anew, not forked: threads of JAX do not survive a fork.
    try:
        with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (job,)) as pool:
            yield from chain.from_iterable(pool.map(_evaluate, parts))
    except BrokenProcessPool:
        raise ChildProcessError(
            f"one of {processes} processes died, probably for want of memory: try --processes=1"
        ) from None


def evaluate_files(
    evaluator: Evaluator,
    files: Iterable[tuple[Path, Sequence[Answer]]],
    fits: Mapping[str, Fit],
    beside: Mapping[str, Fit],
    parser: str,
    sequences: Sequences | None = None,
) -> Iterator[Entry | Unreadable]:
    """`metrics.evaluate.evaluate_rows` of scene files, in their order; those without a fit are left out.

    Args:
      evaluator: of the fits' body.
      files: with the answers of each scene.
      fits: of the run.
      beside: fits without answers.
      parser: how the answers are read.
      sequences: what the joints of frames are added to.
    """
    from prosepose_jax.io.scenes import load_scene_noted
    from prosepose_jax.metrics.evaluate import Row, evaluate_rows

    unreadable: list[Unreadable] = []

    def rows() -> Iterator[Row]:
        for file, answers in files:
            try:
                scene, _ = load_scene_noted(file)
            except InputError as error:
                unreadable.append(Unreadable(shown(file.stem), str(error)))
                continue
            fit = fits.get(scene.key)
            if fit is not None:
                yield Row(scene, fit, beside.get(scene.key), answers)

    for entry in evaluate_rows(evaluator, rows(), parser, sequences=sequences):
        yield from unreadable
        unreadable.clear()
        yield entry
    yield from unreadable


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
        self.fits, self.beside = load_fits(job.fits), load_fits(job.fits, NO_ANSWERS)


_WORKERS: list[_Worker] = []  # the one of this process


def _begin(job: Job) -> None:
    _WORKERS.append(_Worker(job))


def _evaluate(part: Sequence[tuple[Path, Sequence[Answer]]]) -> list[Entry | Unreadable]:
    worker = _WORKERS[-1]
    return list(evaluate_files(worker.evaluator, part, worker.fits, worker.beside, worker.parser))
