"""Sweeps that run: what is shared, what is kept, what a killed run leaves."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from prosepose_jax.ablation import expand, run_sweep, summarise
from prosepose_jax.ablation.run import _fitters, _Job, _Loader
from prosepose_jax.ablation.solving import Bodies
from prosepose_jax.ablation.store import append_records, read_records
from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import Fitter, fit_scenes, settings_from_config
from prosepose_jax.fitting.prepare import prepare_scene
from prosepose_jax.io import load_answers, load_scenes
from prosepose_jax.metrics import evaluate
from prosepose_jax.terms import load_pose_prior

from .conftest import KEYS

POINTS = [
    {"name": "mean"},
    {"name": "t = 4", "config": {"contact.fallback_empty_answers": 4}},  # one of four is empty: nothing changes
    {"name": "t = 1", "config": {"contact.fallback_empty_answers": 1}},  # every scene falls back
    {"name": "no answers", "config": {"contact.use_answers": False}},  # as t = 1
    {"name": "looser", "config": {"stage2.weights.estimate_pose": 0.1}},
    {"name": "N = 1", "answers": {"first": 1}},
]


class Stopped(Exception):
    """A run that ends in the middle."""


@pytest.fixture(scope="module")
def finished(
    inputs: Path, small_body_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ConfigDict, Path, object]:
    """A sweep that was stopped in the middle of its second call, torn in its last line, and started again."""
    from prosepose_jax.ablation.building import sweep

    from .conftest import FEW_STEPS

    scenes = {"folder": str(inputs / "scenes"), "answers": str(inputs / "answers.json"),
              "body": str(small_body_file), "count": 3}  # fmt: skip
    config = sweep("Small", POINTS, "mean", scenes=scenes, config=FEW_STEPS)
    workdir = tmp_path_factory.mktemp("sweep")

    def stop_after_three(done: int, total: int) -> None:
        assert total == 12  # 18 records of fits, of which 6 are shared
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        run_sweep(expand(config), workdir, step=stop_after_three)
    written = {file: file.read_bytes() for file in workdir.rglob("scenes.jsonl")}
    torn = next(file for file in written if b'"steps"' in written[file])
    torn.write_bytes(written[torn] + b'{"key": "third", "prob')
    sweep_ = expand(config)
    return config, workdir, (sweep_, run_sweep(sweep_, workdir), written)


@pytest.mark.heavy
def test_equal_problems_are_fitted_once(finished) -> None:
    _, _, (sweep, outcome, _) = finished
    records = {point.name: outcome.records[point] for point in sweep.points}
    assert all(set(found) == set(KEYS) for found in records.values())
    assert outcome.fits == 12 - 3
    assert not outcome.failures
    for key in KEYS:
        for same, other in (("mean", "t = 4"), ("t = 1", "no answers")):
            assert records[same][key]["problem"] == records[other][key]["problem"]
            assert records[same][key]["joint_pa_mpjpe_mm"] == records[other][key]["joint_pa_mpjpe_mm"]
        problems = {found[key]["problem"] for found in records.values()}
        assert len(problems) == 1 + 4
        assert records["mean"][key]["status"] == "ok" and records["t = 1"][key]["status"] == "fallback"
        assert records["mean"][key]["answers_usable"] == 3 and records["N = 1"][key]["answers"] == 1


@pytest.mark.heavy
def test_what_a_stopped_run_had_is_kept(finished) -> None:
    config, workdir, (_, outcome, written) = finished
    before = sum(content.count(b"\n") for content in written.values())
    assert outcome.kept == before > 3  # the initial estimates and the records of three fits
    for file, content in written.items():
        assert file.read_bytes().startswith(content)
    # Nothing to do any more, and nothing is written.
    now = {file: file.read_bytes() for file in workdir.rglob("scenes.jsonl")}
    again = run_sweep(expand(config), workdir)
    assert again.fits == again.shared == 0 and again.kept == 7 * 3
    assert {file: file.read_bytes() for file in workdir.rglob("scenes.jsonl")} == now


@pytest.mark.heavy
def test_figures_are_those_of_a_fit_by_itself(finished, inputs: Path, small_body: BodyModel) -> None:
    _, _, (sweep, outcome, _) = finished
    scenes, answers = load_scenes(inputs / "scenes"), load_answers(inputs / "answers.json")
    for name in ("mean", "looser"):
        point = next(point for point in sweep.points if point.name == name)
        table = evaluate(small_body, scenes, fit_scenes(small_body, scenes, answers, point.config))
        for key in KEYS:
            record = outcome.records[point][key]
            for figure in ("joint_pa_mpjpe_mm", "pcc", "penetration_max_mm"):
                assert record[figure] == pytest.approx(table["scenes"][key][figure], rel=1e-3, abs=1e-2)
            initial = next(p for p in sweep.points if p.config is None)
            wanted = table["scenes"][key]["initial"]["joint_pa_mpjpe_mm"]
            assert outcome.records[initial][key]["joint_pa_mpjpe_mm"] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.heavy
def test_a_changed_point_is_fitted_again(make_sweep: Callable[..., ConfigDict], tmp_path: Path) -> None:
    points = [{"name": "a"}]
    first = run_sweep(expand(make_sweep(points, "a", count=2)), tmp_path)
    points[0]["config"] = {"stage1.weights.contact": 10.0}
    second = run_sweep(expand(make_sweep(points, "a", count=2)), tmp_path)
    assert (first.fits, second.fits) == (2, 2) and second.kept == 2  # the initial estimates
    (file,) = (f for f in tmp_path.rglob("scenes.jsonl") if f.parent.name == "a")
    assert len(file.read_text(encoding="utf-8").splitlines()) == 4
    assert len(read_records(file.parent)) == 2


@pytest.mark.heavy
def test_a_scene_that_cannot_be_fitted_does_not_stop_the_others(
    make_sweep: Callable[..., ConfigDict], inputs: Path, tmp_path: Path
) -> None:
    from prosepose_jax.io import write_json

    answers = tmp_path / "answers.json"
    texts = json.loads((inputs / "answers.json").read_text(encoding="utf-8"))
    texts["second"] = [{"table_response": "| hand | hand |", "pair": [0, 5]}]
    write_json(answers, texts)
    config = make_sweep([{"name": "a"}], "a", count=3)
    config.scenes.answers = str(answers)
    outcome = run_sweep(expand(config), tmp_path / "work")
    assert outcome.fits == 2
    assert list(outcome.failures) == ["a: second"] and "pair [0, 5]" in outcome.failures["a: second"]

    # Also when nothing is left to do.
    again = run_sweep(expand(config), tmp_path / "work")
    assert again.fits == 0 and again.failures == outcome.failures


@pytest.mark.heavy
def test_a_scene_file_that_cannot_be_read_does_not_stop_the_others(
    make_sweep: Callable[..., ConfigDict], inputs: Path, tmp_path: Path
) -> None:
    scenes = tmp_path / "scenes"
    shutil.copytree(inputs / "scenes", scenes)
    (scenes / "zz.npz").write_bytes(b"torn")
    config = make_sweep([{"name": "a"}], "a", count=2)
    config.scenes.folder = str(scenes)
    outcome = run_sweep(expand(config), tmp_path / "work")
    assert outcome.fits == 2 and set(outcome.failures) == {"initial: zz", "a: zz"}


@pytest.mark.heavy
def test_what_breaks_one_group_does_not_stop_the_others(
    make_sweep: Callable[..., ConfigDict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device without memory, say: the table is made of the rest, and the next run tries again."""
    # Of other robust scales: not served together, and yet by the same program.
    others = [{"name": name, "config": {"contact.robust_m": robust}} for name, robust in (("broken", 0.2), ("c", 0.3))]
    points = [{"name": "a"}, *others]
    broken = settings_from_config(expand(make_sweep(points, "a", count=2)).points[2].config).scales
    fit = Fitter.fit_prepared

    def out_of_memory(self: Fitter, *arguments: Any) -> Any:
        for count, found in enumerate(fit(self, *arguments)):
            if self.settings.scales == broken and count == 1:
                raise RuntimeError("RESOURCE_EXHAUSTED: out of memory\nmore")
            yield found

    sweep = expand(make_sweep(points, "a", count=2))
    with monkeypatch.context() as patch:
        patch.setattr(Fitter, "fit_prepared", out_of_memory)
        outcome = run_sweep(sweep, tmp_path)
    assert list(outcome.failures) == ["broken: second"]
    assert outcome.failures["broken: second"] == "RuntimeError: RESOURCE_EXHAUSTED: out of memory"
    lines = {line.point.name: (line.scenes, line.failed) for line in summarise(sweep, outcome.records)}
    assert lines == {"initial": (2, 0), "a": (2, 0), "broken": (1, 1), "c": (2, 0)}
    again = run_sweep(sweep, tmp_path)
    assert again.fits == 1 and not again.failures


