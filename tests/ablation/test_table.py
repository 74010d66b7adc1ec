"""Tables and plots of known records."""

from __future__ import annotations

import csv
import dataclasses
import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from prosepose_jax.ablation import Line, Sweep, draw_charts, expand, summarise, to_csv, to_latex, to_markdown


def _records(sweep: Sweep, shifts: dict[str, float]) -> dict:
    """Ten scenes with errors 40 … 49 mm plus the point's shift; scene 9 failed where the shift is negative."""
    records = {}
    for point in sweep.points:
        shift = shifts[point.name]
        records[point] = {
            f"scene{k}": {
                "key": f"scene{k}",
                "status": "failed: no" if k == 9 and shift < 0 else "fallback" if k == 0 else "ok",
                "joint_pa_mpjpe_mm": 40.0 + k + shift,
                "pcc": 90.0 - shift,
            }
            for k in range(10)
        }
    return records


@pytest.fixture
def found(make_sweep: Callable[..., ConfigDict]) -> tuple[Sweep, list[Line]]:
    points = [{"name": "all", "x": 1}, {"name": "half & half", "x": 2}, {"name": "none", "x": 10}]
    sweep = expand(make_sweep(points, "all", x_label="things", log_x=True))
    shifts = {"initial": 60.0, "all": 0.0, "half & half": -5.0, "none": 20.0}
    return sweep, summarise(sweep, _records(sweep, shifts))


def test_means_differences_and_counts(found: tuple[Sweep, list[Line]]) -> None:
    lines = {line.point.name: line for line in found[1]}
    error = lines["none"].cells["joint_pa_mpjpe_mm"]
    assert error.mean.mean == pytest.approx(64.5) and error.mean.low < 64.5 < error.mean.high
    # The spread over scenes is in the mean's interval and not in that of the paired difference.
    assert error.mean.high - error.mean.low > 2
    assert error.difference is not None
    assert [*error.difference] == pytest.approx([20.0, 20.0, 20.0])
    assert lines["all"].cells["pcc"].difference is None
    half = lines["half & half"]
    assert (half.scenes, half.failed, half.fallback) == (9, 1, 1)
    assert half.cells["joint_pa_mpjpe_mm"].mean.mean == pytest.approx(np.mean([35.0 + k for k in range(9)]))
    assert half.cells["joint_pa_mpjpe_mm"].difference[0] == pytest.approx(-5.0)


def test_csv_has_every_number(found: tuple[Sweep, list[Line]]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(found[1]))))
    assert len(rows) == 4 * 2
    (row,) = (row for row in rows if row["point"] == "none" and row["figure"] == "pcc")
    assert (row["mean"], row["difference"], row["x"], row["kind"]) == ("70", "-20", "10", "two_person")
    assert all(row["difference"] == "" for row in rows if row["point"] == "all")


def test_markdown_marks_the_reference_and_the_best(found: tuple[Sweep, list[Line]]) -> None:
    text = to_markdown(*found)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert rows[0][:4] == ["point", "scenes", "joint PA-MPJPE (mm)", "PCC (%)"]
    assert len({len(row) for row in rows if len(row) > 1}) == 1
    by_name = {row[0]: row for row in rows}
    assert by_name["half & half"][1:4] == ["9 (1 fallback, 1 failed)", "**39.0 (37.3, 40.7)**", "**95.0 (95.0, 95.0)**"]
    assert by_name["all (reference)"][-1] == ""
    assert by_name["none"][-2:] == ["+20.0 (+20.0, +20.0)", "-20.0 (-20.0, -20.0)"]


def test_latex_is_escaped_and_complete(found: tuple[Sweep, list[Line]]) -> None:
    text = to_latex(*found)
    assert r"half \& half & 9 &" in text and r"PCC (\%)" in text
    assert text.count(r"\\") == 1 + 4
    assert r"$64.5^{+" in text


def test_charts_are_pictures_of_the_points(found: tuple[Sweep, list[Line]]) -> None:
    files = draw_charts(*found)
    assert set(files) == {f"two_person_{figure}.{kind}" for figure in ("joint_pa_mpjpe_mm", "pcc")
                          for kind in ("svg", "png")}  # fmt: skip
    svg = ElementTree.fromstring(files["two_person_joint_pa_mpjpe_mm.svg"])
    dots = [one for one in svg.iter() if one.tag.endswith("circle")]
    assert len(dots) == 3  # the initial estimates are in the table alone
    heights = [float(dot.attrib["cy"]) for dot in dots]
    assert heights[1] > heights[0] > heights[2]  # down is better, and y points down
    across = [float(dot.attrib["cx"]) for dot in dots]
    assert (across[2] - across[0]) / (across[1] - across[0]) == pytest.approx(np.log(10) / np.log(2), rel=1e-2)
    picture = np.asarray(Image.open(io.BytesIO(files["two_person_pcc.png"])).convert("RGB")).astype(int)
    blue = np.all(np.abs(picture - np.array([0x2F, 0x7F, 0xD6])) < 8, axis=-1)
    assert picture.shape[:2] == (800, 1280) and blue.sum() > 3 * 100


def test_a_long_title_is_cut_so_that_the_figure_can_be_read(found: tuple[Sweep, list[Line]]) -> None:
    sweep, lines = found
    files = draw_charts(dataclasses.replace(sweep, title="A very long title of a sweep " * 5), lines)
    svg = ElementTree.fromstring(files["two_person_pcc.svg"])
    title = next(one.text for one in svg.iter() if one.tag.endswith("text"))
    assert title is not None and title.startswith("A very long") and title.endswith("…: PCC (%, higher is better)")
    picture = np.asarray(Image.open(io.BytesIO(files["two_person_pcc.png"])).convert("L"))
    assert picture[:50, -16:].min() == 255  # nothing runs over the edge


def test_points_without_a_place_stand_in_rows(make_sweep: Callable[..., ConfigDict]) -> None:
    sweep = expand(make_sweep([{"name": "a"}, {"name": "b <i>"}], "a"))
    lines = summarise(sweep, _records(sweep, {"initial": 60.0, "a": 0.0, "b <i>": 5.0}))
    svg = ElementTree.fromstring(draw_charts(sweep, lines)["two_person_pcc.svg"])
    texts = [one.text for one in svg.iter() if one.tag.endswith("text")]
    assert "a" in texts and "b <i>" in texts
    dots = [one for one in svg.iter() if one.tag.endswith("circle")]
    assert [float(d.attrib["cx"]) for d in dots] == sorted((float(d.attrib["cx"]) for d in dots), reverse=True)
