"""Compiled loops are kept form by form, and a cache that cannot be used costs nothing but time."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prosepose_jax import metrics
from prosepose_jax.metrics import kernels

numba = pytest.importorskip("numba", reason="the extra `fast` is not installed")


def _doubled(value: float) -> float:
    return 2 * value


@pytest.fixture
def decorated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A loop as another process has it that starts now."""
    from prosepose_jax.metrics import _compiled, _kept_loops

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_kept_loops, "_folder", _kept_loops._folder.__wrapped__)
    return lambda: _compiled._compiled(_doubled)


def test_forms_of_two_processes_do_not_take_each_others_place(decorated: Callable[[], Any], tmp_path: Path) -> None:
    before = numba.config.CACHE_DIR
    one, other = decorated(), decorated()
    assert before == numba.config.CACHE_DIR
    assert one(3) == 6 and other(1.5) == 3.0  # each the first of its process
    later = decorated()
    assert later(1.5) == 3.0 and later(3) == 6 and isinstance(later(3), int)
    assert sum(later.stats.cache_hits.values()) == 2 and not later.stats.cache_misses
    kept = list((tmp_path / "cache").rglob("*.nbc"))
    assert len(kept) == 2 and all("numba-" in str(file.relative_to(tmp_path)) for file in kept)


def test_a_folder_that_is_gone_stops_nothing(decorated: Callable[[], Any], tmp_path: Path) -> None:
    decorated()(2)
    loop = decorated()
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("in its place")
    assert loop(2) == 4 and loop(0.5) == 1.0
    assert decorated()(2) == 4  # nor one that was never there


def test_a_form_half_written_is_compiled_again(decorated: Callable[[], Any], tmp_path: Path) -> None:
    decorated()(2)
    for file in (*(tmp_path / "cache").rglob("*.nbc"), *(tmp_path / "cache").rglob("*.nbi")):
        whole = file.read_bytes()
        for part in (0, len(whole) // 2):
            file.write_bytes(whole[:part])
            assert decorated()(2) == 4


@pytest.mark.parametrize("error", ["ImportError('Numba needs NumPy 2.3 or less')", "OSError('no libllvmlite.so')"])
def test_numba_that_cannot_be_loaded_leaves_numpy(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "numba.py").write_text(f"raise {error}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "numba")
    for name in ("_compiled", "_kept_loops"):
        monkeypatch.delitem(sys.modules, f"prosepose_jax.metrics.{name}", raising=False)
        monkeypatch.delattr(metrics, name, raising=False)
    kernels._kernels.cache_clear()
    try:
        with caplog.at_level("WARNING"):
            assert kernels.kernels() is None and kernels.kernels() is None
        assert sum("NumPy does its work" in record.getMessage() for record in caplog.records) == 1
    finally:
        kernels._kernels.cache_clear()
