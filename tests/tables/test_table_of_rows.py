"""A table of known figures: common scenes, intervals, differences, coverage, and its five formats."""

from __future__ import annotations

import csv
import io
import json

import pytest

from prosepose_jax.config import load_config
from prosepose_jax.contact.compile import PARSERS
from prosepose_jax.errors import InputError
from prosepose_jax.metrics.records import METRICS
from prosepose_jax.tables import FORMATS, ROWS, annotated_answer, initial_entries, make_table, to_csv, to_json, to_text
from prosepose_jax.tables.published import FIGURES


def _entries(shift: float, scenes=range(10), fallback=(), failed=(), joints="SMPL-X joints") -> dict:
    found: dict = {}
    for k in scenes:
        found[f"s{k}"] = {
            "status": "fallback" if k in fallback else "ok",
            "joint_pa_mpjpe_mm": 40.0 + k + shift,
            "pcc": 80.0 + k - shift,
            "pcc_at": {"0.05": 10.0, "0.10": 20.0, "0.15": 30.0, "0.20": 40.0 + shift},
            "joint_set": joints,
            "initial": {"joint_pa_mpjpe_mm": 100.0 + k, "pcc": 50.0},
        }
        if k in failed:
            found[f"s{k}"] = {"status": "failed: no"}
    return found


@pytest.fixture
def rows() -> dict:
    default = _entries(0.0, fallback=(0, 1))
    return {
        "regressor": initial_entries(default), "heuristic": _entries(10.0), "published": _entries(5.0, failed=(9,)),
        "default": default,
    }  # fmt: skip


def test_rows_are_compared_on_the_scenes_of_all(rows) -> None:
    table = make_table(rows, "two_person", dataset="hi4d")
    lines = {line.name: line for line in table.lines}
    assert [line.name for line in table.lines] == ["regressor", "heuristic", "published", "default"]
    # Scene 9, the worst, failed in one row: no row's mean has it.
    assert lines["default"].cells["joint_pa_mpjpe_mm"].mean.mean == pytest.approx(44.0)
    assert lines["regressor"].cells["joint_pa_mpjpe_mm"].mean.mean == pytest.approx(104.0)
    assert lines["default"].scenes == 9 and lines["default"].own == 10 and lines["published"].failed == 1
    assert any("9 scenes that every row has; 1 of 10" in note for note in table.footnotes)
    # A constant difference has no spread; the means have.
    difference = lines["heuristic"].cells["joint_pa_mpjpe_mm"].difference
    assert [*difference] == pytest.approx([10.0] * 3) and lines["default"].cells["pcc"].difference is None
    mean = lines["default"].cells["joint_pa_mpjpe_mm"].mean
    assert mean.low < 43.5 and mean.high > 44.5


def test_intervals_of_few_scenes_are_called_that(rows) -> None:
    assert not any("say little" in note for note in make_table(rows, "two_person").footnotes)
    one = {"default": _entries(0.0, scenes=range(1))}
    assert "Intervals over 1 scene say little." in make_table(one, "two_person").footnotes


def test_coverage_and_both_figures(rows) -> None:
    line = next(line for line in make_table(rows, "two_person").lines if line.name == "default")
    assert line.coverage == pytest.approx(7 / 9) and line.fallback == 2
    cell = line.cells["joint_pa_mpjpe_mm"]
    assert cell.mean.mean == pytest.approx(44.0) and cell.answered == pytest.approx(45.0)
    assert line.at["0.20"] == pytest.approx(40.0)
    heuristic = next(line for line in make_table(rows, "two_person").lines if line.name == "heuristic")
    assert heuristic.coverage is None and heuristic.cells["pcc"].answered is None


def test_different_joints_are_never_mixed(rows) -> None:
    rows["published"] = _entries(5.0, joints="J14 regressor 12345678")
    with pytest.raises(InputError, match=r"different joints.*J14 regressor 12345678 \(published, scene s0\)"):
        make_table(rows, "two_person")
    same = {name: _entries(0.0, joints="J14 regressor 12345678") for name in ("published", "default")}
    table = make_table(same, "two_person")
    assert table.joint_set == "J14 regressor 12345678"
    for name, (_, writer) in FORMATS.items():
        assert "J14 regressor 12345678" in writer(table), name


def test_published_figures_are_marked_and_explained(rows) -> None:
    table = make_table(rows, "two_person", dataset="hi4d", title="hi4d")
    text = to_text(table)
    assert "{93}" in text and "the published figure, not measured here" in text
    assert any("camera 4" in note for note in table.footnotes)
    content = json.loads(to_json(table))
    (line,) = [row for row in content["rows"] if row["name"] == "published"]
    assert line["figures"]["joint_pa_mpjpe_mm"]["published"]["value"] == 93
    assert "secondary notes" in line["figures"]["joint_pa_mpjpe_mm"]["published"]["source"]
    plain = to_text(make_table(rows, "two_person"))
    assert "{" not in plain and "published figure" not in plain


