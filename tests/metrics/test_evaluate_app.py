"""`prosepose evaluate` on a folder: files, exit status, messages."""

from __future__ import annotations

import dataclasses
import importlib
import json
import signal
import weakref

import numpy as np
import pytest
from fabricated_run import made_fit, made_scene

from prosepose_jax.apps import _evaluating
from prosepose_jax.apps import evaluate as app
from prosepose_jax.apps.main import main
from prosepose_jax.io import save_fit, save_scene, write_json
from prosepose_jax.metrics.evaluate import CHUNK, Evaluator
from prosepose_jax.scene import Fit

scenes_module = importlib.import_module("prosepose_jax.io.scenes")


@pytest.fixture
def run_folder(tmp_path, block_body, make_scene, monkeypatch):
    """Two scenes with fits of the block body, which the app is made to load."""
    asked = {}

    def load_body(**files):
        asked.update(files)
        return block_body

    monkeypatch.setattr("prosepose_jax.body.load_body", load_body)
    truth = {"gt_global_orient": np.zeros((2, 3)), "gt_body_pose": np.zeros((2, 21, 3)), "gt_betas": np.zeros((2, 10))}
    visible = np.ones((2, 25, 3))
    scene = make_scene(
        keypoints=visible,
        gt_transl=np.array([[0.0, 0, 3], [0.5, 0, 3]]),
        gt_contacts=(("left arm", "stomach"),),
        **truth,
    )
    transl = np.asarray(scene.gt_transl, np.float32)[:, None]
    fit = Fit(
        "a", "ok", scene.global_orient, scene.body_pose, scene.betas, scene.gt_transl,
        vertices=np.asarray(block_body.v_template) + transl, joints=np.asarray(block_body.joint_template) + transl,
        answers=1, answers_usable=1,
    )  # fmt: skip
    for key in "ab":
        save_scene(tmp_path / "scenes", dataclasses.replace(scene, key=key))
        save_fit(tmp_path / "run", dataclasses.replace(fit, key=key))
    return tmp_path, asked


def _main(folder, *flags):
    return app.main(["prosepose evaluate", f"--scenes={folder}/scenes", f"--fits={folder}/run", *flags])


def test_writes_and_prints(run_folder, capsys):
    folder, asked = run_folder
    config = {"body": {"path": "licensed.npz", "regions": "", "flat_hands": True}, "contact": {"parser": "extended"}}
    write_json(folder / "run" / "config.json", config)
    answers = folder / "answers.json"
    # Without a leading pipe only the extended parser reads the row.
    answers.write_text(json.dumps({"a": [{"table_response": "a | b\n--|--\narm | stomach"}]}))
    assert _main(folder, f"--answers={answers}") == 0
    out, err = capsys.readouterr()
    assert "Two people: 2 scenes" in out and "PCC" in out and err == ""
    assert asked["path"] == "licensed.npz" and asked["regions"] is None and asked["flat_hands"] is True
    table = json.loads((folder / "run" / "metrics.json").read_text())
    assert table["scenes"]["a"]["contact_f1"] == 1.0 and "contact_f1" not in table["scenes"]["b"]
    assert table["mean"]["two_person"]["pcc"] == pytest.approx(95.0)


def test_a_moved_body_keeps_the_rest_of_the_runs(run_folder, capsys):
    folder, asked = run_folder
    body = {"path": "old.npz", "regions": "r.json", "keypoints": "k.json", "lowres": "l.npz",
            "kid_template": "kid.npy", "flat_hands": True}  # fmt: skip
    write_json(folder / "run" / "config.json", {"body": body})
    assert _main(folder, "--body=moved.npz") == 0
    assert asked == body | {"path": "moved.npz"}
    assert _main(folder, "--body=moved.npz", "--regions=other.json") == 0
    assert asked == body | {"path": "moved.npz", "regions": "other.json"}


def test_some_failed(run_folder, capsys):
    folder, _ = run_folder
    (folder / "scenes" / "torn.npz").write_bytes(b"PK no scene")
    (folder / "run" / "fits" / "b.npz").unlink()
    assert _main(folder, f"--out={folder}/elsewhere.json") == 1
    _, err = capsys.readouterr()
    assert "FAILED b: no fit" in err and "FAILED torn:" in err and "Traceback" not in err
    assert list(json.loads((folder / "elsewhere.json").read_text())["scenes"]) == ["a"]
    assert not (folder / "run" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--fits=nowhere"], "nowhere"),
        (["--scenes=nowhere"], "nowhere"),
        (["--answers=missing.json"], "missing.json"),
        (["--joint_regressor=missing.npy"], "missing.npy"),
        (["--scense=x"], "scense"),
        (["loose"], "loose"),
        (["--parser=other"], "other"),
    ],
)
def test_bad_usage(run_folder, capsys, flags, message):
    folder, _ = run_folder
    assert _main(folder, *flags) == 2
    _, err = capsys.readouterr()
    assert message in err and "Traceback" not in err


