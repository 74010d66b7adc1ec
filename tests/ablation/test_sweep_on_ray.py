"""`prosepose ablate --runner=ray`: the records of one process, and what becomes of problems that kill their worker."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_ray import FakeRay, Killed
from ml_collections import ConfigDict

from prosepose_jax.ablation import expand, run_sweep
from prosepose_jax.ablation.solving import Group, Record, Solved
from prosepose_jax.apps import _ray_sweep
from prosepose_jax.apps._ray_cluster import Cluster
from prosepose_jax.apps._ray_sweep import solve_on_ray
from prosepose_jax.errors import InputError
from prosepose_jax.fitting.fit import Timing
from prosepose_jax.fitting.rooms import RunRooms


@dataclasses.dataclass
class Fake:
    """A group's problems are their numbers; some kill the worker that has them."""

    killers: dict[int, int] = dataclasses.field(default_factory=dict)
    fitted: list[int] = dataclasses.field(default_factory=list)
    error: Exception | None = None

    def solve(self, number: int, group: Group, items: Sequence[int]) -> tuple[list[tuple[int, Record]], float, float]:
        if self.error is not None:
            raise self.error
        for item in items:
            if self.killers.get(item, 0) > 0:
                self.killers[item] -= 1
                raise Killed(item)
        self.fitted += items
        return [(place, {"status": "ok", "seconds": 1.0, "group": number}) for place in range(len(items))], 0.5, 1.0


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake()
    monkeypatch.setattr(_ray_sweep, "joined", lambda cluster: contextlib.nullcontext(FakeRay()))
    monkeypatch.setattr(_ray_sweep, "Solver", lambda folder: found)
    return found


def groups(*sizes: int) -> list[Group]:
    settings: Any = ConfigDict({"scenes_per_call": 4})
    numbers = iter(range(sum(sizes)))
    return [Group({}, settings, RunRooms({}), tuple(next(numbers) for _ in range(size))) for size in sizes]  # type: ignore[arg-type,misc]


def solved(found: Iterator[Solved | Timing]) -> dict[tuple[int, int], Record]:
    every = [one for one in found if isinstance(one, Solved)]
    assert len({(one.group, one.place) for one in every}) == len(every)
    return {(one.group, one.place): one.figures for one in every}


def test_every_problem_once(fake: Fake) -> None:
    found = solved(solve_on_ray(Cluster(actors=2), groups(11, 3)))
    assert sorted(found) == [(0, place) for place in range(11)] + [(1, place) for place in range(3)]
    assert sorted(fake.fitted) == list(range(14)) and all(figures["group"] == at[0] for at, figures in found.items())
    assert solved(solve_on_ray(Cluster(actors=2), [])) == {}


def test_what_died_by_chance_is_fitted_again(fake: Fake) -> None:
    fake.killers = {5: 1, 12: 2}
    found = solved(solve_on_ray(Cluster(actors=2), groups(20)))
    assert len(found) == 20 and all("seconds" in figures for figures in found.values())
    assert sorted(fake.fitted) == list(range(20))


def test_a_problem_that_kills_takes_no_other_with_it(fake: Fake) -> None:
    fake.killers = {5: 1000}
    found = solved(solve_on_ray(Cluster(actors=2), groups(20)))
    assert {at for at, figures in found.items() if "seconds" not in figures} == {(0, 5)}
    assert found[0, 5] == {"status": "failed: a worker died whenever it fitted this scene"}
    assert sorted(fake.fitted) == [number for number in range(20) if number != 5]


def test_errors_of_workers(fake: Fake) -> None:
    fake.error = RuntimeError("no memory\nmore")
    found = solved(solve_on_ray(Cluster(), groups(2)))
    assert set(map(str, found.values())) == {"{'status': 'failed: RuntimeError: no memory'}"}
    fake.error = InputError("body.npz: no such file")
    with pytest.raises(InputError, match=r"body\.npz"):
        solved(solve_on_ray(Cluster(), groups(2)))


@pytest.mark.heavy
def test_the_records_are_those_of_one_process(
    make_sweep: Callable[..., ConfigDict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ray_sweep, "joined", lambda cluster: contextlib.nullcontext(FakeRay()))
    points = [{"name": "a"}, {"name": "N = 1", "answers": {"first": 1}}]

    def records(folder: str, solver: Any = None) -> dict[str, dict[str, Record]]:
        config = make_sweep(points, "a", count=2)
        config.config.scenes_per_call = 1  # as actors have them: one program for both
        outcome = run_sweep(expand(config), tmp_path / folder, solver=solver)
        assert outcome.fits == 4 and outcome.fit_seconds > 0 and not outcome.failures
        return {
            point.name: {key: {k: v for k, v in one.items() if k != "seconds"} for key, one in of_point.items()}
            for point, of_point in outcome.records.items()
        }

    assert records("ray", lambda groups: solve_on_ray(Cluster(actors=2), groups)) == records("one")


@pytest.mark.slow
def test_a_packaged_sweep_on_ray(tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    found = {}
    for name, more in (("one", []), ("ray", ["--runner=ray", "--ray_actors=2"])):
        command = [sys.executable, "-m", "prosepose_jax", "ablate", "--config=ablation_answers:smoke",
                   f"--workdir={tmp_path / name}", *more]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        files = sorted((tmp_path / name / "points").glob("*/scenes.jsonl"))
        records = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        found[name] = {
            (one["problem"], one["key"]): {k: v for k, v in one.items() if k != "seconds"} for one in records
        }
    assert found["ray"] == found["one"] and len(found["one"]) == 8
