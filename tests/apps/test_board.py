"""Scalars of a run for TensorBoard."""

from __future__ import annotations

import dataclasses
import sys

import pytest
from fabricated_run import TERMS, made_fit

from prosepose_jax.apps._board import Board, fit_scalars
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Fit


def test_the_last_value_of_every_term(small_body):
    found = fit_scalars(made_fit(small_body, "a"))
    assert found["steps/stage1"] == 25 and found["stage1/contact"] == pytest.approx(3.0)
    assert found["stage2/penetration"] == pytest.approx(4.0) and found["answers/usable"] == 18
    assert {name.partition("/")[2] for name in found if name.startswith("stage1/")} == set(TERMS)
    assert set(fit_scalars(dataclasses.replace(made_fit(small_body, "a"), losses=None))) == {
        "fit/seconds",
        "answers/usable",
    }


def test_off_writes_nothing(tmp_path, small_body):
    with Board(tmp_path, False, "fit") as board:
        board.add_fit(0, made_fit(small_body, "a"))
    assert list(tmp_path.iterdir()) == []


def test_on_writes_events(tmp_path, small_body):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    with Board(tmp_path, True, "fit without answers") as board:
        board.add_fit(0, made_fit(small_body, "a"))
        board.add_fit(1, Fit("b", "failed: why"))
    (file,) = (tmp_path / "tensorboard" / "fit_without_answers").iterdir()
    assert b"stage2/penetration" in file.read_bytes()


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match="tensorboard"):
        Board(tmp_path, True, "fit")
