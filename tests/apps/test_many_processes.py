"""Divided runs as they are used: real fits in processes of their own, some killed, equal to one process's run.

pytest -m slow tests/apps/test_many_processes.py
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from small_scenes import small_scene

from prosepose_jax.body import BodyModel
from prosepose_jax.io import save_scene
from prosepose_jax.scale.crew import CLAIMS, WORKERS
from prosepose_jax.scale.merging import all_records
from prosepose_jax.scale.results import read_results
from prosepose_jax.scene import Fit
from prosepose_jax.storage import LocalStore, Store, open_store

pytestmark = pytest.mark.slow
COUNT, BLOCK = 12, 2
PARTS = ("hand", "back", "head", "left arm", "foot", "shoulder", "waist", "chest")
LIMIT_S = 1200  # every device of a CPU compiles for itself, on machines that do other things too


def table(number: int, answer: int) -> str:
    rows = [f"| {PARTS[(number + answer + k) % 8]} | {PARTS[(3 * number + k) % 8]} |" for k in range(1 + number % 4)]
    return "\n".join(["They touch.", "", "| Person 1 Body Part | Person 2 Body Part |", "|---|---|", *rows])


@dataclasses.dataclass(frozen=True)
class Runs:
    """Scenes whose answers differ in size, so that their programs do too, and the run of one process."""

    root: Path
    body: Path

    def start(
        self, workdir: str | Path, *flags: str, scenes: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "prosepose_jax", "fit", f"--scenes={scenes or self.root / 'scenes'}",
                   f"--answers={self.root / 'answers.json'}", f"--workdir={workdir}",
                   f"--config.body.path={self.body}", "--config.stage1.steps=4", "--config.stage2.steps=3",
                   "--config.batch_size=2", "--config.scenes_per_call=2", "--nopictures", *flags]  # fmt: skip
        with open(self.root / f"log{time.monotonic_ns()}.txt", "wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(environment or {})})

    def said(self) -> str:
        return "\n".join(file.read_text() for file in sorted(self.root.glob("log*.txt")))[-5000:]

    def finish(self, *processes: subprocess.Popen[bytes]) -> None:
        try:
            assert [process.wait(LIMIT_S) for process in processes] == [0] * len(processes), self.said()
        finally:
            for process in processes:
                process.kill()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, small_body: BodyModel, small_body_file: Path) -> Runs:
    root = tmp_path_factory.mktemp("runs")
    answers = {}
    for number in range(COUNT):
        scene = dataclasses.replace(small_scene(small_body, number), key=f"scene.{number:02d}")
        save_scene(root / "scenes", scene)
        answers[scene.key] = [{"table_response": table(number, k)} for k in range(1 + 2 * (number % 3))]
    (root / "answers.json").write_text(json.dumps(answers))
    found = Runs(root, small_body_file)
    found.finish(found.start(root / "one"))
    return found


def fits_of(store: Store) -> dict[str, Fit]:
    found: dict[str, Fit] = {}
    for record in all_records(store):
        for tar in {one.tar for one in record.scenes.values()}:
            for key, fit in read_results(store, tar, [k for k, one in record.scenes.items() if one.tar == tar]):
                assert key not in found
                found[key] = fit
    return found


def assert_equal_to_one(runs: Runs, found: dict[str, Fit]) -> None:
    one = dict(read_results(LocalStore(runs.root / "one"), "", [f"scene.{number:02d}" for number in range(COUNT)]))
    assert sorted(found) == sorted(one) and len(one) == COUNT
    for key, wanted in one.items():
        for field in dataclasses.fields(Fit):
            a, b = getattr(found[key], field.name), getattr(wanted, field.name)
            if isinstance(b, np.ndarray):
                np.testing.assert_array_equal(a, b, err_msg=f"{key}: {field.name}")
            elif field.name != "seconds":
                assert a == b, (key, field.name)


def assert_same_figures(runs: Runs, metrics: dict) -> None:
    wanted = json.loads((runs.root / "one" / "metrics.json").read_text())
    assert list(metrics["scenes"]) == list(wanted["scenes"])
    for found, one in ((metrics["scenes"], wanted["scenes"]), (metrics["mean"], wanted["mean"])):
        for key, entry in one.items():
            assert_close({k: v for k, v in found[key].items() if k != "seconds"},
                         {k: v for k, v in entry.items() if k != "seconds"}, key)  # fmt: skip


def assert_close(a: object, b: object, where: str) -> None:
    if isinstance(b, dict):
        assert isinstance(a, dict) and a.keys() == b.keys(), where
        for name, value in b.items():
            assert_close(a[name], value, f"{where}.{name}")
    else:
        # Fits are equal bit by bit; the true bodies that some are measured against are posed in batches of other sizes.
        assert a == (pytest.approx(b, rel=1e-6) if isinstance(b, float) else b), where


def until(condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end and (process is None or process.poll() is None)
        time.sleep(0.05)


def claimed_by(store: Store, shard: int) -> bool:
    return any(str(store.known_json(name).get("worker", "")).startswith(f"{shard:05d}-") for name in store.list(CLAIMS))


def four_shards(runs: Runs, place: str, *flags: str, environment: Mapping[str, str] | None = None) -> None:
    """Four shards at once; shard 1 is killed at its first block and started again, shard 2 is started twice."""
    store = open_store(place)

    def start(index: int) -> subprocess.Popen[bytes]:
        return runs.start(
            place, f"--shard_index={index}", "--shard_count=4", f"--block_scenes={BLOCK}", "--lease_s=20", *flags,
            environment=environment,
        )  # fmt: skip

    workers = {index: start(index) for index in range(4)}
    until(lambda: claimed_by(store, 1), workers[1])
    workers[1].kill()
    assert workers[1].wait() == -signal.SIGKILL
    runs.finish(*(workers[index] for index in (0, 2, 3)), start(1), start(2))
    records = list(all_records(store))
    assert len(records) == COUNT // BLOCK and sum(len(record.scenes) for record in records) == COUNT
    # No block was worked on more than once but for the one in flight.
    assert len(store.list(CLAIMS)) <= COUNT // BLOCK + 1


def test_four_shards_in_a_folder(runs: Runs) -> None:
    place = runs.root / "four"
    four_shards(runs, str(place))
    assert_equal_to_one(runs, fits_of(LocalStore(place)))
    subprocess.run([sys.executable, "-m", "prosepose_jax", "merge", str(place)], check=True)
    assert_same_figures(runs, json.loads((place / "metrics.json").read_text()))
    assert (place / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert not list(place.rglob("*.tmp"))
    # A run without shards goes on where the shards ended: it has nothing to fit.
    before = {file: file.stat().st_mtime_ns for file in (place / "fits").iterdir()}
    runs.finish(runs.start(place, "--shard_count=1"))
    assert {file: file.stat().st_mtime_ns for file in (place / "fits").iterdir()} == before


@pytest.fixture(scope="module")
def object_store() -> Iterator[dict[str, str]]:
    """A server that speaks S3, in a process of its own; the variables that lead there."""
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "s3fs")):
        pytest.skip("moto[server] and s3fs are not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "x",
                   "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    try:
        until(lambda: _answers(port), server)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            import s3fs

            s3fs.S3FileSystem().mkdir("bucket")
            yield environment
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


@pytest.mark.filterwarnings("ignore")  # of boto's and of sockets that a killed server leaves
def test_of_creators_at_s3_one_wins(object_store: dict[str, str]) -> None:
    store = open_store("s3://bucket/claims")
    assert store.create("a/1", b"one") and not store.create("a/1", b"two") and store.read("a/1") == b"one"
    store.write("b", b"0123456789")
    assert store.read("b", 3, 4) == b"3456" and store.read("b", 8) == b"89" and not store.exists("absent")
    with pytest.raises(FileNotFoundError):
        store.read("absent")
    before = store.list()
    store.write("b", b"other")
    assert set(before) == {"a/1", "b"} and store.list()["b"].mark != before["b"].mark


@pytest.mark.filterwarnings("ignore")
def test_four_shards_on_an_object_store(runs: Runs, object_store: dict[str, str]) -> None:
    place = "s3://bucket/four"
    pack = ["pack", f"--scenes={runs.root / 'scenes'}", "--out=s3://bucket/scenes", "--scenes_per_tar=8"]
    subprocess.run([sys.executable, "-m", "prosepose_jax", *pack], check=True)
    four_shards(runs, place, "--scenes=s3://bucket/scenes", environment=object_store)
    assert_equal_to_one(runs, fits_of(open_store(place)))
    subprocess.run([sys.executable, "-m", "prosepose_jax", "merge", place], check=True)
    assert_same_figures(runs, open_store(place).read_json("metrics.json"))
    assert open_store(place).read("report.html").rstrip().endswith(b"</html>")


def test_two_processes_of_jax_distributed(runs: Runs) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = runs.root / "distributed"
    both = [
        runs.start(
            place, "--distributed", f"--block_scenes={BLOCK}",
            environment={"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": "2",
                         "JAX_PROCESS_ID": str(index)},
        )
        for index in range(2)
    ]  # fmt: skip
    runs.finish(*both)
    workers = [json.loads(file.read_text()) for file in (place / WORKERS).iterdir()]
    assert sorted((one["shard"], one["count"], one["scenes"]) for one in workers) == [(0, 2, 6), (1, 2, 6)]
    assert "by jax.distributed" in runs.said()
    assert_equal_to_one(runs, fits_of(LocalStore(place)))


def test_eight_devices_are_one(runs: Runs) -> None:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    for name, more in (("eight", []), ("eight_in_blocks", ["--results=files", f"--block_scenes={BLOCK}"])):
        runs.finish(runs.start(runs.root / name, *more, environment={"XLA_FLAGS": flags}))
        keys = [f"scene.{number:02d}" for number in range(COUNT)]
        assert_equal_to_one(runs, dict(read_results(LocalStore(runs.root / name), "", keys)))


def test_two_actors_of_a_ray_cluster(runs: Runs) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    place = runs.root / "ray"
    store = LocalStore(place)
    driver = runs.start(place, "--runner=ray", "--ray_actors=2", f"--block_scenes={BLOCK}", "--lease_s=20")
    killed: set[str] = set()
    for _ in range(2):  # a worker is killed twice, each time with a block in work
        until(lambda: _busy(store) - killed, driver)
        worker = min(_busy(store) - killed)
        os.kill(store.read_json(f"{WORKERS}/{worker}.json")["pid"], signal.SIGKILL)
        killed.add(worker)
    until(lambda: len(list(all_records(store))) >= 3, driver)
    driver.kill()  # and once the driver
    driver.wait()
    before = {record.block: record.worker for record in all_records(store)}
    runs.finish(runs.start(place, "--runner=ray", "--ray_actors=2", f"--block_scenes={BLOCK}", "--lease_s=20"))
    assert {block: worker for block, worker in _done(store).items() if block in before} == before
    assert_equal_to_one(runs, fits_of(store))
    assert_same_figures(runs, json.loads((place / "metrics.json").read_text()))


_POISON = """
import importlib.machinery, os, sys

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target) if name == "prosepose_jax.fitting.fit" else None
        if spec is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                fit = module.Fitter.fit

                def poisoned(self, scenes, *more):
                    scenes = list(scenes)
                    if any(scene.key == "scene.05" for scene in scenes):
                        os._exit(139)
                    return fit(self, scenes, *more)

                module.Fitter.fit = poisoned

            spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder)
