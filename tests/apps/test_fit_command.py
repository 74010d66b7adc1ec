"""`prosepose fit` from files to files: what it writes, that it goes on where it was, what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prosepose_jax.apps._run import run
from prosepose_jax.body import BodyModel
from prosepose_jax.config import load_config
from prosepose_jax.io import load_answers, load_fits, load_scenes, save_scene
from prosepose_jax.io.claim import claimed
from prosepose_jax.scene import Scene
from prosepose_jax.terms import TERMS

from .conftest import PROSE, STEPS, TABLE, Case

Finished = tuple[Case, int, str, str]
NAMES = tuple(term.name for term in TERMS)
KEYS = ["added", "exact", "removed_0", "silent"]


def _json(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def _times(folder: Path) -> dict[str, int]:
    """When each file was written; the log tells of every run, also of a refused one."""
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and f.name != "log.jsonl")
    return {str(f.relative_to(folder)): f.stat().st_mtime_ns for f in files}


def _assert_only_whole_files(workdir: Path) -> None:
    """Everything under a final name can be read to its end."""
    for file in workdir.rglob("*"):
        if file.name.startswith(".") or file.is_dir():
            continue
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as stored:
                assert "status" in stored.files and all(stored[name] is not None for name in stored.files)
        elif file.suffix == ".json":
            _json(file)
        elif file.suffix == ".png":
            Image.open(file).load()


def test_every_promised_file_is_there(finished: Finished) -> None:
    case, status, _out, err = finished
    assert status == 0, err
    found = {str(f.relative_to(case.workdir)) for f in case.workdir.rglob("*") if f.is_file()}
    expected = {"metrics.json", "config.json", "inputs.json", "run.json", "report.html", "log.jsonl", ".running"}
    expected |= {f"{folder}/{key}.{kind}" for key in KEYS
                 for folder, kind in (("fits", "npz"), ("renders", "png"), ("meshes", "glb"))}  # fmt: skip
    assert found == expected
    _assert_only_whole_files(case.workdir)


def test_fit_files(finished: Finished, small_body: BodyModel) -> None:
    case = finished[0]
    scene = load_scenes(case.scenes)[KEYS.index("exact")]
    with np.load(case.workdir / "fits" / "exact.npz", allow_pickle=False) as stored:
        fit = {name: stored[name] for name in stored.files}
    shapes = {
        "global_orient": (2, 3), "body_pose": (2, 21, 3), "betas": (2, 10), "transl": (2, 3),
        "vertices": (2, small_body.num_vertices, 3), "joints": (2, 55, 3), "steps": (2,),
        "losses": (2, max(STEPS), len(NAMES)),
    }  # fmt: skip
    assert {name: fit[name].shape for name in shapes} == shapes
    assert fit["status"] == "ok" and tuple(fit["loss_terms"]) == NAMES
    assert (int(fit["answers"]), int(fit["answers_usable"])) == (2, 1)
    assert np.all(fit["steps"] <= STEPS) and np.all(fit["steps"] >= 1)
    first = fit["losses"][0, : fit["steps"][0]].sum(-1)
    assert np.isfinite(first).all() and first[-1] < 0.5 * first[0]
    turned = np.abs(fit["global_orient"] - scene.global_orient)
    assert 0 < turned.max() < 0.5  # it moves, held by the initial-pose term
    assert np.abs(fit["body_pose"] - scene.body_pose).max() > 1e-3
    # The camera frame: the people stand in front of the camera, where they were put.
    np.testing.assert_allclose(fit["vertices"].mean((0, 1)), [0.0, 0.2, 3.0], atol=0.4)


def test_answers_find_their_scenes(finished: Finished) -> None:
    case, _, _, err = finished
    scenes = _json(case.workdir / "metrics.json")["scenes"]
    assert {key: (entry["status"], entry["answers"], entry["answers_usable"]) for key, entry in scenes.items()} == {
        "added": ("ok", 1, 1),
        "exact": ("ok", 2, 1),
        "removed_0": ("ok", 2, 2),
        "silent": ("fallback", 0, 0),
    }
    assert "note: silent: the answers file has no answer for it" in err
    # The fallback is the contact heuristic.
    fits, heuristic, contact = load_fits(case.workdir), NAMES.index("heuristic"), NAMES.index("contact")
    assert fits["silent"].losses[0, 0, heuristic] > 0 == fits["silent"].losses[0, 0, contact]
    assert fits["exact"].losses[0, 0, contact] > 0 == fits["exact"].losses[0, 0, heuristic]


def test_metrics(finished: Finished) -> None:
    metrics = _json(finished[0].workdir / "metrics.json")
    assert sorted(metrics) == ["mean", "scenes"] and list(metrics["mean"]) == ["two_person"]
    mean = metrics["mean"]["two_person"]
    for entry in (*metrics["scenes"].values(), mean):
        for name in ("joint_pa_mpjpe_mm", "pa_mpjpe_mm", "mpjpe_mm", "pcc", "penetration_max_mm",
                     "penetration_mean_mm", "reprojection_px"):  # fmt: skip
            assert entry[name] >= 0 and entry["initial"][name] >= 0, name
        assert len(entry["pcc_at"]) == 20
        assert entry["pcc"] == pytest.approx(np.mean(list(entry["pcc_at"].values())))
        assert entry["reprojection_px"] < 0.5 * entry["initial"]["reprojection_px"]
    assert mean["joint_pa_mpjpe_mm"] < mean["initial"]["joint_pa_mpjpe_mm"]
    values = [entry["joint_pa_mpjpe_mm"] for entry in metrics["scenes"].values()]
    assert mean["joint_pa_mpjpe_mm"] == pytest.approx(np.mean(values))
    assert (mean["scenes"], mean["fitted"], mean["fallback"], mean["failed"]) == (4, 4, 1, 0)


def test_config_and_run_files(finished: Finished) -> None:
    case = finished[0]
    config = _json(case.workdir / "config.json")
    expected = load_config("two_person")
    expected.body.path = str(case.body)
    expected.stage1.steps, expected.stage2.steps = STEPS
    expected.batch_size = expected.scenes_per_call = 2
    assert config == json.loads(expected.to_json())
    info = _json(case.workdir / "run.json")
    assert set(info["versions"]) >= {"jax", "jaxlib", "optax", "flax", "numpy"}
    assert info["fits"] == 4 and info["backend"] == "cpu" and info["device"]
    assert info["scenes_per_second"] == pytest.approx(info["fits"] / info["fit_seconds"])
    assert 0 < info["fit_seconds"] + info["compile_seconds"] < info["wall_seconds"]
    assert 0 < info["seconds_to_first_step"] < info["wall_seconds"]


def test_report_opens_offline(finished: Finished) -> None:
    page = (finished[0].workdir / "report.html").read_text(encoding="utf-8")
    assert all(key in page for key in KEYS)
    assert page.count("data:image/jpeg;base64,") >= 4
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page) and "@import" not in page


def test_pictures_show_the_photograph_and_people(finished: Finished) -> None:
    case = finished[0]
    picture = np.asarray(Image.open(case.workdir / "renders" / "exact.png").convert("RGB")).reshape(-1, 3)
    grey = (np.abs(picture.astype(int) - 90).max(-1) <= 2).mean()
    bluish = (picture[:, 2].astype(int) - picture[:, 0] > 40).mean()
    assert grey > 0.02 and bluish > 0.005
    data = (case.workdir / "meshes" / "exact.glb").read_bytes()
    assert data[:4] == b"glTF" and int.from_bytes(data[8:12], "little") == len(data)


def test_output_without_a_terminal(finished: Finished) -> None:
    _, _, out, err = finished
    assert "Two people: 4 scenes (1 by fallback)" in out and "joint PA-MPJPE" in out and "written:" in out
    assert "fit: 4 of 4 scenes" in err
    assert "\r" not in err and "\x1b" not in err  # no bar where nobody watches
    assert "Traceback" not in err and "Warning" not in err


def test_second_call_refits_nothing(copied: Case, capsys: pytest.CaptureFixture[str]) -> None:
    before = {folder: _times(copied.workdir / folder) for folder in ("fits", "renders", "meshes")}
    metrics, timing = _json(copied.workdir / "metrics.json"), _json(copied.workdir / "run.json")
    assert copied.fit(f"--answers={copied.root}/answers.json") == 0
    assert {folder: _times(copied.workdir / folder) for folder in before} == before
    assert _json(copied.workdir / "metrics.json") == metrics
    assert _json(copied.workdir / "run.json") == timing  # the times of the run that fitted
    assert "fit: 4 of 4 scenes are done already" in capsys.readouterr().err


@pytest.mark.heavy
def test_changed_answers_are_fitted_again(copied: Case, capsys: pytest.CaptureFixture[str]) -> None:
    before = _times(copied.workdir / "fits")
    answers = _json(copied.root / "answers.json")
    # As usable as before, and of two scenes: the shapes of other tests' second runs.
    for key in ("exact", "removed"):
        answers[key] = [{"table_response": TABLE}, {"table_response": f"{PROSE} Neither can anybody else."}]
    changed = copied.root / "changed.json"
    changed.write_text(json.dumps(answers), encoding="utf-8")
    assert copied.fit(f"--answers={changed}") == 0
    after = _times(copied.workdir / "fits")
    assert {name for name in after if after[name] != before[name]} == {"exact.npz", "removed_0.npz"}
    error = capsys.readouterr().err
    assert all(f"{key}: the scene or its answers changed" in error for key in ("exact", "removed_0"))


@pytest.mark.heavy
def test_missing_and_truncated_fits_are_made_again(copied: Case, capsys: pytest.CaptureFixture[str]) -> None:
    fits = copied.workdir / "fits"
    before, made = _times(fits), load_fits(copied.workdir)
    (fits / "exact.npz").unlink()
    whole = (fits / "silent.npz").read_bytes()
    (fits / "silent.npz").write_bytes(whole[: len(whole) // 2])
    for file in (copied.workdir / "renders").iterdir():  # as if clocks had gone back: dates say nothing
        os.utime(file, ns=(2**62, 2**62))
    assert copied.fit(f"--answers={copied.root}/answers.json") == 0
    after = _times(fits)
    assert [name for name in before if after[name] != before[name]] == ["exact.npz", "silent.npz"]
    for key, fit in load_fits(copied.workdir).items():
        assert fit.status == made[key].status
        np.testing.assert_allclose(fit.vertices, made[key].vertices, atol=1e-4)
    # The pictures of the new fits are new too.
    redrawn = {f.stem for f in (copied.workdir / "renders").iterdir() if f.stat().st_mtime_ns != 2**62}
    assert redrawn == {"exact", "silent"}
    assert (copied.workdir / "meshes" / "silent.glb").stat().st_mtime_ns >= after["silent.npz"]
    assert "fit: 2 of 4 scenes are done already" in capsys.readouterr().err


def test_other_config_in_the_same_folder_is_refused(copied: Case, capsys: pytest.CaptureFixture[str]) -> None:
    before = _times(copied.workdir)
    assert copied.fit("--config.stage1.weights.contact=5") == 2
    error = capsys.readouterr().err
    assert "config.json" in error and "stage1.weights.contact (30.0 there, 5.0 now)" in error
    assert "--workdir" in error and "Traceback" not in error
    assert _times(copied.workdir) == before


def test_another_body_under_the_same_path_is_refused(copied: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """Its fits would stay, and stand in one table with those of the new body."""
    file = copied.workdir / "inputs.json"
    known = _json(file)
    known["files"]["body.path"] = "0" * 24
    file.write_text(json.dumps(known), encoding="utf-8")
    before = _times(copied.workdir)
    assert copied.fit(f"--answers={copied.root}/answers.json") == 2
    error = capsys.readouterr().err
    assert "inputs.json: the content of body.path is another" in error and "Traceback" not in error
    assert _times(copied.workdir) == before
    # A folder of before there was such a check: its fits are kept and the contents are noted.
    del known["files"]
    file.write_text(json.dumps(known), encoding="utf-8")
    assert copied.fit(f"--answers={copied.root}/answers.json", "--nopictures") == 0
    assert set(_json(file)["files"]) == {"body.path"}
    fits = _times(copied.workdir / "fits")
    assert {name: before[f"fits/{name}"] for name in fits} == fits


def test_a_folder_in_use_is_refused(copied: Case, capsys: pytest.CaptureFixture[str]) -> None:
    before = _times(copied.workdir)
    with claimed(copied.workdir):
        assert copied.fit(f"--answers={copied.root}/answers.json") == 2
    error = capsys.readouterr().err
    assert "another prosepose is writing to this folder" in error and "Traceback" not in error
    assert _times(copied.workdir) == before


# Writes half of its third .npz, then dies as by `kill -9`.
_KILLED = """
import os, signal, sys
import numpy as np
from prosepose_jax.apps.main import main
import prosepose_jax.io.atomic as atomic
calls, savez = [], np.savez
def half(file, **arrays):
    calls.append(1)
    if len(calls) < 3:
        return savez(file, **arrays)
    import io
    whole = io.BytesIO()
    savez(whole, **arrays)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
