"""What is said while programs are compiled: which, for how long, and nothing of what the cache has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from prosepose_jax.apps import _compiling, _run
from prosepose_jax.apps._compiling import describe, say_compilations
from prosepose_jax.apps._log import FILE
from prosepose_jax.body import BodyParams
from prosepose_jax.fitting.compiled import Compilation, compiled, watch
from prosepose_jax.io import SceneSet


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path) -> Iterator[None]:
    """A cache that no command of an earlier test in this process has put elsewhere."""
    settings = {
        "jax_compilation_cache_dir": str(tmp_path / "programs"),
        "jax_enable_compilation_cache": True,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}

    def use(values: dict[str, Any]) -> None:
        for name, value in values.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()

    use(settings)
    yield
    use(before)


def _compile(factor: float, scenes: int = 3) -> None:
    """A program of its own in this process; an equal one has been in the session's cache since its first call."""

    def scale_people(params: BodyParams) -> jax.Array:
        return factor * params.transl

    params = jax.tree.map(lambda x: np.zeros((scenes, *x.shape), x.dtype), BodyParams.zeros(2, 10))
    compiled(jax.jit(scale_people), jax.local_devices()[0], (params,), {})


def test_watchers_are_told_what_is_compiled_and_whether_the_cache_had_it() -> None:
    heard: list[Compilation] = []
    with watch(heard.append):
        _compile(3.1415)
        _compile(3.1415)
    _compile(2.7182)
    assert [(event.program, event.people) for event in heard] == [("scale_people", (3, 2))] * 4
    assert [event.seconds is None for event in heard] == [True, False] * 2
    assert [event.cached for event in heard] == [False, False, False, True]


def test_a_line_for_what_is_compiled_and_none_for_what_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_compiling, "_WORTH_A_LINE_S", 0.0)
    with say_compilations():
        _compile(1.4142, scenes=1)
        _compile(1.4142, scenes=1)  # from the cache
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    assert line.startswith("compiled scale_people for 1 scene of 2 people in ") and line.endswith(" s")


def test_a_long_compilation_is_announced_before_it_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_compiling, "_LONG_S", 0.01)
    speaker = _compiling._Speaker()
    speaker.hear(Compilation("run_stage", (16, 2)))
    err, end = "", time.monotonic() + 10.0
    while not err and time.monotonic() < end:
        time.sleep(0.01)
        err = capsys.readouterr().err
    assert err == "compiling run_stage for 16 scenes of 2 people …\n"
    speaker.hear(Compilation("run_stage", (16, 2), 12.34))
    assert capsys.readouterr().err == "compiled run_stage for 16 scenes of 2 people in 12.3 s\n"


def test_nothing_is_said_of_a_short_one(capsys: pytest.CaptureFixture[str]) -> None:
    speaker = _compiling._Speaker()
    speaker.hear(Compilation("run_stage", (16, 2)))
    timer = speaker._timer
    speaker.hear(Compilation("run_stage", (16, 2), 0.2))
    assert timer is not None and timer.finished.is_set() and speaker._timer is None
    assert capsys.readouterr().err == ""


def test_words() -> None:
    assert describe(Compilation("f", ())) == "f"
    assert describe(Compilation("f", (4, 1))) == "f for 4 scenes of one person"


def test_a_run_says_it_and_writes_it_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(*_: Any) -> int:
        _compile(1.2020)
        return 0

    monkeypatch.setattr(_run, "_run", work)
    monkeypatch.setattr(_compiling, "_WORTH_A_LINE_S", 0.0)
    assert _run.run([], SceneSet([]), None, tmp_path) == 0
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", "compiled", "end"]
    assert lines[1]["program"] == "scale_people" and lines[1]["seconds"] > 0 and lines[1]["cached"] is False
    assert capsys.readouterr().err.startswith("compiled scale_people for 3 scenes of 2 people in ")
