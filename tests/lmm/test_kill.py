"""`kill -9` at random moments: after a restart the answers are complete and whole, hardly any asked for twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from asking import lines
from fake_server import FakeServer

from prosepose_jax.io import load_answers

CONCURRENCY = 8


def _start(
    folder: Path, out: Path, url: str, num_answers: int, candidates: int, client: str = "openai"
) -> subprocess.Popen[str]:
    base = f"{url}/v1" if client.startswith("openai") else url
    command = [
        sys.executable, "-m", "prosepose_jax", "ask", f"--scenes={folder}", f"--out={out}", f"--client={client}",
        "--model=fake", f"--base_url={base}", f"--num_answers={num_answers}", f"--candidates={candidates}",
        f"--concurrency={CONCURRENCY}",
    ]  # fmt: skip
    environment = os.environ | {"OPENAI_API_KEY": "none", "GEMINI_API_KEY": "none", "JAX_PLATFORMS": "cpu"}
    # A shell's background job ignores Ctrl-C, and so would its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


def _kill_often(
    folder: Path, out: Path, server: FakeServer, kills: int, num_answers: int, candidates: int, client: str
) -> tuple[int, subprocess.Popen[str]]:
    """Kills so many runs, every third at any moment of its start, the others while answers come in."""
    rng = random.Random(kills)
    done = 0
    while done < kills:
        process = _start(folder, out, server.url, num_answers, candidates, client)
        if done % 3 == 2:
            time.sleep(rng.uniform(0.0, 1.5))
        else:
            before = len(server.received)
            while len(server.received) == before and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.uniform(0.0, 0.3))
        ended = process.poll() is not None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if ended:
            return done, process
        done += 1
    return done, process


def _check(
    folder: Path, images: int, out: Path, kills: int, num_answers: int, candidates: int, delay_s: float,
    client: str = "openai",
) -> str:  # fmt: skip
    with FakeServer(delay_s=delay_s) as server:
        done, _ = _kill_often(folder, out, server, kills, num_answers, candidates, client)
        assert done == kills, f"the run was complete after {done} kills: the server is too fast for this test"
        there = sum(1 for line in out.read_text().split("\n") if line.endswith("}"))
        last = _start(folder, out, server.url, num_answers, candidates, client)
        printed, errors = last.communicate(timeout=600)
        assert last.returncode == 0, errors
    answers = lines(out)  # every line is whole
    wanted = {(f"scene{s}", k) for s in range(images) for k in range(num_answers)}
    assert len(answers) == len(wanted) and {(a["key"], a["sample"]) for a in answers} == wanted
    texts = [answer["text"] for answer in answers]
    assert len(set(texts)) == len(texts)
    asked = sum(received.count for received in server.received)
    assert len(wanted) <= asked <= len(wanted) + kills * CONCURRENCY * candidates
    assert there < len(wanted)  # the last run had something to do
    loaded = load_answers(out)
    assert all(len(loaded[f"scene{s}"]) == num_answers for s in range(images)) and not loaded.notes
    return f"{kills} kills, {len(wanted)} answers complete, {asked - len(wanted)} asked for twice ({printed.strip()})"


@pytest.mark.heavy
def test_killed_and_started_again(scenes, tmp_path: Path) -> None:
    print(_check(scenes(20), 20, tmp_path / "a.jsonl", 3, 10, 2, delay_s=0.15))


@pytest.mark.slow
@pytest.mark.parametrize("candidates", [1, 4])
def test_killed_thirty_times(candidates: int, scenes, tmp_path: Path) -> None:
    delay = 0.02 * candidates
    print(_check(scenes(200), 200, tmp_path / "a.jsonl", 30, 20, candidates, delay_s=delay))


@pytest.mark.slow
@pytest.mark.parametrize("client", ["gemini", "google_genai"])
def test_killed_twenty_times_in_either_package_of_gemini(client: str, scenes, tmp_path: Path) -> None:
    pytest.importorskip({"gemini": "google.generativeai", "google_genai": "google.genai"}[client])
    print(_check(scenes(100), 100, tmp_path / "a.jsonl", 20, 20, 4, delay_s=0.2, client=client))


@pytest.mark.heavy
def test_ctrl_c_says_how_to_go_on(scenes, tmp_path: Path) -> None:
    # A thousand answers: the signal comes long before the last one, however slow the machine.
    folder, out = scenes(50), tmp_path / "a.jsonl"
    with FakeServer(delay_s=0.1) as server:
        process = _start(folder, out, server.url, 20, 1)
        while len(server.received) < 20 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in errors
    assert errors.splitlines()[-1] == "prosepose ask: stopped; the same command goes on where it was"
    assert 10 <= len(lines(out)) < 1000