def test_missing_flags_and_help(capsys):
    assert app.main(["prosepose evaluate"]) == 2
    assert "--scenes is missing" in capsys.readouterr().err
    assert app.main(["prosepose evaluate", "--help"]) == 0
    assert "--joint_regressor" in capsys.readouterr().out


@pytest.mark.heavy
def test_processes_share_the_scenes_and_change_no_figure(tmp_path, small_body, small_body_file, monkeypatch, capsys):
    monkeypatch.setattr(_evaluating, "_PART", 2)
    for number in range(5):
        scene = made_scene(f"s{number}", gt_contacts=(("left hand", "back"),))
        save_scene(tmp_path / "scenes", dataclasses.replace(scene, keypoints=np.ones((2, 25, 3))))
        if number != 3:
            save_fit(tmp_path / "run", made_fit(small_body, f"s{number}", apart_m=0.1 + 0.05 * number))
    (tmp_path / "run" / "fits" / "s2.npz").write_bytes(b"PK no fit")
    (tmp_path / "scenes" / "s1b.npz").write_bytes(b"PK no scene")
    found = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.json"
        flags = [f"--body={small_body_file}", f"--processes={processes}", f"--out={out}"]
        assert _main(tmp_path, *flags) == 1
        found.append((json.loads(out.read_text()), capsys.readouterr().err))
    assert found[0] == found[1] and "FAILED s3: no fit" in found[0][1] and "FAILED s1b: " in found[0][1]
    assert list(found[0][0]["scenes"]) == ["s0", "s1", "s2", "s4"]
    assert (
        found[0][0]["scenes"]["s0"]["penetration_max_mm"] > 0 and "unreadable" in found[0][0]["scenes"]["s2"]["status"]
    )


def test_a_figure_that_is_no_number_fails_its_scene_alone(run_folder, monkeypatch, capsys):
    folder, _ = run_folder
    measured = Evaluator.many

    def one_overflows(evaluator, posed):
        found = measured(evaluator, posed)
        of_a = next(figures for figures, one in zip(found, posed, strict=True) if one.scene.key == "a")
        of_a["pve_mm"] = np.inf
        return found

    monkeypatch.setattr(Evaluator, "many", one_overflows)
    assert _main(folder) == 1
    assert capsys.readouterr().err == "FAILED a: scene a: figure pve_mm is no finite number\n"
    table = json.loads((folder / "run" / "metrics.json").read_text())
    assert set(table["scenes"]["a"]) == {"status", "error"} and table["scenes"]["b"]["pcc"] > 0
    mean = table["mean"]["two_person"]
    assert (mean["scenes"], mean["fitted"], mean["failed"]) == (2, 1, 1)


@pytest.mark.parametrize(("found", "worth"), [(None, 100), (object(), 250)])
def test_few_scenes_are_worth_no_process(monkeypatch, found, worth):
    monkeypatch.setattr(_evaluating.importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(_evaluating.os, "sched_getaffinity", lambda pid: range(8), raising=False)
    assert _evaluating.processes_for(0) == _evaluating.processes_for(2 * worth - 1) == 1
    assert _evaluating.processes_for(2 * worth) == 2


@pytest.mark.heavy
def test_a_process_that_dies_is_no_traceback(run_folder, monkeypatch, capsys):
    folder, _ = run_folder
    monkeypatch.setattr(_evaluating, "_begin", signal.raise_signal)  # in the place of a job is the signal
    monkeypatch.setattr(_evaluating, "Job", lambda *_: signal.SIGKILL)
    before = sorted((folder / "run").rglob("*"))
    status = main(["prosepose", "evaluate", f"--scenes={folder}/scenes", f"--fits={folder}/run", "--processes=2"])
    err = capsys.readouterr().err
    assert status == 3 and "try --processes=1; nothing was written, the same command begins anew" in err
    assert "Traceback" not in err and sorted((folder / "run").rglob("*")) == before


class _Counting:
    """Stands for an evaluator."""

    def entries(self, rows, parser, sequences):
        return [{"status": "ok"} for _ in rows]


def test_scenes_are_read_as_they_are_measured_and_let_go(tmp_path, make_scene, monkeypatch):
    file = save_scene(tmp_path, make_scene(keypoints=np.ones((2, 25, 3))))
    fit = Fit("scene", "ok")
    read = []
    load = scenes_module.load_scene_noted

    def noted(path):
        scene, note = load(path)
        read.append(weakref.ref(scene))
        return scene, note

    monkeypatch.setattr(scenes_module, "load_scene_noted", noted)
    found = _evaluating.evaluate_files(_Counting(), [(file, ())] * 150, {"scene": fit}, {}, "published")
    for number, (key, kind, entry) in enumerate(found, start=1):
        assert (key, kind, entry) == ("scene", "two_person", {"status": "ok"})
        assert len(read) <= number + CHUNK
        assert sum(one() is not None for one in read) <= CHUNK + 1
    assert number == len(read) == 150
