"""Workers of a divided run: every scene once, whoever dies, comes twice, comes late or changes."""

from __future__ import annotations

import json
import sys
import threading
import types
import uuid
from pathlib import Path

import pytest
from fake_ray import Killed

from prosepose_jax.apps import _blocks, _shards
from prosepose_jax.apps._shards import run_shard
from prosepose_jax.body import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.io import load_fits
from prosepose_jax.io.claim import claimed
from prosepose_jax.scale import records
from prosepose_jax.scale.crew import CLAIMS, WORKERS
from prosepose_jax.scale.merging import all_records
from prosepose_jax.scale.results import read_results
from prosepose_jax.scale.shard import Shard
from prosepose_jax.storage import LocalStore, Store, open_store

from .sharded import FakeFitting, job_of, make_scenes, pretend_to_fit

LEASE_S = 0.2


@pytest.fixture
def fitting(monkeypatch: pytest.MonkeyPatch, small_body: BodyModel) -> FakeFitting:
    return pretend_to_fit(monkeypatch, small_body)


@pytest.fixture(params=["files", "tar", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Where a run is kept, and in what its fits are."""
    if request.param == "memory":
        pytest.importorskip("fsspec")
        return f"memory://run-{uuid.uuid4().hex}", "tar"
    return str(tmp_path / "run"), request.param


def statuses(store: Store) -> dict[str, str]:
    return {key: one.status for record in all_records(store) for key, one in record.scenes.items()}


def shard(
    scenes: Path, place: tuple[str, str], index: int, count: int, lease_s: float = LEASE_S, **fields: object
) -> int:
    return run_shard(job_of(scenes, place[0], container=place[1], **fields), Shard(index, count), 3, lease_s)


def test_shards_share_the_scenes(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    keys = make_scenes(tmp_path / "scenes", 20)
    done: list[set[str]] = []
    for index in range(3):
        before = len(fitting.fitted)
        assert shard(tmp_path / "scenes", place, index, 3) == 0
        done.append({key for key, _ in fitting.fitted[before:]})
    assert sorted(key for some in done for key in some) == keys and min(map(len, done)) >= 5
    store = open_store(place[0])
    assert statuses(store) == dict.fromkeys(keys, "fallback")
    found = {key: fit for record in all_records(store) for tar in {one.tar for one in record.scenes.values()}
             for key, fit in read_results(store, tar, record.scenes)}  # fmt: skip
    assert sorted(found) == keys and all(fit.ok and fit.key == key for key, fit in found.items())


def test_what_is_done_is_not_done_again(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    make_scenes(tmp_path / "scenes", 8)
    for _ in range(3):
        assert shard(tmp_path / "scenes", place, 0, 1) == 0
    assert len(fitting.fitted) == 8
    # Another division of the same run finds it done too.
    assert shard(tmp_path / "scenes", place, 1, 2) == 0 and len(fitting.fitted) == 8


def test_a_killed_worker_loses_its_block_only(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    keys = make_scenes(tmp_path / "scenes", 12)
    fitting.killers = {"s007": 1}  # the second scene of the third block
    with pytest.raises(Killed):
        shard(tmp_path / "scenes", place, 0, 1)
    store = open_store(place[0])
    assert sorted(statuses(store)) == keys[:6]
    assert shard(tmp_path / "scenes", place, 0, 1) == 0
    assert sorted(statuses(store)) == keys
    twice = {key for key, _ in fitting.fitted if fitting.fitted.count((key, "")) > 1}
    assert twice <= {"s006", "s007", "s008"}


def test_a_worker_that_is_silent_is_waited_for_then_replaced(fitting: FakeFitting, tmp_path: Path) -> None:
    """A machine that is gone: nobody here can tell but by its silence."""
    make_scenes(tmp_path / "scenes", 6)
    store = LocalStore(tmp_path / "run")
    said = {"worker": "ghost", "shard": 0, "count": 1, "state": "working", "beat": 1, "time": 4e9, "host": "elsewhere"}
    store.write_json(f"{WORKERS}/ghost.json", said)
    store.create_json(f"{CLAIMS}/000001.1", {"worker": "ghost"})
    assert shard(tmp_path / "scenes", (store.root, "files"), 0, 1) == 0
    assert len(fitting.fitted) == 6 and fitting.fitted[-1][0] == "s005"
    assert f"{CLAIMS}/000001.2" in store.list(CLAIMS)


def test_a_dead_shards_blocks_are_done_by_others(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    keys = make_scenes(tmp_path / "scenes", 12)
    fitting.killers = {"s004": 1}  # of shard 1
    with pytest.raises(Killed):
        shard(tmp_path / "scenes", place, 1, 2)
    assert shard(tmp_path / "scenes", place, 0, 2) == 0
    assert sorted(statuses(open_store(place[0]))) == keys


def test_a_shard_that_has_not_begun_keeps_its_blocks(fitting: FakeFitting, tmp_path: Path) -> None:
    make_scenes(tmp_path / "scenes", 12)
    shard(tmp_path / "scenes", (str(tmp_path / "run"), "files"), 0, 2)
    assert len(fitting.fitted) == 6


def test_a_shard_started_twice_is_done_once(
    fitting: FakeFitting, tmp_path: Path, place: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = make_scenes(tmp_path / "scenes", 30)
    slow = threading.Event()
    original = FakeFitting.fit

    def fit(self: FakeFitting, scenes: list, answers: object, variant: str):  # type: ignore[no-untyped-def]
        for one in original(self, scenes, answers, variant):
            slow.wait(0.002)
            yield one

    monkeypatch.setattr(FakeFitting, "fit", fit)
    results: list[int] = []
    threads = [
        # A lease that no busy machine takes for death.
        threading.Thread(target=lambda: results.append(shard(tmp_path / "scenes", place, 0, 1, 24.0)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
        slow.wait(0.05)  # the next one finds blocks at work
    for thread in threads:
        thread.join()
    store = open_store(place[0])
    assert len(store.list(CLAIMS)) == len(records.finished_blocks(store)) == 10
    assert results == [0, 0, 0] and sorted(key for key, _ in fitting.fitted) == keys
    assert sorted(statuses(open_store(place[0]))) == keys


def test_failed_scenes_are_tried_again_once_a_start(
    fitting: FakeFitting, tmp_path: Path, place: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    make_scenes(tmp_path / "scenes", 5)
    (tmp_path / "scenes" / "s002x.npz").write_bytes(b"no archive")
    fitting.failing = {"s001"}
    for _ in range(2):
        assert shard(tmp_path / "scenes", place, 0, 1) == 1
        err = capsys.readouterr().err
        assert "FAILED s001: on purpose" in err and "FAILED s002x: " in err and "not a readable" in err
    assert fitting.fitted.count(("s001", "")) == 2 and len(fitting.fitted) == 6
    fitting.failing = set()
    (tmp_path / "scenes" / "s002x.npz").unlink()
    assert shard(tmp_path / "scenes", place, 0, 1) == 0
    assert set(statuses(open_store(place[0])).values()) == {"fallback"} and len(fitting.fitted) == 7


def test_changed_and_added_scenes(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    make_scenes(tmp_path / "scenes", 7)
    shard(tmp_path / "scenes", place, 0, 1)
    scenes = tmp_path / "scenes"
    (scenes / "s003.npz").write_bytes((scenes / "s005.npz").read_bytes())  # another content
    (scenes / "s004.npz").touch()  # the same
    (scenes / "s0045.npz").write_bytes((scenes / "s006.npz").read_bytes())
    fitting.fitted.clear()
    assert shard(scenes, place, 0, 1) == 0
    assert sorted(key for key, _ in fitting.fitted) == ["s003", "s0045"]
    fitting.fitted.clear()
    assert shard(scenes, place, 0, 1) == 0 and not fitting.fitted


def test_changed_answers(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    keys = make_scenes(tmp_path / "scenes", 4)
    answers = tmp_path / "answers.json"
    texts = {key: [{"table_response": "x"}] for key in keys}
    answers.write_text(json.dumps(texts))
    shard(tmp_path / "scenes", place, 0, 1, answers=str(answers))
    answers.write_text(json.dumps(texts | {"s002": [{"table_response": "y"}]}))
    fitting.fitted.clear()
    shard(tmp_path / "scenes", place, 0, 1, answers=str(answers))
    assert fitting.fitted == [("s002", "")]


def test_a_lost_fit_is_made_again(fitting: FakeFitting, tmp_path: Path) -> None:
    make_scenes(tmp_path / "scenes", 4)
    for container, lost in (("files", "fits/s001.npz"), ("tar", "fits/000000.1.tar")):
        run = tmp_path / container
        shard(tmp_path / "scenes", (str(run), container), 0, 1)
        (run / lost).unlink()
        fitting.fitted.clear()
        shard(tmp_path / "scenes", (str(run), container), 0, 1)
        assert [key for key, _ in fitting.fitted] == (["s001"] if container == "files" else ["s000", "s001", "s002"])


def test_a_scene_that_kills_is_named_and_the_others_are_done(
    fitting: FakeFitting, tmp_path: Path, place: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    keys = make_scenes(tmp_path / "scenes", 9)
    fitting.killers = {"s004": 1000}
    starts = 0
    while True:
        starts += 1
        assert starts < 10
        try:
            status = shard(tmp_path / "scenes", place, 0, 1)
            break
        except Killed:
            continue
    assert status == 1 and starts == _blocks.CAREFUL_AFTER + 2
    found = statuses(open_store(place[0]))
    assert sorted(found) == keys and found["s004"] == "failed: a worker died whenever it fitted this scene"
    assert all(found[key] == "fallback" for key in keys if key != "s004")
    assert "FAILED s004: a worker died" in capsys.readouterr().err


def test_another_run_in_the_same_place_is_refused(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    make_scenes(tmp_path / "scenes", 2)
    shard(tmp_path / "scenes", place, 0, 1)
    job = job_of(tmp_path / "scenes", place[0], container=place[1])
    job.configs[0].stage1.steps = 7
    with pytest.raises(InputError, match=r"differs in stage1\.steps"):
        run_shard(job, Shard(0, 1))
    other = "files" if place[1] == "tar" else "tar"
    with pytest.raises(InputError, match=f"now {other} was asked for"):
        shard(tmp_path / "scenes", (place[0], other), 0, 1)


def test_a_run_without_shards_and_workers_keep_each_other_out(fitting: FakeFitting, tmp_path: Path) -> None:
    make_scenes(tmp_path / "scenes", 2)
    run = tmp_path / "run"
    run.mkdir()
    with claimed(run), pytest.raises(InputError, match="for itself"):
        shard(tmp_path / "scenes", (str(run), "files"), 0, 1)
    held = _shards.held(LocalStore(run))
    with held, _shards.held(LocalStore(run)), pytest.raises(InputError, match="another prosepose"), claimed(run):
        pass


def test_fits_without_answers_stand_beside(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    make_scenes(tmp_path / "scenes", 3)
    job = job_of(tmp_path / "scenes", place[0], container=place[1])
    job.configs[0].no_answers = True
    assert run_shard(job, Shard(0, 1), 2, LEASE_S) == 0
    assert sorted(fitting.fitted) == sorted((f"s{n:03d}", variant) for n in range(3) for variant in ("", "no_answers"))
    store = open_store(place[0])
    for record in all_records(store):
        tar = next(iter(record.scenes.values())).tar
        assert {key for key, _ in read_results(store, tar, record.scenes, "no_answers")} == set(record.scenes)


def test_a_worker_tells_what_it_does(fitting: FakeFitting, tmp_path: Path, place: tuple[str, str]) -> None:
    make_scenes(tmp_path / "scenes", 4)
    shard(tmp_path / "scenes", place, 0, 1)
    store = open_store(place[0])
    (name,) = store.list(WORKERS)
    said = store.read_json(name)
    assert (said["state"], said["scenes"], said["failed"], said["blocks"], said["fit_seconds"]) == (
        "ended",
        4,
        0,
        2,
        2.0,
    )
    assert said["memory_mib"] > 0 and said["device"]
    lines = [json.loads(line) for name in sorted(store.list("shards/logs")) for line in store.read(name).splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "start" and events[-1] == "end" and events.count("fit") == 4 and events.count("block") == 2


def test_what_a_block_took_is_in_the_log_and_on_the_board(
    fitting: FakeFitting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Throughput, compile time, failures by reason and the device's memory, of every worker by itself."""
    make_scenes(tmp_path / "scenes", 6)
    fitting.failing = {"s000", "s001", "s004"}
    points: list[tuple[str, str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            self.worker = Path(folder).name

        def add_scalar(self, name: str, value: float, number: int) -> None:
            points.append((self.worker, name, value, number))

        def flush(self) -> None: ...
        def close(self) -> None: ...

    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=Writer))
    monkeypatch.setattr(_blocks, "resources", lambda: {"device": "GPU", "memory_mib": 7, "device_memory_mib": 5})
    run = tmp_path / "run"
    for index in range(2):
        job = job_of(tmp_path / "scenes", run)
        with job.configs[0].unlocked():
            job.configs[0].log.tensorboard = True
        assert run_shard(job, Shard(index, 2), 3, LEASE_S) == 1
    blocks = {}
    for file in sorted((run / "shards" / "logs").iterdir()):
        (blocks[file.stem],) = (
            line for line in map(json.loads, file.read_text().splitlines()) if line["event"] == "block"
        )
    (first, one), (second, other) = sorted(blocks.items())
    assert one["failures"] == {"on purpose": 2} and other["failures"] == {"on purpose": 1}
    assert one["scenes_per_second"] > 0 and one["compile_seconds"] == 0 and one["fit_seconds"] == 1.5
    assert (one["device_memory_mib"], one["memory_mib"]) == (5, 7)
    for worker, wanted in ((first, one), (second, other)):
        of_worker = {name: value for of, name, value, number in points if of == worker and number == 3}
        for name in ("scenes_per_second", "compile_seconds", "fit_seconds", "device_memory_mib", "failed"):
            assert of_worker[f"worker/{name}"] == wanted[name]
        assert of_worker["failed/on purpose"] == wanted["failed"]


def test_no_temporary_file_stays(fitting: FakeFitting, tmp_path: Path) -> None:
    make_scenes(tmp_path / "scenes", 4)
    shard(tmp_path / "scenes", (str(tmp_path / "run"), "files"), 0, 1)
    assert not list((tmp_path / "run").rglob("*.tmp"))
    assert sorted(load_fits(tmp_path / "run")) == [f"s{n:03d}" for n in range(4)]
    assert records.finished_blocks(LocalStore(tmp_path / "run")) == {"000000", "000001"}
