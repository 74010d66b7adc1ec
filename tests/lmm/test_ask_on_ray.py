"""`prosepose ask --runner=ray`: the answers of one process, at one pace; with actors of this process, and with Ray.

The test with Ray itself: pytest -m slow tests/lmm/test_ask_on_ray.py
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import ask, lines
from fake_ray import FakeRay, Killed
from fake_server import FakeServer

from prosepose_jax.apps import _ray_asking
from prosepose_jax.apps.main import main

pytestmark = pytest.mark.usefixtures("keys_set")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    found, opened = FakeRay(), []
    real = _ray_asking.open_client

    def opening(*arguments: Any, **named: Any) -> Any:
        opened.append(real(*arguments, **named))
        return opened[-1]

    monkeypatch.setattr(_ray_asking, "open_client", opening)
    monkeypatch.setattr(_ray_asking, "joined", lambda cluster: contextlib.nullcontext(found))
    yield found
    for client in opened:  # an actor's process ends with it
        client.close()


def asked(file: Path) -> list[tuple[str, int, str]]:
    return sorted((answer["key"], answer["sample"], answer["input"]) for answer in lines(file))


@pytest.mark.parametrize("client", ["openai", "gemini"])
def test_the_answers_are_those_of_one_process(
    client: str, ray: FakeRay, scenes: Callable[..., Path], tmp_path: Path
) -> None:
    folder = scenes(5)
    with FakeServer() as server:
        assert ask(folder, tmp_path / "one.jsonl", server.url, client) == 0
        pictures = {received.image for received in server.received}
    with FakeServer() as server:
        assert ask(folder, tmp_path / "ray.jsonl", server.url, client, "--runner=ray", "--ray_actors=2") == 0
        assert {received.image for received in server.received} == pictures and len(pictures) == 5
        sent = len(server.received)
    assert asked(tmp_path / "ray.jsonl") == asked(tmp_path / "one.jsonl")
    assert len(ray.actors) == 2 and ray.asked["max_restarts"] == -1 and ray.asked["max_concurrency"] == 4
    with FakeServer() as server:  # nothing is left, and no cluster is joined for it
        assert ask(folder, tmp_path / "ray.jsonl", server.url, client, "--runner=ray") == 0
        assert not server.received and sent and len(ray.actors) == 2


def test_a_request_whose_actor_died_is_tried_again(
    ray: FakeRay, scenes: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = iter([True, True])
    real = _ray_asking.Asker.ask

    def dies_twice(self: _ray_asking.Asker, *arguments: Any) -> Any:
        if next(deaths, False):
            raise Killed
        return real(self, *arguments)

    monkeypatch.setattr(_ray_asking.Asker, "ask", dies_twice)
    with FakeServer() as server:
        assert ask(scenes(3), tmp_path / "a.jsonl", server.url, "openai", "--runner=ray", "--concurrency=1") == 0
    assert len(lines(tmp_path / "a.jsonl")) == 12


def test_a_picture_that_cannot_be_read_fails_alone(
    ray: FakeRay, scenes: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when more of them come first than a broken server may fail requests."""
    folder = scenes(31)
    for number in range(30):
        file = folder / f"scene{number}.jpg"
        file.write_bytes(file.read_bytes()[:400])
    with FakeServer() as server:
        assert ask(folder, tmp_path / "a.jsonl", server.url, "openai", "--runner=ray", "--concurrency=1") == 1
    assert {answer["key"] for answer in lines(tmp_path / "a.jsonl")} == {"scene30"}
    said = capsys.readouterr().err
    assert said.count("FAILED scene") == 30 and "stopped" not in said


def test_the_key_is_in_no_message(
    ray: FakeRay, scenes: Callable[..., Path], tmp_path: Path, keys_set: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer(lambda number: "401") as server:
        assert ask(scenes(1), tmp_path / "a.jsonl", server.url, "openai", "--runner=ray") == 2
    printed = capsys.readouterr()
    assert "openai" in printed.err and keys_set not in printed.out + printed.err
    opening = _ray_asking.Opening("openai", "m", _ray_asking.ModelSettings(), None, keys_set, 1)
    assert keys_set not in repr(opening)


def test_what_sends_nothing_is_not_spread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["prosepose", "ask", f"--scenes={tmp_path}", f"--out={tmp_path}/a.jsonl", "--client=simulated"]
    assert main([*command, "--runner=ray"]) == 2 and "nothing to spread" in capsys.readouterr().err


@pytest.mark.slow
def test_one_pace_for_a_cluster_whose_worker_is_killed(scenes: Callable[..., Path], tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    out, a_minute, requests = tmp_path / "a.jsonl", 240.0, 40
    with FakeServer(delay_s=0.3) as server:
        command = [sys.executable, "-m", "prosepose_jax", "ask", f"--scenes={scenes(requests)}", f"--out={out}",
                   "--client=openai", "--model=fake-model", f"--base_url={server.url}/v1", "--num_answers=2",
                   f"--requests_per_minute={a_minute}", "--runner=ray", "--ray_actors=2"]  # fmt: skip
        begin = time.monotonic()
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while driver.poll() is None and len(server.received) < 10:
            time.sleep(0.05)
        first = time.monotonic()
        killed = _workers_of(driver.pid)
        os.kill(killed[0], signal.SIGKILL)
        said = driver.communicate(timeout=300)[0]
        assert driver.returncode == 0, said
        seconds = time.monotonic() - first
    assert len(killed) == 2, killed
    assert sorted((a["key"], a["sample"]) for a in lines(out)) == sorted(
        (f"scene{k}", sample) for k in range(requests) for sample in range(2)
    )
    # What was asked again took its place in the pace too: two actors together are not faster than the limit.
    assert len(server.received) >= requests and begin < first
    assert seconds > (requests - 12) * 60.0 / a_minute


def _workers_of(driver: int) -> list[int]:
    """Processes of the actors: Ray names them by what they run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name = (folder / "cmdline").read_bytes()
            parents = _parents(int(folder.name))
            if name.startswith(b"ray::Asker") and driver in parents:
                found.append(int(folder.name))
    return found


def _parents(process: int) -> list[int]:
    found: list[int] = []
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        found.append(process)
    return found
