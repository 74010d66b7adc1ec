"""Bad input is named (file, field, expectation) without a traceback, with the right exit status."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_scenes import use_fewer_terms

from prosepose_jax.apps._run import _lock_config
from prosepose_jax.apps.main import main
from prosepose_jax.config import load_config
from prosepose_jax.io import load_fits, save_scene
from prosepose_jax.resources import smpl_assets_dir
from prosepose_jax.scene import Scene

from .conftest import TABLE, Case


def _damage(file: Path, **fields: object) -> None:
    """Writes the file again with these fields changed; None drops one."""
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files} | fields
    np.savez(file, **{name: value for name, value in arrays.items() if value is not None})


class _RunsCode:
    """Pickles to a call of `os.mkdir(path)`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def good(case: Case, make_scene: Callable[..., Scene]) -> Case:
    """A case with one good scene, for mistakes that stop the command before anything is fitted."""
    save_scene(case.scenes, make_scene("good", 1))
    return case


def _refused(case: Case, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Runs `prosepose fit`, expects status 2 and nothing written; returns what stderr says."""
    assert case.fit(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("prosepose fit: ") and "Traceback" not in captured.err
    assert captured.err.count("\n") == 1, captured.err
    assert captured.out == "" and not (case.workdir / "config.json").exists()
    return captured.err


@pytest.mark.heavy
def test_bad_scenes_are_named_and_the_others_done(
    case: Case, make_scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fewer_terms(monkeypatch)
    for seed, key in enumerate(("good_a", "good_b", "wrong_pair"), start=1):
        save_scene(case.scenes, make_scene(key, seed))
    save_scene(case.scenes, make_scene("one_person", 4, people=1))
    whole = make_scene("whole", 5)
    broken = ("truncated", "wrong_shape", "nan_keypoints", "unseen", "no_field", "pickled", "unseen_part")
    for key in broken:
        save_scene(case.scenes, dataclasses.replace(whole, key=key))
    files = {key: case.scenes / f"{key}.npz" for key in broken}
    files["truncated"].write_bytes(files["truncated"].read_bytes()[:700])
    _damage(files["wrong_shape"], body_pose=np.zeros((2, 23, 3), np.float32))
    points = whole.keypoints.copy()
    points[1, 4, 0] = np.nan
    _damage(files["nan_keypoints"], keypoints=points)
    hidden = whole.keypoints * np.array([[[1.0]], [[0.0]]], np.float32)
    _damage(files["unseen"], keypoints=hidden)
    _damage(files["no_field"], transl=None)
    marker = case.root / "executed"
    _damage(files["pickled"], betas=np.array([_RunsCode(marker)], dtype=object))
    _damage(files["unseen_part"], gt_contacts=np.array([["left hand", "left wing"]]))

    answers = case.root / "answers.jsonl"
    lines = [{"key": key, "text": TABLE} for key in ("good_a", "good_a", "good_b")]
    answers.write_text("\n".join(map(json.dumps, [*lines, {"key": "wrong_pair", "text": TABLE, "pair": [0, 5]}])))
    assert case.fit(f"--answers={answers}") == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    failed = dict(
        line.removeprefix("FAILED ").split(": ", 1) for line in captured.err.splitlines() if line.startswith("FAILED ")
    )
    expected = {
        "truncated": ("truncated.npz", "truncated or damaged"),
        "wrong_shape": ("wrong_shape.npz", "'body_pose'", "expected shape (2, 21, 3), found (2, 23, 3)"),
        "nan_keypoints": ("nan_keypoints.npz", "'keypoints'", "expected finite numbers", "(1, 4, 0)"),
        "unseen": ("unseen.npz", "'keypoints'", "no visible keypoints for person 1"),
        "no_field": ("no_field.npz", "'transl' is missing"),
        "pickled": ("pickled.npz", "'betas'", "object array (pickled)"),
        "unseen_part": ("unseen_part.npz", "'gt_contacts'", "'left wing'", "expected one of"),
        "one_person": ("has 1 person", "two_person expects 2 or more"),
        "wrong_pair": ("pair [0, 5] names people that a scene of 2 lacks",),
    }
    assert set(failed) == set(expected)
    for key, words in expected.items():
        for word in words:
            assert word in failed[key], key
    assert not marker.exists()

    fits = load_fits(case.workdir)
    assert {key: fits[key].status for key in ("good_a", "good_b")} == {"good_a": "ok", "good_b": "ok"}
    metrics = json.loads((case.workdir / "metrics.json").read_text())
    assert metrics["scenes"]["wrong_pair"]["status"].startswith("failed: ")
    mean = metrics["mean"]["two_person"]
    assert (mean["scenes"], mean["fitted"], mean["failed"]) == (3, 2, 1)
    page = (case.workdir / "report.html").read_text(encoding="utf-8")
    assert all(key in page for key in expected)
    assert not (case.workdir / "renders" / "wrong_pair.png").exists()


def test_no_readable_scene(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.scenes.mkdir()
    for key in ("first", "second"):
        (case.scenes / f"{key}.npz").write_bytes(b"PK\x03\x04 not a scene")
    assert case.fit() == 1
    captured = capsys.readouterr()
    assert "FAILED first: " in captured.err and "FAILED second: " in captured.err and "Traceback" not in captured.err
    assert json.loads((case.workdir / "metrics.json").read_text()) == {"scenes": {}, "mean": {}}
    assert "second" in (case.workdir / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("answers.json", "They hug.", ("not JSON", "line 1", "table_response")),
        ("answers.json", '["a table"]', ("expected an object", "found")),
        ("answers.json", '{"good": [{"text_response": "x"}]}', ("'good'", "'table_response'", "found nothing")),
        ("answers.jsonl", '{"key": "good", "text": "x"}\n{"key": \n{}\n', ("line 2 is not JSON",)),
        ("answers.jsonl", '{"text": "x"}\n', ("line 1", "'key'", "expected a string")),
        ("answers.jsonl", '{"key": "good", "text": "x", "order": "any"}\n', ("'order'", "free, given", "'any'")),
        ("answers.txt", "{}", (".json or .jsonl",)),
        ("answers.json", None, ("no such answers file",)),
    ],
)
def test_unusable_answers(
    good: Case, name: str, content: str | None, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    file = good.root / name
    if content is not None:
        file.write_text(content)
    error = _refused(good, capsys, f"--answers={file}")
    assert name in error
    for word in words:
        assert word in error


def test_answers_that_are_bytes(good: Case, capsys: pytest.CaptureFixture[str]) -> None:
    file = good.root / "answers.json"
    file.write_bytes(b"\xff\xfe\x00\x81")
    assert "answers.json: expected UTF-8" in _refused(good, capsys, f"--answers={file}")


@pytest.mark.parametrize("field", ["weights", "v_template", "J_regressor", "kintree_table", "f", "shapedirs"])
def test_body_without_a_field(good: Case, field: str, capsys: pytest.CaptureFixture[str]) -> None:
    body = good.root / "body.npz"
    body.write_bytes(good.body.read_bytes())
    _damage(body, **{field: None})
    error = _refused(good, capsys, f"--config.body.path={body}")
    assert "body.npz" in error and f"'{field}'" in error and "missing" in error


def test_unusable_body_files(good: Case, capsys: pytest.CaptureFixture[str]) -> None:
    cut = good.root / "cut.npz"
    cut.write_bytes(good.body.read_bytes()[:5000])
    assert "cut.npz" in _refused(good, capsys, f"--config.body.path={cut}")
    assert "nowhere.npz: no such file" in _refused(good, capsys, f"--config.body.path={good.root}/nowhere.npz")
    bent = good.root / "bent.npz"
    bent.write_bytes(good.body.read_bytes())
    with np.load(good.body) as stored:
        vertices = stored["v_template"].astype(np.float32)
    vertices[3, 1] = np.inf
    _damage(bent, v_template=vertices)
    error = _refused(good, capsys, f"--config.body.path={bent}")
    assert "bent.npz" in error and "'v_template'" in error and "finite" in error
    keypoints = good.root / "keypoints.json"
    keypoints.write_text('{"nose": 3}')
    error = _refused(good, capsys, f"--config.body.keypoints={keypoints}")
    assert "keypoints.json" in error and "'right_eye' is missing" in error
    error = _refused(good, capsys, f"--config.body.joint_regressor={good.root}/regressor.npy")
    assert "regressor.npy" in error


@pytest.mark.parametrize("flag", ["body.path", "prior.path", "body.regions"])
def test_pickle_that_runs_code(good: Case, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    marker, file = good.root / "executed", good.root / "evil.pkl"
    file.write_bytes(pickle.dumps({"v_template": _RunsCode(marker), "means": _RunsCode(marker), "0": [1]}))
    error = _refused(good, capsys, f"--config.{flag}={file}")
    assert "evil.pkl" in error and "mkdir" in error
    assert not marker.exists()


def test_unusable_prior(good: Case, capsys: pytest.CaptureFixture[str]) -> None:
    packaged = smpl_assets_dir() / "pose_prior.npz"
    cut = good.root / "cut.npz"
    cut.write_bytes(packaged.read_bytes()[:2000])
    assert "cut.npz" in _refused(good, capsys, f"--config.prior.path={cut}")
    bare = good.root / "bare.npz"
    bare.write_bytes(packaged.read_bytes())
    _damage(bare, covars=None)
    assert "bare.npz: field covars is missing" in _refused(good, capsys, f"--config.prior.path={bare}")
    error = _refused(good, capsys, f"--config.prior.path={good.root}/none.npz")
    assert "none.npz: no such file" in error


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--config.stage1.stps=3", ("stage1.stps", "nearest is stage1.steps")),
        ("--config.contact.serch=exact", ("nearest is contact.search",)),
        ("--config.stage1=3", ("--config.stage1", "section", "steps")),
        ("--config.stage1.steps=many", ("config.stage1.steps", "many")),
        ("--config.stage1.steps=-1", ("stage1.steps is -1", "at least 0")),
        ("--config.contact.search=fast", ("contact.search is 'fast'", "cells, exact, sample")),
        ("--config.stage2.weights.penetration=nan", ("stage2.weights", "finite")),
        ("--config=three_person", ("config 'three_person'", "two_person")),
        (f"--{'[' * 2000}=1", ("unknown flag",)),
        ("--answer=x.json", ("answer", "Did you mean", "answers")),
        ("extra", ("unexpected argument 'extra'", "--flag=value")),
        ("--config", ("--config is missing its value",)),
    ],
)
def test_bad_usage(good: Case, argument: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    error = _refused(good, capsys, argument)
    for word in words:
        assert word in error


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def get_config(:\n", ("SyntaxError",)),
        ("import no_such_module_anywhere\n", ("ModuleNotFoundError", "no_such_module_anywhere")),
        ("x = 1\n", ("no function get_config",)),
        ("def get_config():\n    return {'mode': 'two_person'}\n", ("returned dict", "ConfigDict")),
        ("def get_config():\n    return 1 / 0\n", ("get_config() failed", "ZeroDivisionError")),
        (
            "from ml_collections import ConfigDict\ndef get_config():\n    return ConfigDict({'mode': 'two_person'})\n",
            ("section contact is missing",),
        ),
    ],
)
def test_unusable_config_file(
    good: Case, code: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    file = good.root / "mine.py"
    file.write_text(code)
    status = main(["prosepose", "fit", f"--config={file}", f"--scenes={good.scenes}", f"--workdir={good.workdir}"])
    error = capsys.readouterr().err
    assert status == 2 and error.startswith("prosepose fit: ") and "Traceback" not in error
    assert ("mine.py" in error) == (words[0] != "section contact is missing")
    for word in words:
        assert word in error


def test_own_config_may_leave_files_out(good: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fields of a config of one's own are settable too, wherever --config stands; its missing files are defaults."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from prosepose_jax import load_config\n"
        "def get_config():\n"
        "    config = load_config('two_person')\n"
        "    del config['prior']\n"
        "    config.stage1.steps = -5\n"
        "    return config\n"
    )
    assert "stage1.steps is -5" in _refused(good, capsys, f"--config={file}", "--config.stage1.steps=-5")


def test_folders(good: Case, capsys: pytest.CaptureFixture[str]) -> None:
    empty = good.root / "empty"
    empty.mkdir()
    error = _refused(good, capsys, f"--scenes={empty}")
    assert "empty: no scene files" in error and ".npz" in error
    assert "nowhere" in _refused(good, capsys, f"--scenes={good.root}/nowhere")
    file = good.root / "a_file"
    file.write_text("")
    error = _refused(good, capsys, f"--workdir={file}")
    assert "a_file" in error and "folder of a run" in error


@pytest.mark.parametrize("content", ["{", "[]", "null", "9" * 5000, "[" * 5000])
def test_a_damaged_config_of_the_run_counts_as_missing(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    config = load_config("two_person")
    _lock_config(file, [config])
    assert "could not be read and is written anew" in capsys.readouterr().err
    assert json.loads(file.read_text())["batch_size"] == config.batch_size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit"], ("--scenes is missing", "folder of scene files")),
        (["fit", "--scenes=x"], ("--workdir is missing",)),
        (["demo"], ("--workdir is missing",)),
        (["import"], ("--out is missing",)),
        (["evaluate"], ("--scenes is missing",)),
        (["demo", "--workdir=x", "y"], ("unexpected argument 'y'",)),
        (["demo", "--workdri=x"], ("workdri", "Did you mean", "workdir")),
    ],
)
def test_missing_flags(arguments: list[str], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prosepose", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith(f"prosepose {arguments[0]}: ")
    for word in words:
        assert word in captured.err


def test_unknown_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prosepose", "fitt"]) == 2
    error = capsys.readouterr().err
    assert "unknown verb 'fitt'" in error and "did you mean fit?" in error and "evaluate" in error