"""


def test_a_scene_that_kills_its_workers_on_ray(runs: Runs, tmp_path: Path) -> None:
    """It ends every process that fits it; it is named, and the others of its block are fitted."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    (tmp_path / "sitecustomize.py").write_text(_POISON)
    place = runs.root / "poison"
    driver = runs.start(
        place, "--runner=ray", "--ray_actors=2", "--block_scenes=4", "--lease_s=20",
        environment={"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    assert driver.wait(LIMIT_S) == 1, runs.said()
    statuses = {key: one.status for record in all_records(LocalStore(place)) for key, one in record.scenes.items()}
    assert statuses.pop("scene.05") == "failed: a worker died whenever it fitted this scene"
    assert len(statuses) == COUNT - 1 and set(statuses.values()) <= {"ok", "fallback"}
    assert "FAILED scene.05: a worker died whenever it fitted this scene" in runs.said()
    told = subprocess.run([sys.executable, "-m", "prosepose_jax", "status", str(place)], capture_output=True, text=True)
    assert told.returncode == 1 and "1 failed, 0 left" in told.stdout


def _done(store: Store) -> dict[str, str]:
    return {record.block: record.worker for record in all_records(store)}


def _busy(store: Store) -> set[str]:
    """Workers with a claim and no record of it."""
    done = _done(store)
    owners = {name.removeprefix(f"{CLAIMS}/").partition(".")[0]: str(store.known_json(name).get("worker"))
              for name in sorted(store.list(CLAIMS))}  # fmt: skip
    return {worker for block, worker in owners.items() if block not in done}
