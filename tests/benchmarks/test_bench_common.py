"""Timing, flags, tables and result files that the benchmarks share."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import _common
import pytest
from _common import Ratio


def test_measure_leaves_the_first_call_out() -> None:
    calls = []

    def call() -> None:
        time.sleep(0.05 if not calls else 0.001)
        calls.append(1)

    laps = _common.measure(call, seconds=0.0, repeats=4)
    assert len(calls) == 5 and len(laps.wall) == len(laps.cpu) == 4
    assert laps.first >= 0.05
    assert laps.median == sorted(laps.wall)[1] / 2 + sorted(laps.wall)[2] / 2
    assert 0.001 <= laps.median < 0.05


def test_measure_goes_on_for_its_time_but_not_for_ever() -> None:
    laps = _common.measure(lambda: None, seconds=5.0, repeats=1, most=7)
    assert len(laps.wall) == 7


def test_processor_time_of_a_sleeping_call_is_small() -> None:
    laps = _common.measure(lambda: time.sleep(0.02), seconds=0.0, repeats=2)
    assert laps.median_cpu < 0.01 < laps.median


@pytest.mark.parametrize("text", ["1,x", "", "0", "1,-2"])
def test_numbers_names_what_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected integers"):
        _common.numbers(text)


def test_numbers_and_names() -> None:
    assert _common.numbers("1,32") == [1, 32]
    assert _common.names(("a", "b"))("b,a") == ["b", "a"]
    with pytest.raises(argparse.ArgumentTypeError, match="'c' is unknown, expected some of a,b"):
        _common.names(("a", "b"))("a,c")


def test_rounded_reaches_into_lists_and_drops_what_json_lacks() -> None:
    value = _common.rounded({"a": [1.23456789, 123456.7], "b": math.inf, "c": 7, "d": (math.nan,), "e": "x"})
    assert value == {"a": [1.235, 123500.0], "b": None, "c": 7, "d": [None], "e": "x"}


def test_table_aligns_numbers_right_and_words_left() -> None:
    table = _common.format_table([{"who": "ours", "ms": 1.5}, {"who": "theirs, slow", "ms": 123456.0}, {"who": "no"}])
    assert table.splitlines() == [
        "who               ms",
        "------------  ------",
        "ours             1.5",
        "theirs, slow  123456",
        "no                 –",
    ]
    assert _common.format_table([]) == ""


def test_ratio_needs_a_direction() -> None:
    with pytest.raises(ValueError, match="better: expected one of"):
        Ratio("speed", 1.0, "faster")


def test_result_file_holds_what_a_reader_needs_and_no_path(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "made" / "toy.json"
    _common.write_result(
        file,
        "toy",
        metric="time",
        unit="ms",
        better="lower",
        rows=[{"who": "ours", "ms": 0.123456}],
        ratios=[Ratio("gain", 2.0, "higher", goal=3.0)],
        settings={"steps": 3},
        notes=["a note"],
        started={"load_average": 0.5},
    )
    shown = capsys.readouterr().out
    assert "gain" in shown and "≥ 3" in shown and "note: a note" in shown
    text = file.read_text(encoding="utf-8")
    result = json.loads(text)
    assert result["rows"] == [{"who": "ours", "ms": 0.1235}]
    assert result["ratios"] == [{"name": "gain", "value": 2.0, "better": "higher", "goal": 3.0}]
    assert (result["metric"], result["unit"], result["better"]) == ("time", "ms", "lower")
    machine = result["machine"]
    assert machine["cpus"] >= 1 and machine["cpu"] and machine["versions"]["jax"]
    assert machine["load_average_at_start"] == 0.5
    assert str(_common.ROOT) not in text and str(tmp_path) not in text


def test_result_needs_a_direction(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="better: expected one of"):
        _common.write_result(
            tmp_path / "x.json", "x", metric="m", unit="u", better="more", rows=[], ratios=[], settings={}
        )
    assert not (tmp_path / "x.json").exists()
