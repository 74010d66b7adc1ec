"""`prosepose merge`, `status`, `pack` and `unpack` on divided runs whose fits are made up."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import pytest
from fake_ray import Killed

from prosepose_jax.apps._shards import run_shard
from prosepose_jax.apps.main import main
from prosepose_jax.body import BodyModel
from prosepose_jax.io import load_fits, load_scenes
from prosepose_jax.io.claim import claimed
from prosepose_jax.metrics.evaluate import summarise
from prosepose_jax.scale import records
from prosepose_jax.scale.crew import WORKERS
from prosepose_jax.scale.shard import Shard
from prosepose_jax.storage import LocalStore, open_store

from .sharded import FakeFitting, job_of, make_scenes, pretend_to_fit

KEYS = [f"s{number:03d}" for number in range(10)]


@pytest.fixture
def fitting(monkeypatch: pytest.MonkeyPatch, small_body: BodyModel) -> FakeFitting:
    return pretend_to_fit(monkeypatch, small_body)


def fit_shards(scenes: Path | str, run: Path | str, body: Path, count: int, container: str = "files") -> None:
    job = job_of(scenes, run, container=container)
    job.configs[0].body.path = str(body)
    for index in range(count):
        run_shard(job, Shard(index, count), 2, 0.2)


@pytest.fixture
def run(fitting: FakeFitting, tmp_path: Path, small_body_file: Path) -> Path:
    """Ten scenes, one of which cannot be read and one of which fails, by three shards."""
    make_scenes(tmp_path / "scenes", 10)
    (tmp_path / "scenes" / "s004.npz").write_bytes(b"no archive")
    fitting.failing = {"s007"}
    fit_shards(tmp_path / "scenes", tmp_path / "run", small_body_file, 3)
    return tmp_path / "run"


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def test_one_run_comes_out(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["prosepose", "merge", str(run)]) == 1
    captured = capsys.readouterr()
    assert "FAILED s004: " in captured.err and "FAILED s007: on purpose" in captured.err
    metrics = read(run / "metrics.json")
    assert list(metrics["scenes"]) == [key for key in KEYS if key != "s004"]
    assert metrics["mean"]["two_person"] == summarise(list(metrics["scenes"].values()))
    info = read(run / "run.json")
    assert (info["fits"], info["workers"], info["fit_seconds"]) == (8, 3, 4.5)
    assert info["scenes_per_second"] == pytest.approx(8 / 4.5) and info["versions"]["jax"]
    report = (run / "report.html").read_text(encoding="utf-8")
    assert report.rstrip().endswith("</html>") and "s004" in report and "s009" in report
    assert set(read(run / "inputs.json")["fits"]) == {key for key in KEYS if key != "s004"}
    # Again, and the folder is as before.
    assert main(["prosepose", "merge", str(run), "--report_scenes=0"]) == 1
    assert read(run / "metrics.json") == metrics


def test_a_figure_that_is_no_number_ends_no_merge(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = next(file for file in sorted((run / records.METRICS).iterdir()) if "s000" in file.read_text())
    block = read(file)
    block["s000"]["entry"]["pve_mm"] = 12345.5
    file.write_text(json.dumps(block).replace("12345.5", "1e999"))
    assert main(["prosepose", "merge", str(run)]) == 1
    metrics = read(run / "metrics.json")
    assert "figure pve_mm is no finite number" in metrics["scenes"]["s000"]["error"]
    assert "error" not in metrics["scenes"]["s001"] and "FAILED s000: scene s000: figure" in capsys.readouterr().err


def test_a_large_run_has_a_report_of_some(run: Path) -> None:
    main(["prosepose", "merge", str(run), "--report_scenes=3"])
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "s000" in report and "s001" not in report and "s004" in report  # failures are all named


def test_missing_blocks_are_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / records.BLOCKS / "000003.json").unlink()
    assert main(["prosepose", "merge", str(run), "--report_scenes=0"]) == 1
    assert "1 blocks: not done yet" in capsys.readouterr().err
    assert "s006" not in read(run / "metrics.json")["scenes"]


def test_workers_at_work_are_not_merged(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with claimed(run):
        assert main(["prosepose", "merge", str(run)]) == 2
    assert "another prosepose" in capsys.readouterr().err


def test_runs_in_places_of_their_own(
    fitting: FakeFitting, tmp_path: Path, small_body_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = make_scenes(tmp_path / "all", 6)
    parts = {"a": keys[:3], "b": keys[2:]}  # one scene in both
    for name, some in parts.items():
        for key in some:
            (tmp_path / name).mkdir(exist_ok=True)
            shutil.copy(tmp_path / "all" / f"{key}.npz", tmp_path / name)
        container = "tar" if name == "b" else "files"
        fit_shards(tmp_path / name, tmp_path / f"run_{name}", small_body_file, 1, container)
    runs = [str(tmp_path / "run_a"), str(tmp_path / "run_b")]
    assert main(["prosepose", "merge", *runs]) == 2 and "--out" in capsys.readouterr().err
    out = tmp_path / "out"
    assert main(["prosepose", "merge", *runs, f"--out={out}", f"--scenes={tmp_path / 'all'}"]) == 0
    assert sorted(read(out / "metrics.json")["scenes"]) == keys
    assert (out / "fits" / "s000.npz").is_file() and len(list((out / "fits").glob("*.tar"))) == 2
    assert main(["prosepose", "merge", *runs, f"--out={out}"]) == 2  # it holds a run already
    # Another config is another run.
    (tmp_path / "run_b" / "config.json").write_text("{}")
    assert main(["prosepose", "merge", *runs, f"--out={tmp_path / 'other'}"]) == 2


def test_an_undivided_run_is_a_part_too(fitting: FakeFitting, tmp_path: Path, small_body_file: Path) -> None:
    make_scenes(tmp_path / "scenes", 4)
    fit_shards(tmp_path / "scenes", tmp_path / "run", small_body_file, 1)
    main(["prosepose", "merge", str(tmp_path / "run"), "--report_scenes=0"])
    shutil.rmtree(tmp_path / "run" / "shards")
    assert main(["prosepose", "merge", str(tmp_path / "run"), f"--out={tmp_path / 'out'}", "--report_scenes=0"]) == 0
    before, after = read(tmp_path / "run" / "metrics.json"), read(tmp_path / "out" / "metrics.json")
    assert before == after and sorted(load_fits(tmp_path / "out")) == KEYS[:4]


def test_status_of_a_finished_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prosepose", "status", str(run)]) == 1
    out = capsys.readouterr().out
    assert "finished" in out and "8 done" in out and "2 failed, 0 left" in out and "blocks: 5 of 5" in out
    assert "failed 1 times: on purpose" in out and out.count("ended, last word") == 3
    assert main(["prosepose", "status", str(run), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["scenes_done"], found["failed"], found["scenes_left"]) == (8, 2, 0)
    assert [worker["shard"] for worker in found["workers"]] == [0, 1, 2] and found["workers"][0]["device"]


def test_status_of_a_dead_run_writes_nothing(
    fitting: FakeFitting, tmp_path: Path, small_body_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_scenes(tmp_path / "scenes", 10)
    fitting.killers = {"s005": 1}
    with pytest.raises(Killed):
        fit_shards(tmp_path / "scenes", tmp_path / "run", small_body_file, 1)
    (worker,) = (tmp_path / "run" / WORKERS).iterdir()
    said = json.loads(worker.read_text())
    worker.write_text(json.dumps(said | {"state": "working", "time": said["time"] - 999.0}))  # kill -9 says nothing
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    capsys.readouterr()
    assert main(["prosepose", "status", str(tmp_path / "run"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["finished"], found["scenes_done"], found["scenes_left"], found["blocks_done"]) == (False, 4, 6, 2)
    assert found["workers"][0]["state"] == "dead" and found["workers"][0]["silent_s"] > 900
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_status_of_a_run_without_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        {"event": "start", "scenes": 3, "unreadable": 1, "time": 1.0},
        {"event": "failed", "key": "x", "reason": "no archive"},
        {"event": "fit", "key": "a", "variant": "", "status": "ok"},
        {"event": "fit", "key": "a", "variant": "no_answers", "status": "fallback"},
        {"event": "fit", "key": "b", "variant": "", "status": "failed: on purpose"},
    ]
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, events)) + '\n{"event": "fi')
    assert main(["prosepose", "status", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "not finished" in out and "1 done" in out and "2 failed, 1 left" in out


@pytest.mark.parametrize("arguments", [[], ["{empty}"], ["memory://nothing-there"]])
def test_status_and_merge_without_a_run(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fsspec")
    for verb in ("status", "merge"):
        assert main(["prosepose", verb, *(a.format(empty=tmp_path) for a in arguments)]) == 2
        assert f"prosepose {verb}: " in capsys.readouterr().err


def test_from_files_to_tars_and_back(
    fitting: FakeFitting, tmp_path: Path, small_body_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Packed scenes at a URL, fitted in two shards, merged there, and unpacked here: as from files."""
    pytest.importorskip("fsspec")
    url = f"memory://all-{uuid.uuid4().hex}"
    keys = make_scenes(tmp_path / "scenes", 7)
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({key: [{"table_response": key}] for key in keys[:5]}))
    pack = ["prosepose", "pack", f"--scenes={tmp_path / 'scenes'}", f"--out={url}/scenes"]
    assert main([*pack, f"--answers={answers}", "--scenes_per_tar=3"]) == 0
    assert main(pack) == 2 and "holds tars already" in capsys.readouterr().err
    fit_shards(f"{url}/scenes", f"{url}/run", small_body_file, 2, "")
    assert main(["prosepose", "merge", f"{url}/run"]) == 0
    store = open_store(f"{url}/run")
    assert store.read("report.html").rstrip().endswith(b"</html>")
    metrics = store.read_json("metrics.json")["scenes"]
    assert {key: entry["status"] for key, entry in metrics.items()} == {
        key: "ok" if key in keys[:5] else "fallback" for key in keys
    }
    assert main(["prosepose", "unpack", f"{url}/run", f"--out={tmp_path / 'out'}"]) == 0
    assert sorted(load_fits(tmp_path / "out")) == keys
    assert main(["prosepose", "unpack", f"{url}/scenes", f"--out={tmp_path / 'back'}"]) == 0
    assert list(load_scenes(tmp_path / "back").keys) == keys
    assert main(["prosepose", "unpack", str(tmp_path / "back"), f"--out={tmp_path / 'no'}"]) == 2
    assert main(["prosepose", "status", f"{url}/run"]) == 0


