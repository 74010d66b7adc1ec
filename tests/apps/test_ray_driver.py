"""The driver of a Ray run against actors of this process: who gets which block, and what becomes of the lost ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_ray import FakeRay

from prosepose_jax.apps import _ray
from prosepose_jax.apps._blocks import CAREFUL_AFTER, lock_run
from prosepose_jax.apps._progress import Progress
from prosepose_jax.apps._ray import RayOptions
from prosepose_jax.apps._ray_cluster import Cluster, actor_resources, how_many
from prosepose_jax.body import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.scale.merging import all_records
from prosepose_jax.scale.plan import load_plan
from prosepose_jax.scale.sources import SceneSource
from prosepose_jax.storage import open_store

from .sharded import FakeFitting, job_of, make_scenes, pretend_to_fit

LEASE_S = 0.2


@pytest.fixture
def fitting(monkeypatch: pytest.MonkeyPatch, small_body: BodyModel) -> FakeFitting:
    monkeypatch.setattr(_ray, "_POLL_S", 0.01)
    monkeypatch.setattr(_ray, "set_up_jax", lambda: None)
    return pretend_to_fit(monkeypatch, small_body)


def drive(root: Path, actors: int = 2) -> tuple[dict[str, str], FakeRay]:
    job = job_of(root / "scenes", root / "run", container="files")
    store, source, ray = open_store(job.workdir), SceneSource(job.scenes), FakeRay()
    lock_run(store, job, "files")
    blocks = load_plan(store, source.parts, 3)
    options = RayOptions(Cluster(actors=actors), block_scenes=3, lease_s=LEASE_S)
    with Progress(source.num_scenes, "fit on ray") as progress:
        return _ray._Driver(ray, job, options, blocks, progress).run(), ray


def statuses(root: Path) -> dict[str, str]:
    return {
        key: one.status for record in all_records(open_store(str(root / "run"))) for key, one in record.scenes.items()
    }


def test_every_scene_once(fitting: FakeFitting, tmp_path: Path) -> None:
    keys = make_scenes(tmp_path / "scenes", 14)
    failures, ray = drive(tmp_path)
    assert failures == {} and sorted(key for key, _ in fitting.fitted) == keys and sorted(statuses(tmp_path)) == keys
    assert len(ray.actors) == 2 and ray.asked["max_restarts"] == -1 and ray.asked["num_cpus"] == 1
    drive(tmp_path)
    assert len(fitting.fitted) == 14


def test_no_more_actors_than_blocks(fitting: FakeFitting, tmp_path: Path) -> None:
    make_scenes(tmp_path / "scenes", 4)
    assert len(drive(tmp_path, 50)[1].actors) == 2


def test_blocks_of_lost_workers_are_given_out_again(fitting: FakeFitting, tmp_path: Path) -> None:
    keys = make_scenes(tmp_path / "scenes", 20)
    fitting.killers = {"s004": 1, "s013": 2}
    assert drive(tmp_path)[0] == {} and sorted(statuses(tmp_path)) == keys
    again = {key for key, _ in fitting.fitted if fitting.fitted.count((key, "")) > 1}
    assert again <= {"s003", "s004", "s005", "s012", "s013", "s014"}


def test_a_poisonous_scene_does_not_take_its_block_with_it(fitting: FakeFitting, tmp_path: Path) -> None:
    keys = make_scenes(tmp_path / "scenes", 8)
    fitting.killers = {"s004": 1000}
    failures, _ = drive(tmp_path)
    assert failures == {"s004": "a worker died whenever it fitted this scene"}
    assert all(statuses(tmp_path)[key] == "fallback" for key in keys if key != "s004")
    assert fitting.killers["s004"] == 1000 - CAREFUL_AFTER - 1


def test_what_no_worker_can_do_ends_the_run(
    fitting: FakeFitting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_scenes(tmp_path / "scenes", 3)

    def refuse(*_: object) -> None:
        raise InputError("answers.json: no such answers file")

    monkeypatch.setattr(_ray, "answers_at", refuse)
    with pytest.raises(InputError, match=r"answers\.json"):
        drive(tmp_path)


@pytest.mark.parametrize(
    ("cluster", "asked", "count"),
    [
        ({"CPU": 8.0}, {"num_cpus": 1}, 8),
        ({"CPU": 0.5}, {"num_cpus": 1}, 1),
        ({"CPU": 64.0, "GPU": 4.0}, {"num_gpus": 1, "num_cpus": 1}, 4),
        ({"CPU": 64.0, "TPU": 16.0}, {"resources": {"TPU": 4}, "num_cpus": 1}, 4),
        ({"CPU": 64.0, "TPU": 1.0}, {"resources": {"TPU": 1}, "num_cpus": 1}, 1),
    ],
)
def test_what_an_actor_takes(cluster: dict[str, float], asked: dict[str, Any], count: int) -> None:
    assert actor_resources(cluster) == asked and how_many(cluster, asked) == count
