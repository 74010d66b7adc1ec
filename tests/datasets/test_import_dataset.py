"""`prosepose import --source=DATASET` and `prosepose table`, from folders to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from miniatures import make_flickrci3d, make_hi4d

from prosepose_jax.apps import import_, table
from prosepose_jax.errors import InputError
from prosepose_jax.io import load_answers, load_scenes

BODY = Path(__file__).resolve().parents[1] / "data" / "small_body.npz"


@pytest.fixture(scope="module")
def roots(small_body, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("datasets")
    make_hi4d(root / "hi4d", small_body)
    make_flickrci3d(root / "flickrci3d", small_body)
    return root


def _import(*flags: str) -> int:
    return import_.main(["prosepose import", *flags])


def test_a_split_becomes_scene_files(roots, tmp_path, capsys) -> None:
    flags = ["--source=hi4d", f"--root={roots / 'hi4d'}", f"--out={tmp_path / 'scenes'}", f"--body={BODY}"]
    assert _import(*flags, "--split=test", "--betas=keep", f"--record={tmp_path / 'record.json'}") == 0
    out, err = capsys.readouterr()
    assert "11  contact frames" in out and "2 scenes written" in out and "dropped: a person without a BEV" in out
    assert "note: Hi4D: read from processed_single_camera.pkl" in err
    scenes = load_scenes(tmp_path / "scenes")
    assert scenes.keys == ("00_dance00_4_0000110", "00_dance00_4_0000300") and not scenes.failures
    assert all(scene.has_truth for scene in scenes)
    assert scenes.notes == {}
    inside = (tmp_path / "scenes").resolve()
    assert all(scene.image is not None and scene.image.is_relative_to(inside) for scene in scenes)
    assert json.loads((tmp_path / "record.json").read_text())["counts"]["scenes"] == 2


@pytest.mark.heavy
def test_bad_usage(roots, tmp_path, capsys) -> None:
    assert _import("--source=hi4d", "--help") == 0
    assert "--truth_fits" in capsys.readouterr().out
    for flags, message in (
        (["--source=hi4d"], "--root is missing"),
        (["--source", "moyo", f"--root={tmp_path}"], "--out is missing"),
        (["--source=chi3d", f"--root={roots / 'hi4d'}", f"--out={tmp_path}"], "this is no CHI3D"),
        (["--source=hi4d", f"--root={roots / 'hi4d'}", f"--out={tmp_path}", "--split=val"], "no scene of split val"),
        (["--source=hi4d", "--estimates=x.npz"], "estimates"),
    ):
        assert _import(*flags) == 2
        err = capsys.readouterr().err
        assert message in err and "Traceback" not in err
    record = tmp_path / "record.json"
    flags = ["--source=hi4d", f"--root={roots / 'hi4d'}", f"--out={tmp_path}", "--split=val", f"--record={record}"]
    assert _import(*flags) == 2
    assert json.loads(record.read_text())["written"] == 0


@pytest.mark.heavy
def test_a_table_of_figures_that_need_no_fit(roots, tmp_path, capsys) -> None:
    flags = [
        "--dataset=flickrci3d", f"--root={roots / 'flickrci3d'}", f"--truth_fits={roots / 'flickrci3d' / 'pgt'}",
        f"--workdir={tmp_path / 'run'}", "--betas=keep", f"--set=body.path={BODY}", "--rows=regressor",
    ]  # fmt: skip
    assert table.main(["prosepose table", *flags]) == 0
    out, _ = capsys.readouterr()
    assert "regressor" in out and "{106}" in out and "Errors on: SMPL-X joints" in out
    assert {p.name for p in (tmp_path / "run").glob("table.*")} == {
        f"table.{e}" for e in ("txt", "md", "tex", "csv", "json")
    }
    content = json.loads((tmp_path / "run" / "table.json").read_text())
    assert content["rows"][0]["scenes"] == 2
    # The scenes are there: they are not imported again.
    assert table.main(["prosepose table", *flags]) == 0
    assert "delete it to import again" in capsys.readouterr().err
    # Other scenes are never taken for those that are asked for.
    for flag, field in (("--split=train", "split"), ("--betas=estimate", "betas"), (f"--root={tmp_path}", "root")):
        assert table.main(["prosepose table", *flags, flag]) == 2
        assert f"field 'asked.{field}'" in capsys.readouterr().err
    # A record of an import that made nothing is no import.
    record = tmp_path / "run" / "scenes.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"written": 0}))
    assert table.main(["prosepose table", *flags]) == 0
    assert "delete it to import again" not in capsys.readouterr().err


def test_rows_from_runs_that_are_there(roots, tmp_path, capsys) -> None:
    scenes = tmp_path / "scenes"
    _import("--source=hi4d", f"--root={roots / 'hi4d'}", f"--out={scenes}", f"--body={BODY}", "--betas=keep")
    for name, error in (("default", 50.0), ("mine", 60.0)):
        entries = {key: {"status": "ok", "joint_pa_mpjpe_mm": error + i, "joint_set": "SMPL-X joints",
                         "initial": {"joint_pa_mpjpe_mm": 90.0}}
                   for i, key in enumerate(load_scenes(scenes).keys)}  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text(json.dumps({"scenes": entries, "mean": {}}))
    capsys.readouterr()
    runs = f"--runs=default={tmp_path / 'default'},mine={tmp_path / 'mine'}"
    flags = [f"--scenes={scenes}", f"--workdir={tmp_path / 'run'}", runs, "--rows=regressor,default,mine"]
    assert table.main(["prosepose table", *flags]) == 0
    out, _ = capsys.readouterr()
    assert "90.0 (90.0, 90.0)" in out and "50.5" in out and "+10.0 (+10.0, +10.0)" in out
    for wrong, message in (
        (["--dataset=other"], "expected one of hi4d"), (["--rows=nobody"], "'nobody' is unknown"),
        (["--formats=pdf"], "'pdf' is unknown"), (["--runs=x=nowhere"], "NAME=DIR"), (["--root=x"], "either --scenes"),
    ):  # fmt: skip
        assert table.main(["prosepose table", *flags, *wrong]) == 2
        assert message in capsys.readouterr().err
    odd = [("joint_pa_mpjpe_mm", value) for value in ('"x"', "{}", "[1]", "true", "NaN", "1e400", "null")]
    odd += [("pcc_at", value) for value in ('"x"', '{"0.05": 1}', "[1]")]
    figures = [f'{{"scenes": {{"a": {{"{name}": {value}}}}}}}' for name, value in odd]
    for text in ("[]", '{"scenes": []}', '{"scenes": {"a": 1}}', "{", "[" * 10000, *figures):
        (tmp_path / "mine" / "metrics.json").write_text(text)
        assert table.main(["prosepose table", *flags]) == 2
        assert str(tmp_path / "mine" / "metrics.json") in capsys.readouterr().err


def test_answers_in_the_releases_layouts(tmp_path) -> None:
    table_text = "| a | b |\n|---|---|\n| hand | back |"
    content = {
        "a_0": [{"code": "import os; os.abort()", "table_response": table_text}, {"table_response": ""}],
        "b_0": [{"code": "raise SystemExit", "table_response": [table_text] * 3}],
        "c_0": {"code": "x", "table_response": [table_text, "none"]},
    }
    (tmp_path / "programs.json").write_text(json.dumps(content))
    answers = load_answers(tmp_path / "programs.json")
    assert [len(answers.for_scene(key)) for key in ("a_0", "b_0", "c_0")] == [2, 3, 2]
    assert answers.for_scene("b_0")[2].text == table_text and answers.for_scene("b_0")[2].sample == 2
    assert all("code" not in answer.extra for answer in answers.for_scene("a_0"))
    # Hi4D's keys have no underscore before the pair's number.
    (tmp_path / "hi4d.json").write_text(json.dumps({"00_dance00_4_0000110": [{"table_response": table_text}]}))
    assert len(load_answers(tmp_path / "hi4d.json").for_scene("00_dance00_4_0000110")) == 1
    (tmp_path / "yoga.json").write_text(json.dumps({"d": [{"code": "print(1)"}]}))
    with pytest.raises(InputError, match="programs are never run"):
        load_answers(tmp_path / "yoga.json")