def test_no_listing_grows_with_the_run(
    fitting: FakeFitting, tmp_path: Path, small_body_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One listing of the scenes a worker, and never one of the fits."""
    make_scenes(tmp_path / "scenes", 30)
    listed: list[str] = []
    original = LocalStore.list
    monkeypatch.setattr(LocalStore, "list", lambda self, prefix="": (listed.append(prefix), original(self, prefix))[1])
    fit_shards(tmp_path / "scenes", tmp_path / "run", small_body_file, 1)
    assert listed.count("") == 1 and not [prefix for prefix in listed if prefix.startswith("fits")]
    assert len(listed) <= 8


@pytest.mark.heavy
def test_pictures_go_where_the_fits_go(fitting: FakeFitting, tmp_path: Path, small_body_file: Path) -> None:
    pytest.importorskip("fsspec")
    keys = make_scenes(tmp_path / "scenes", 2)
    names = sorted([*(f"renders/{key}.png" for key in keys), *(f"meshes/{key}.glb" for key in keys)])
    url = f"memory://pictures-{uuid.uuid4().hex}"
    for place, container in ((str(tmp_path / "files"), "files"), (url, "files"), (str(tmp_path / "tar"), "tar")):
        job = job_of(tmp_path / "scenes", place, container=container, pictures=True)
        job.configs[0].body.path = str(small_body_file)
        assert run_shard(job, Shard(0, 1), 2, 0.2) == 0
        found = sorted(name for name in open_store(place).list() if name.startswith(("renders/", "meshes/")))
        assert found == ([] if container == "tar" else names)
    main(["prosepose", "unpack", str(tmp_path / "tar"), f"--out={tmp_path / 'out'}"])
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "files" / name).read_bytes()
    for place in (url, str(tmp_path / "tar")):
        assert main(["prosepose", "merge", place]) == 0
        assert b"data:image/jpeg" in open_store(place).read("report.html")