@pytest.mark.heavy
def test_scenes_are_measured_against_the_truth_of_the_body(
    make_sweep: Callable[..., ConfigDict], inputs: Path, tmp_path: Path
) -> None:
    loader = _Loader(tmp_path)
    scene = next(iter(load_scenes(inputs / "scenes")))
    (small,) = (p for p in expand(make_sweep([{"name": "a"}], "a")).points if p.config is not None)
    embedded = dataclasses.replace(small, files={"body": {}, "prior": {}})
    found = [len(loader.truth(scene, loader.bodies(point))[0][0]) for point in (small, embedded, small)]
    assert found[0] == found[2] != found[1]


@pytest.mark.heavy
def test_errors_are_on_the_joints_of_the_config(
    make_sweep: Callable[..., ConfigDict], inputs: Path, small_body: BodyModel, tmp_path: Path
) -> None:
    file = tmp_path / "j14.npy"
    np.save(file, np.eye(14, small_body.num_vertices))
    loader = _Loader(tmp_path)
    points = [{"name": "a"}, {"name": "b", "config": {"body.joint_regressor": str(file)}}]
    sweep = expand(make_sweep(points, "a", count=1))
    plain, other = (loader.bodies(p) for p in sweep.points if p.config is not None)
    assert plain.evaluator.joint_set.name == "SMPL-X joints" and "J14" in other.evaluator.joint_set.name
    assert plain.digest != other.digest
    with pytest.raises(InputError, match="point b: body.joint_regressor: expected the joints of the other points"):
        run_sweep(sweep, tmp_path)


