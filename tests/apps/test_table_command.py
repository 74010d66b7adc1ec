"""`prosepose table` from scenes and answers to the finished table: every row fitted in few steps on a tiny body."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prosepose_jax.apps.main import main
from prosepose_jax.diffusion import Buddi, Loaded, Pair
from prosepose_jax.io import save_scene
from prosepose_jax.tables import FORMATS, ROWS

TEXT = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n| left hand | back |\n"
SILENT = "I can't tell."
STEPS = {"stage1.steps": 2, "stage2.steps": 1, "penetration.slots": 16, "contact.sample_size": 4}
FITTED = ["heuristic", "no_answers", "default", "oracle"]  # by one compiled program


def _arguments(root: Path, body: Path, *more: str) -> list[str]:
    changes = STEPS | {"body.path": body, "batch_size": 2}
    return ["prosepose", "table", f"--scenes={root / 'scenes'}", f"--workdir={root / 'table'}",
            *(f"--set={field}={value}" for field, value in changes.items()), *more]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, make_scene: Callable[..., Any]) -> Path:
    """Two scenes of two people: one whose answers say something, one that must fall back."""
    scenes = [make_scene("said", 1), dataclasses.replace(make_scene("silent", 2), gt_contacts=(("chest", "back"),))]
    for scene in scenes:
        save_scene(tmp_path / "scenes", scene)
    answers = {"said": [{"table_response": TEXT}], "silent": [{"table_response": SILENT}]}
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    return tmp_path


def _check(root: Path, fitted: list[str]) -> dict[str, Any]:
    """That all five files are there and say the same; the JSON's content."""
    texts = {name: (root / "table" / f"table.{ending}").read_text() for name, (ending, _) in FORMATS.items()}
    content = json.loads(texts["json"])
    assert [row["name"] for row in content["rows"]] == ["regressor", *fitted]
    titles = {spec.name: spec.title for spec in ROWS["two_person"]}
    records = list(csv.DictReader(texts["csv"].splitlines()))
    for row in content["rows"]:
        assert row["scenes"] == 2 and row["failed"] == 0, row
        for name in ("joint_pa_mpjpe_mm", "pcc", "penetration_max_mm"):
            cell = row["figures"][name]
            assert np.isfinite(cell["mean"]) and cell["low"] <= cell["mean"] <= cell["high"]
            (record,) = [r for r in records if (r["row"], r["metric"]) == (row["name"], name)]
            assert float(record["mean"]) == pytest.approx(cell["mean"], rel=1e-4, abs=1e-6)
            assert ("difference" in cell) == (row["name"] != "default")
        for name in ("text", "markdown", "latex"):
            assert titles[row["name"]] in texts[name]
    return content


@pytest.mark.slow
def test_rows_from_the_command_line_to_the_table(root, small_body_file, capsys) -> None:
    asked = _arguments(root, small_body_file, f"--answers={root / 'answers.json'}",
                       f"--rows=regressor,{','.join(FITTED)}")  # fmt: skip
    assert main(asked) == 0, capsys.readouterr().err
    content = _check(root, FITTED)
    rows = {row["name"]: row for row in content["rows"]}
    # Rows that read answers say how many scenes had some to use, and the figure over those.
    assert rows["default"]["coverage"] == 0.5 and rows["default"]["fallback"] == 1
    assert "without_fallback" in rows["default"]["figures"]["pcc"]
    assert rows["heuristic"]["coverage"] is None and rows["oracle"]["coverage"] == 1.0
    configs = {name: json.loads((root / "table" / "rows" / name / "config.json").read_text()) for name in FITTED}
    assert {name: config["contact"]["use_answers"] for name, config in configs.items()} == {
        "heuristic": False, "no_answers": True, "default": True, "oracle": True,
    }  # fmt: skip
    assert [configs["no_answers"][stage]["weights"]["contact"] for stage in ("stage1", "stage2")] == [0.0, 0.0]
    assert any(note.startswith("Rows without fits: ProsePose as published") for note in content["footnotes"])
    # Rows are not fitted again: one that lacks a scene is made up and the others stay.
    before = {name: (root / "table" / "rows" / name / "fits" / "said.npz").stat().st_mtime_ns for name in FITTED}
    (root / "table" / "rows" / "heuristic" / "fits" / "said.npz").unlink()
    assert main(asked) == 0
    after = {name: (root / "table" / "rows" / name / "fits" / "said.npz").stat().st_mtime_ns for name in FITTED}
    assert {name for name in FITTED if after[name] != before[name]} == {"heuristic"}
    _check(root, FITTED)


@pytest.mark.slow
def test_the_published_rows_and_the_priors(root, small_body_file, monkeypatch, capsys) -> None:
    """Adam and the diffusion prior, a tiny random one."""
    import jax

    network = Buddi(width=8, layers=1, heads=2, hidden=8)
    weights = jax.jit(network.init)(jax.random.key(0), Pair.zeros(), np.int32(0), None)["params"]
    monkeypatch.setattr("prosepose_jax.diffusion.load_buddi", lambda path, conditional: Loaded(network, weights, ()))
    (root / "tiny.pt").write_bytes(b"in the place of a checkpoint")
    fitted = ["published", "default", "buddi", "buddi_answers"]
    asked = _arguments(root, small_body_file, f"--answers={root / 'answers.json'}", f"--buddi={root / 'tiny.pt'}",
                       f"--rows=regressor,{','.join(fitted)}")  # fmt: skip
    assert main(asked) == 0, capsys.readouterr().err
    _check(root, fitted)


def test_a_row_that_cannot_be_made_is_named(root, small_body_file, capsys) -> None:
    asked = _arguments(root, small_body_file, "--rows=regressor,default,buddi")
    assert main(asked) == 0
    said = capsys.readouterr()
    assert "row default: needs --answers" in said.err and "row buddi: needs --buddi" in said.err
    assert "Rows without fits" in said.out


def test_figures_of_every_metric_are_taken_and_others_named() -> None:
    """Of a run's metrics.json, curves by radius among them."""
    from prosepose_jax.apps.table import _check_figures
    from prosepose_jax.errors import InputError
    from prosepose_jax.metrics.records import METRICS
    from prosepose_jax.tables.table import RADII

    curve = dict.fromkeys(RADII, 50.0)
    entry: dict[str, Any] = {name: dict(curve) if record.curve else 1.5 for name, record in METRICS.items()}
    _check_figures(Path("m.json"), "scenes.a", entry)
    for name, record in METRICS.items():
        wrong: list[Any] = [True, "5", float("nan"), 1e300]
        for value in [*wrong, *({next(iter(RADII)): one} for one in wrong if record.curve)]:
            with pytest.raises(InputError, match="m.json: field"):
                _check_figures(Path("m.json"), "scenes.a", entry | {name: value})
