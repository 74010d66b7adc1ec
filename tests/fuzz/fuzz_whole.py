"""Targets that do more than read: odd scenes and answers are fitted, a finished run meets its damaged folder again.

They take tens of milliseconds to a second, and so come seldom; another number of rows is compiled first.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fuzz_targets import DATA, DEMO, TABLE, Target

from prosepose_jax.apps.main import main
from prosepose_jax.body import load_body
from prosepose_jax.config import load_config
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import Fitter
from prosepose_jax.fitting.plausible import checked
from prosepose_jax.io import load_answers, load_fit, save_fit
from prosepose_jax.io.scenes import load_scene
from prosepose_jax.scene import Answer, Fit

_BODY = DATA / "small_body.npz"
_STEPS = ("--config.stage1.steps=1", "--config.stage2.steps=1", "--config.batch_size=1")
_OF_A_RUN = ("config.json", "inputs.json", "run.json", "metrics.json", "fits/hug.npz", "renders/hug.png", "log.jsonl")


def whole_targets() -> tuple[Target, ...]:
    """Fits of odd scenes and answers, and a run's folder with each of its files damaged."""
    fitted = (
        Target("fitted.npz", _fit_scene, lambda: (DEMO / "scenes" / "hug.npz").read_bytes(), share=5, seconds=60),
        Target("fitted_answers.json", _fit_answers, _answers, share=5, seconds=60),
    )
    folders = tuple(
        Target(f"run_{name.replace('/', '_')}", functools.partial(_run_again, name),
               lambda name=name: (_finished() / "run" / name).read_bytes(), share=0.1, seconds=60)
        for name in _OF_A_RUN
    )  # fmt: skip
    return (*fitted, *folders)


def _answers() -> bytes:
    return json.dumps({"hug": [{"table_response": TABLE}] * 3}).encode()


@functools.cache
def _fitter() -> Fitter:
    config = load_config("two_person")
    config.stage1.steps = config.stage2.steps = config.batch_size = 1
    return Fitter(load_body(_BODY), config)


def _fit(file: Path, answers: Sequence[Answer], folder: Path) -> list[Fit]:
    fits = [checked(fit) for fit in _fitter().fit([load_scene(file, None)], lambda _: answers)]
    return [load_fit(save_fit(folder, fit)) for fit in fits]


def _fit_scene(file: Path) -> object:
    return _fit(file, [], file.parent / "fitted")


def _fit_answers(file: Path) -> object:
    answers = load_answers(file).for_scene("hug")
    return _fit(DEMO / "scenes" / "hug.npz", answers, file.parent / "fitted")


@functools.cache
def _keeper() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="prosepose-fuzz-run-")  # goes with the process


@functools.cache
def _finished() -> Path:
    """A folder of scenes and the run of them."""
    folder = Path(_keeper().name)
    (folder / "scenes").mkdir()
    shutil.copy(DEMO / "scenes" / "hug.npz", folder / "scenes")
    assert _run(folder) == 0
    return folder


def _run(folder: Path) -> int:
    arguments = ["prosepose", "fit", f"--scenes={folder}/scenes", f"--workdir={folder}/run",
                 f"--config.body.path={_BODY}", *_STEPS]  # fmt: skip
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        status = main(arguments)
    if status == 2:
        raise InputError(said.getvalue())
    assert status in (0, 1), said.getvalue()
    return status


def _run_again(name: str, file: Path) -> object:
    place = _finished() / "run" / name
    before = place.read_bytes()
    place.write_bytes(file.read_bytes())
    try:
        return _run(_finished())
    finally:
        place.write_bytes(before)