def test_points_that_search_at_other_times_are_fitted_apart(make_sweep: Callable[..., ConfigDict]) -> None:
    """With a penetration term a fit searches more often: it must not do so for the point beside it."""
    pushed = {"solver": "adam", "contact.refresh_every": 20, "penetration.refresh_every": 10}
    never = [f"stage2.{w}.{t}" for w in ("weights", "fallback_weights") for t in ("penetration", "self_penetration")]
    free = pushed | dict.fromkeys(never, 0.0)
    points = [{"name": "a", "config": free}, {"name": "b", "config": pushed}]
    jobs = {}
    for point in expand(make_sweep(points, "a", count=1)).points[1:]:
        settings = settings_from_config(point.config)
        item = prepare_scene(next(iter(load_scenes(point.scenes.folder))), [], settings)
        bodies = Bodies(load_body(point.scenes.body), load_pose_prior(""), "", None)  # type: ignore[arg-type]
        jobs[point.name] = _Job(item, bodies, [])
    jobs["b"].bodies = jobs["a"].bodies
    assert [len(group) for _, group in _fitters(jobs)] == [1, 1]


_ABLATE = """
import sys
import pytest
from small_scenes import use_fewer_terms
from prosepose_jax.apps.main import main
use_fewer_terms(pytest.MonkeyPatch())
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.heavy
def test_killed_runs_go_on(make_sweep: Callable[..., ConfigDict], tmp_path: Path) -> None:
    """kill -9 in the middle of a sweep: whole lines stay, and are not fitted again."""
    points = [{"name": f"w = {w}", "config": {"stage1.weights.contact": float(w)}} for w in range(1, 5)]
    config = make_sweep(points, "w = 1")
    config.config.scenes_per_call = 1  # results one by one
    file = tmp_path / "sweep.py"
    file.write_text(
        "import json\nfrom ml_collections import ConfigDict\n\n\ndef get_config():\n"
        f"    return ConfigDict(json.loads({config.to_json()!r}))\n"
    )
    workdir = tmp_path / "work"
    command = [sys.executable, "-c", _ABLATE, "prosepose", "ablate", f"--config={file}", f"--workdir={workdir}"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    fitted: list[Path] = []
    deadline = time.monotonic() + 240
    while len(fitted) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        fitted = [f for f in workdir.rglob("scenes.jsonl") if b'"steps"' in f.read_bytes()]
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert running and fitted, errors
    done = sum(len(read_records(folder)) for folder in (workdir / "points").iterdir())
    assert 3 + 2 <= done < 3 + 12
    outcome = run_sweep(expand(config), workdir)
    assert outcome.kept == done and outcome.fits == 3 + 12 - done
    assert not [name for name in os.listdir(workdir) if name.endswith(".tmp")]


def test_store_reads_whole_lines_only(tmp_path: Path) -> None:
    append_records(tmp_path, [{"key": "a", "status": "ok", "x": 1}, {"key": "b", "status": "ok", "x": 2}])
    with open(tmp_path / "scenes.jsonl", "ab") as file:
        file.write(b'{"key": "c", "x"')
    assert set(read_records(tmp_path)) == {"a", "b"}
    append_records(tmp_path, [{"key": "d", "status": "ok", "x": 4}, {"key": "a", "status": "ok", "x": 5}])
    assert {key: record["x"] for key, record in read_records(tmp_path).items()} == {"a": 5, "b": 2, "d": 4}
    with pytest.raises(ValueError):
        append_records(tmp_path, [{"key": "e", "x": float("nan")}])