np.savez = half
main(sys.argv[1:])
"""


@pytest.mark.heavy
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_kill_leaves_no_half_written_file(copied: Case) -> None:
    for file in [*copied.workdir.rglob("*.*")]:
        if file.is_file():
            file.unlink()
    # Each fitted once, so that they come in their order.
    flags = (
        f"--answers={copied.root}/answers.json", "--nopictures", "--config.penetration.restart_above=0.0",
        "--config.contact.restart_strain=0.0",
    )  # fmt: skip
    arguments = copied.arguments(*flags)
    done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = sorted(file.name for file in (copied.workdir / "fits").iterdir())
    assert [name for name in left if not name.startswith(".")] == ["added.npz", "exact.npz"]
    assert len(left) == 3 and left[0].endswith(".tmp")  # the half one, under a name that no reader takes
    _assert_only_whole_files(copied.workdir)
    times = _times(copied.workdir / "fits")
    assert copied.fit(*flags) == 0
    after = _times(copied.workdir / "fits")
    kept = {name: time for name, time in times.items() if not name.endswith(".tmp")}
    assert len(kept) == 2 and {name: after[name] for name in kept} == kept
    assert not any(name.endswith(".tmp") for name in after)  # what the killed run left is cleared away
    assert set(load_fits(copied.workdir)) == set(KEYS)


@pytest.mark.heavy
def test_two_modes_in_one_run(case: Case, make_scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]) -> None:
    """As the demo does it: every scene takes the config of its number of people."""
    for seed, key in enumerate(("dance", "hug"), start=1):
        save_scene(case.scenes, make_scene(key, seed))
    save_scene(case.scenes, make_scene("yoga", 3, people=1))
    two, one = load_config("two_person"), load_config("self_contact")
    two.body.path = str(case.body)
    two.batch_size = two.scenes_per_call = 2
    two.stage1.steps, two.stage2.steps = STEPS
    one.stage1.steps, one.stage2.steps = 4, 2
    one.no_answers = True
    answers = load_answers(case.answers({"dance": [TABLE, TABLE], "hug": [TABLE]}))
    assert run([two, one], load_scenes(case.scenes), answers, case.workdir, pictures=False) == 0
    metrics = _json(case.workdir / "metrics.json")
    assert list(metrics["mean"]) == ["two_person", "self_contact"]
    assert metrics["mean"]["two_person"]["scenes"] == 2 and metrics["mean"]["self_contact"]["scenes"] == 1
    assert "joint_pa_mpjpe_mm" in metrics["mean"]["two_person"]
    assert "joint_pa_mpjpe_mm" not in metrics["mean"]["self_contact"]
    assert [metrics["scenes"][key]["status"] for key in ("dance", "hug", "yoga")] == ["ok", "ok", "fallback"]
    assert max(metrics["scenes"]["yoga"]["steps"]) <= 4 < max(metrics["scenes"]["hug"]["steps"])
    # Each config says for itself whether to fit without answers too; here that is the same fit again.
    assert "no_answers" not in metrics["mean"]["two_person"]
    beside = metrics["scenes"]["yoga"]["no_answers"]
    assert beside["reprojection_px"] == pytest.approx(metrics["scenes"]["yoga"]["reprojection_px"], rel=1e-4)
    assert [f.name for f in (case.workdir / "no_answers").iterdir()] == ["yoga.npz"]
    saved = _json(case.workdir / "config.json")
    assert saved["mode"] == "two_person" and [c["mode"] for c in saved["other_modes"]] == ["self_contact"]
    error = capsys.readouterr().err
    assert error.count("note: ") == 1 and "note: yoga: the answers file has no answer" in error
    assert not (case.workdir / "renders").exists() and not (case.workdir / "meshes").exists()
    page = (case.workdir / "report.html").read_text(encoding="utf-8")
    assert all(key in page for key in ("dance", "hug", "yoga"))


@pytest.mark.heavy
def test_answers_may_be_left_out(
    case: Case, make_scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    save_scene(case.scenes, make_scene("yoga", 3, people=1))
    assert case.fit("--config", "self_contact", "--nopictures", steps=(4, 2)) == 0
    fit = load_fits(case.workdir)["yoga"]
    assert fit.status == "fallback" and fit.answers == 0
    assert np.nanmax(fit.losses[..., NAMES.index("contact")]) == 0
    # Nobody promised answers, so nothing is said about missing ones.
    assert "note:" not in capsys.readouterr().err


@pytest.mark.heavy
def test_jsonl_answers_and_prose(copied: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """The .jsonl layout; an answer without a table is named, and its scene falls back."""
    for key in ("exact", "silent"):
        (copied.workdir / "fits" / f"{key}.npz").unlink()
    answers = copied.answers({"exact": [PROSE, PROSE], "silent": [TABLE, TABLE]}, "answers.jsonl")
    assert copied.fit(f"--answers={answers}", "--nopictures") == 0
    fits = load_fits(copied.workdir)
    assert (fits["exact"].status, fits["exact"].answers, fits["exact"].answers_usable) == ("fallback", 2, 0)
    assert (fits["silent"].status, fits["silent"].answers, fits["silent"].answers_usable) == ("ok", 2, 2)
    assert "note: exact: 0 of 2 answers are usable, a table row" in capsys.readouterr().err
