"""`prosepose generate`: what it writes, that a killed run goes on, what it says about wrong usage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from prosepose_jax.apps import generate
from prosepose_jax.io import load_answers, load_scenes
from prosepose_jax.synthetic import load_truth
from prosepose_jax.synthetic.measure import Checks


@pytest.fixture(scope="module")
def flags(small_body_file):
    return [
        "--kind=self_contact", f"--body={small_body_file}", "--templates=hands_on_hips,hand_on_neck", "--samples=400",
        "--steps=200", "--sheet=2",
    ]  # fmt: skip


def _run(out, flags, *more: str) -> int:
    return generate.main(["prosepose generate", f"--out={out}", *flags, *more])


@pytest.fixture(scope="module")
def made(tmp_path_factory, flags):
    out = tmp_path_factory.mktemp("made")
    assert _run(out, flags, "--count=3", "--num_answers=4", "--images") == 0
    return out


@pytest.mark.heavy
def test_scenes_answers_and_truth_belong_together(made):
    scenes, answers = load_scenes(made / "scenes"), load_answers(made / "answers.jsonl")
    assert scenes.keys == ("hand_on_neck_000", "hands_on_hips_000", "hands_on_hips_001") and not scenes.failures
    for scene in scenes:
        truth = load_truth(made / "truth" / f"{scene.key}.npz")
        np.testing.assert_array_equal(scene.gt_body_pose, truth.body_pose)
        assert truth.checks.passed and max(truth.checks.gaps) <= 0.003
        texts = answers.for_scene(scene.key)
        assert [a.sample for a in texts] == [0, 1, 2, 3] and all(a.order == "free" for a in texts)
        with Image.open(scene.image) as picture:
            assert picture.size == tuple(scene.image_size)


@pytest.mark.heavy
def test_figures_plots_and_sheet(made):
    figures = json.loads((made / "figures.json").read_text())
    assert set(figures["scenes"]) == {f.stem for f in (made / "scenes").glob("*.npz")}
    summary = figures["summary"]
    assert summary["scenes"] == 3 and summary["largest_gap_mm"]["max"] <= 3.0
    assert summary["templates"]["hands_on_hips"]["scenes"] == 2
    assert 0 < summary["accepted"] <= 1
    assert sum(n for n in summary["contact_kinds"].values()) >= 3
    for file in ("plots/distribution.png", "contact_sheet.jpg"):
        with Image.open(made / file) as picture:
            assert np.asarray(picture.convert("L")).std() > 10  # something is drawn


@pytest.mark.heavy
def test_a_larger_count_goes_on_and_keeps_what_is_there(made, flags, capsys):
    before = {f.name: f.read_bytes() for f in (made / "truth").glob("*.npz")}
    assert _run(made, flags, "--count=4", "--num_answers=4", "--images") == 0
    after = {f.name: f.read_bytes() for f in (made / "truth").glob("*.npz")}
    assert len(after) == 4 and all(after[name] == data for name, data in before.items())
    assert len(load_answers(made / "answers.jsonl")) == 4
    assert _run(made, flags, "--count=3", "--num_answers=4") == 2
    assert "4 scenes already" in capsys.readouterr().err


@pytest.mark.heavy
def test_a_killed_run_goes_on_to_the_same_scenes(tmp_path, made, flags):
    """kill -9 after the first scene; the second run makes the rest, equal to those of a run in one go."""
    command = [sys.executable, "-m", "prosepose_jax", "generate", f"--out={tmp_path}", *flags, "--count=4"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "truth").glob("*.npz")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "figures.json").exists()
    there = {f.name for f in (tmp_path / "truth").glob("*.npz")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = {f.name: f for f in (tmp_path / "truth").glob("*.npz")}
    assert len(files) == 4 and there < set(files)
    for file in sorted((made / "truth").glob("*.npz")):
        a, b = load_truth(file), load_truth(files[file.name])
        assert a.seed == b.seed
        np.testing.assert_allclose(a.body_pose, b.body_pose, atol=1e-5)
    assert len(load_scenes(tmp_path / "scenes")) == 4


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--level=high"], "--level=middle"),
        (["--seed=5"], "--seed=0"),
        (["--templates=tree,hugs"], "hugs"),
        (["--kind=three"], "kind"),
        (["--count=0"], "count"),
        (["--count=4,4"], "--count=4,4: expected positive whole numbers, one"),
        (["--kind=two_person,self_contact"], "none is an interaction of --kind=two_person"),
        (["--kind=two_person,self_contact", "--count=1,2,3"], "one for each of two_person, self_contact"),
        (["surplus"], "surplus"),
    ],
)
def test_wrong_usage_is_named(made, flags, more, said, capsys):
    assert _run(made, flags, "--count=4", "--num_answers=4", "--images", *more) == 2
    assert said in capsys.readouterr().err


@pytest.mark.heavy
def test_both_kinds_from_one_command(tmp_path, small_body_file, capsys, monkeypatch):
    for verdict in ("stands", "passed"):  # whatever few steps make of it
        monkeypatch.setattr(Checks, verdict, True)
    flags = [f"--body={small_body_file}", "--samples=400", "--steps=8", "--sheet=0", "--num_answers=2"]
    both = ["--kind=two_person,self_contact", "--templates=back_to_back,hands_on_hips", "--count=1,2"]
    assert _run(tmp_path, flags, *both) == 0, capsys.readouterr().err
    for kind, keys in (
        ("two_person", ["back_to_back_000"]),
        ("self_contact", ["hands_on_hips_000", "hands_on_hips_001"]),
    ):
        assert list(load_scenes(tmp_path / kind / "scenes").keys) == keys
        assert set(load_answers(tmp_path / kind / "answers.jsonl")) == set(keys)


@pytest.mark.heavy
def test_an_interaction_that_never_passes_is_named(tmp_path, flags, capsys, monkeypatch):
    monkeypatch.setattr("prosepose_jax.synthetic.generate._MOST_REFUSALS", 8)
    few = ("--count=1", "--steps=8")  # too few steps to close its gap
    assert _run(tmp_path / "alone", flags, *few, "--templates=hands_on_hips") == 1
    assert "hands_on_hips" in (said := capsys.readouterr().err) and "in a row were refused" in said
    assert not list((tmp_path / "alone" / "truth").glob("*.npz"))
    assert _run(tmp_path / "both", flags, *few) == 0
    assert "hands_on_hips: 0 scenes, then too many" in capsys.readouterr().err
    assert list(load_scenes(tmp_path / "both" / "scenes").keys) == ["hand_on_neck_000"]


def test_missing_flags_and_files_are_named(tmp_path, capsys):
    assert generate.main(["prosepose generate", f"--out={tmp_path}"]) == 2
    assert "--kind" in capsys.readouterr().err
    assert generate.main(["prosepose generate", "--kind=two_person"]) == 2
    assert "--out" in capsys.readouterr().err
    nobody = tmp_path / "nobody.npz"
    assert generate.main(["prosepose generate", "--kind=two_person", f"--out={tmp_path}/o", f"--body={nobody}"]) == 2
    assert "nobody.npz" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()  # and with the right body the folder can be used
    (tmp_path / "file").write_text("")
    assert generate.main(["prosepose generate", "--kind=two_person", f"--out={tmp_path}/file"]) == 2
    assert "file" in capsys.readouterr().err