def test_published_figures_belong_to_rows_and_metrics() -> None:
    for dataset, of_rows in FIGURES.items():
        kind = "self_contact" if dataset == "moyo" else "two_person"
        assert set(of_rows) <= {spec.name for spec in ROWS[kind]}
        assert all(set(cells) <= set(METRICS) for cells in of_rows.values())


def test_formats_agree(rows) -> None:
    table = make_table(rows, "two_person", dataset="chi3d", title="50 % of & things")
    records = list(csv.DictReader(io.StringIO(to_csv(table))))
    content = json.loads(to_json(table))
    assert {r["row"] for r in records} == {r["name"] for r in content["rows"]} == set(rows)
    for record in records:
        line = next(r for r in content["rows"] if r["name"] == record["row"])
        cell = line["figures"][record["metric"]]
        assert float(record["mean"]) == pytest.approx(cell["mean"], rel=1e-4)
        digits = METRICS[record["metric"]].digits
        for name in ("text", "markdown", "latex"):
            assert f"{cell['mean']:.{digits}f}" in FORMATS[name][1](table)
    markdown = FORMATS["markdown"][1](table)
    cells = [line.count("|") for line in markdown.splitlines() if line.startswith("|")]
    assert len(cells) == 2 + len(rows) and len(set(cells)) == 1
    assert "**44.0" in markdown  # the best of ours
    latex = FORMATS["latex"][1](table)
    assert latex.count(r"\\") == 1 + len(rows) and r"PCC (\%)" in latex and "(100)" in latex
    assert next(line for line in latex.splitlines() if "50 % of & things" in line).startswith("%")


def test_what_is_missing_is_said(rows) -> None:
    del rows["default"]
    table = make_table(rows | {"mine": _entries(1.0)}, "two_person")
    assert [line.name for line in table.lines][-1] == "mine" and table.reference == "regressor"
    assert any("Rows without fits" in note and "our default" in note for note in table.footnotes)
    with pytest.raises(InputError, match="no row"):
        make_table({"default": {}}, "two_person")
    with pytest.raises(InputError, match="no row has any"):
        make_table({"default": {"a": {"status": "ok"}}}, "two_person")


def test_a_metric_that_a_row_lacks_does_not_empty_the_others(rows) -> None:
    for entry in rows["heuristic"].values():
        entry.pop("pcc", None)
    table = make_table(rows, "two_person")
    assert "pcc" in next(line for line in table.lines if line.name == "default").cells
    assert any("PCC: not measured for heuristic" in note for note in table.footnotes)


@pytest.mark.parametrize("curve", [None, {}, {"0.10": 20.0}, "0.05"])
def test_a_curve_without_the_radii_of_the_table_is_left_out(rows, curve) -> None:
    whole = next(line for line in make_table(rows, "two_person").lines if line.name == "default").at
    rows["default"]["s3"]["pcc_at"] = curve
    line = next(line for line in make_table(rows, "two_person").lines if line.name == "default")
    assert line.at == pytest.approx(whole)
    for entry in rows["default"].values():
        entry["pcc_at"] = curve
    assert next(line for line in make_table(rows, "two_person").lines if line.name == "default").at == {}


def test_annotated_regions_become_an_answer_that_parses(make_scene) -> None:
    import numpy as np

    scene = make_scene(gt_region_pairs=np.array([[26, 7], [26, 59], [2, 9]]))
    answer = annotated_answer(scene)
    assert answer.order == "given"
    for parser in ("published", "extended"):
        parsed = PARSERS[parser](answer.text, "two_person")
        assert not parsed.rejected
        rows = [row.options[0] for row in parsed.rows]
        assert rows == [("right hand", "chest"), ("left shoulder (back)", "butt")]
    assert annotated_answer(make_scene()) is None
    # Every fine region lies in some part.
    every = annotated_answer(make_scene(gt_region_pairs=np.stack([np.arange(75)] * 2, axis=1)))
    assert len(PARSERS["extended"](every.text, "two_person").rows) > 10


def test_quick_rows_change_the_solver_and_leave_the_objective() -> None:
    quick = [spec for specs in ROWS.values() for spec in specs if spec.quick]
    assert {spec.name for spec in quick} == {"published", "buddi", "buddi_answers"}
    for spec in quick:
        config, plain = load_config(spec.config), load_config(spec.config)
        config.update_from_flattened_dict(dict(spec.quick))
        assert (config.solver, plain.solver) == ("lm", "adam")
        assert (config.stage1, config.stage2) == (plain.stage1, plain.stage2)
        assert ("buddi" in config) == spec.needs_prior and (not spec.needs_prior or config.buddi.draws > 0)


def test_footnotes_of_the_caller_come_first(rows) -> None:
    table = make_table(rows, "two_person", footnotes=["solved in another way"])
    assert table.footnotes[0] == "solved in another way" and len(table.footnotes) > 1
