"""The real clients against a local server that speaks their protocols: right requests, and faults in turn."""

from __future__ import annotations

import collections
import importlib.util
import io
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from asking import HEIGHT, WIDTH, ask, lines
from fake_server import FAULTS, FakeServer, first_requests
from PIL import Image

from prosepose_jax.io import load_answers

PACKAGES = {
    "gemini": "google.generativeai",
    "google_genai": "google.genai",
    "openai": "json",  # needs none
    "openai_package": "openai",
}


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


CLIENTS = [
    pytest.param(name, marks=pytest.mark.skipif(not _installed(module), reason=f"{module} is not installed"))
    for name, module in PACKAGES.items()
]
HEAVY = pytest.mark.heavy
# They share what sends and reads, so that one of them stands for all in `make test-fast`.
every_client = pytest.mark.parametrize(
    "client",
    [
        pytest.param(*client.values, marks=client.marks if client.values == ("openai",) else (*client.marks, HEAVY))
        for client in CLIENTS
    ],
)

pytestmark = [
    pytest.mark.usefixtures("keys_set"),
    # Google's packages speak of their own end and of Python's on import; `clients/gemini.py` silences them for users,
    # but a test may be the first to import a part of them.
    pytest.mark.filterwarnings("ignore:.*google:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:google.*"),
]


@every_client
def test_requests_are_right_and_answers_are_filed(client: str, scenes, tmp_path: Path, keys_set: str) -> None:
    folder, out = scenes(3), tmp_path / "a.jsonl"
    with FakeServer() as server:
        assert ask(folder, out, server.url, client, "--candidates=3", "--temperature=0.25", num_answers=4) == 0
    assert collections.Counter(received.count for received in server.received) == {3: 3, 1: 3}
    for received in server.received:
        assert "Person 1 Body Part | Person 2 Body Part" in received.system and "waist (front)" in received.system
        assert received.user.startswith("Which body parts")
        assert received.temperature == 0.25 and received.max_tokens == 500
        with Image.open(io.BytesIO(received.image)) as picture:
            assert picture.format == "JPEG" and picture.width < WIDTH and picture.height <= HEIGHT
        header = received.headers["x-goog-api-key" if received.is_gemini else "authorization"]
        assert header.removeprefix("Bearer ") == keys_set
        path = r"/v1(beta)?/models/fake-model:generateContent" if received.is_gemini else "/v1/chat/completions"
        assert re.fullmatch(path, received.path.split("?")[0])
    assert len({received.image for received in server.received}) == 3
    answers = lines(out)
    assert {(a["key"], a["sample"]) for a in answers} == {(f"scene{s}", k) for s in range(3) for k in range(4)}
    assert sorted(_serials(answers)) == sorted(server.answered())
    assert all(a["pair"] == [0, 1] and a["order"] == "free" and a["model"] == "fake-model" for a in answers)
    loaded = load_answers(out)
    assert {key: len(texts) for key, texts in loaded.items()} == {f"scene{s}": 4 for s in range(3)}
    assert keys_set not in out.read_text()


def _serials(answers: list[dict]) -> list[int]:
    return [int(re.match(r"Answer (\d+)\.", answer["text"])[1]) for answer in answers]


# Those that wait for a time limit, of which "drip" stands for all in `make test-fast`.
_SLOW_FAULTS = ("time-out", "drip headers")


@every_client
@pytest.mark.parametrize("fault", [pytest.param(f, marks=HEAVY) if f in _SLOW_FAULTS else f for f in FAULTS])
def test_faults_that_pass_lose_and_double_nothing(client: str, fault: str, scenes, tmp_path: Path, capfd) -> None:
    folder, out = scenes(2), tmp_path / "a.jsonl"
    timeout = 1.0 if fault in ("time-out", "drip", "drip headers") else 60.0
    with FakeServer(first_requests([fault, "", fault])) as server:
        status = ask(folder, out, server.url, client, "--candidates=2", f"--timeout={timeout}", "--concurrency=3")
    printed = capfd.readouterr()
    assert status == 0, printed.err
    answers = lines(out)
    assert sorted((a["key"], a["sample"]) for a in answers) == [(f"scene{s}", k) for s in range(2) for k in range(4)]
    # Every answer that the server gave out whole is there, once: none was asked for again.
    assert sorted(_serials(answers)) == sorted(server.answered()) and len(set(_serials(answers))) == 8
    assert [received.fault for received in server.received].count(fault) == 2
    assert "2 retries" in printed.out and printed.err.count("FAILED") == 0
    assert not out.with_name("a.failed.jsonl").exists()


@every_client
def test_retry_after_is_honoured_by_all_threads(client: str, scenes, tmp_path: Path) -> None:
    import time

    arrivals: list[float] = []

    def fault(number: int) -> str:
        arrivals.append(time.monotonic())
        return "429" if number == 0 else ""

    with FakeServer(fault, retry_after="1") as server:
        assert ask(scenes(2), tmp_path / "a.jsonl", server.url, client, "--candidates=1", "--concurrency=1") == 0
    assert len(arrivals) == 9 and arrivals[1] - arrivals[0] >= 1.0


@every_client
@pytest.mark.parametrize("fault", ["blocked", "refused"])
def test_refusals_are_recorded_as_such(client: str, fault: str, scenes, tmp_path: Path, capsys) -> None:
    if client.startswith("openai") and fault == "blocked":
        pytest.skip("blocking a prompt as a whole is Gemini's")
    folder, out = scenes(1), tmp_path / "a.jsonl"
    with FakeServer(first_requests([fault])) as server:
        assert ask(folder, out, server.url, client, "--candidates=2", "--concurrency=1") == 0
    answers = lines(out)
    refused = [answer for answer in answers if answer.get("refused")]
    assert len(answers) == 4 and len(refused) == (2 if fault == "blocked" else 1)
    assert all(answer["text"] == "" for answer in refused)
    assert any(word in refused[0]["refused"] for word in ("SAFETY", "I cannot help"))
    assert f"{len(refused)} refused" in capsys.readouterr().out
    # They count as answers: nothing is asked again.
    before = len(server.received)
    with FakeServer() as server:
        assert ask(folder, out, server.url, client) == 0
        assert server.received == [] and before == 2
    assert len(load_answers(out)["scene0"]) == 4


@every_client
def test_empty_answers_are_recorded_as_such(client: str, scenes, tmp_path: Path, capsys) -> None:
    with FakeServer(text=lambda serial: "" if serial == 1 else "| hand | back |") as server:
        assert ask(scenes(1), tmp_path / "a.jsonl", server.url, client) == 0
    assert [answer.get("empty", False) for answer in lines(tmp_path / "a.jsonl")] == [False, True, False, False]
    assert "1 empty" in capsys.readouterr().out


@every_client
def test_what_cannot_be_had_is_recorded_with_its_reason(client: str, scenes, tmp_path: Path, capsys) -> None:
    folder, out = scenes("good", "bad"), tmp_path / "a.jsonl"
    wrong = {}

    def reject(received) -> str:
        first = wrong.setdefault("image", received.image)
        return "this picture is not allowed" if received.image == first else ""

    with FakeServer(reject=reject) as server:
        assert ask(folder, out, server.url, client, "--concurrency=1") == 1
    printed = capsys.readouterr()
    assert "FAILED bad: 4 answers: HTTP 400: this picture is not allowed" in printed.err
    assert "4 answers written" in printed.out and "4 failed" in printed.out
    assert {answer["key"] for answer in lines(out)} == {"good"}
    (failure,) = lines(tmp_path / "a.failed.jsonl")
    assert failure["key"] == "bad" and failure["samples"] == [0, 1, 2, 3] and "not allowed" in failure["reason"]
    # Asked again, the rest comes, and the record of failures is gone.
    with FakeServer() as server:
        assert ask(folder, out, server.url, client) == 0
        assert sum(received.count for received in server.received) == 4
    assert not (tmp_path / "a.failed.jsonl").exists() and len(lines(out)) == 8


@every_client
def test_a_fault_that_stays_fails_after_all_attempts(client: str, scenes, tmp_path: Path, capsys) -> None:
    with FakeServer(lambda number: "500") as server:
        assert ask(scenes(1), tmp_path / "a.jsonl", server.url, client, "--attempts=3") == 1
    assert len(server.received) == 3
    assert "FAILED scene0: 4 answers: HTTP 500: planned fault 500 (3 attempts)" in capsys.readouterr().err
    assert lines(tmp_path / "a.jsonl") == []


@every_client
@pytest.mark.parametrize("fault", ["401", "404"])
def test_a_hopeless_fault_stops_at_once(client: str, fault: str, scenes, tmp_path: Path, capsys) -> None:
    with FakeServer(lambda number: fault) as server:
        assert ask(scenes(20), tmp_path / "a.jsonl", server.url, client, "--concurrency=2") == 2
    assert len(server.received) <= 6  # Google's session tries a 401 three times by itself
    printed = capsys.readouterr()
    assert (
        printed.err.startswith(f"prosepose ask: {client}: HTTP {fault}: planned fault") and printed.err.count("\n") == 1
    )


@every_client
def test_a_server_that_is_not_there(client: str, scenes, tmp_path: Path, capsys) -> None:
    url = "http://127.0.0.1:9"  # discard: nothing listens
    assert ask(scenes(1), tmp_path / "a.jsonl", url, client, "--attempts=2") == 1
    printed = capsys.readouterr()
    assert re.search(r"FAILED scene0: 4 answers: connection.*\(2 attempts\)", printed.err)


@every_client
def test_servers_that_ignore_the_number_of_answers_are_asked_on(client: str, scenes, tmp_path: Path) -> None:
    with FakeServer(ignore_count=True) as server:
        assert ask(scenes(2), tmp_path / "a.jsonl", server.url, client, "--concurrency=1") == 0
    assert len(server.received) == 8 and len(set(_serials(lines(tmp_path / "a.jsonl")))) == 8


@every_client
def test_servers_that_reject_several_answers_a_request_give_one(client: str, scenes, tmp_path: Path) -> None:
    def reject(received) -> str:
        return "only one completion choice is allowed" if received.count > 1 else ""

    with FakeServer(reject=reject) as server:
        assert ask(scenes(2), tmp_path / "a.jsonl", server.url, client, "--concurrency=1") == 0
    # Learnt once: the request that was prepared before is the only other one for several.
    assert [received.count for received in server.received].count(1) == 8 and len(server.received) <= 10
    assert len(lines(tmp_path / "a.jsonl")) == 8


@pytest.mark.parametrize("client", CLIENTS[2:])
def test_the_other_name_of_the_token_limit(client: str, scenes, tmp_path: Path) -> None:
    def reject(received) -> str:
        old = "max_tokens" in received.body
        return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead." if old else ""

    with FakeServer(reject=reject) as server:
        assert ask(scenes(2), tmp_path / "a.jsonl", server.url, client, "--candidates=1", "--concurrency=1") == 0
    assert len(server.received) == 9
    assert all(received.body["max_completion_tokens"] == 500 for received in server.received[1:])


@every_client
def test_keys_never_show(client: str, scenes, tmp_path: Path, capfd, keys_set: str) -> None:
    with FakeServer(reject=lambda received: f"the key {keys_set} may not see this") as server:
        assert ask(scenes(1), tmp_path / "a.jsonl", server.url, client) == 1
    printed = capfd.readouterr()
    everything = printed.out + printed.err + "".join(file.read_text() for file in tmp_path.glob("*.jsonl"))
    assert "the key [key] may not see this" in everything and keys_set not in everything


@every_client
def test_requests_run_side_by_side_up_to_the_limit(client: str, scenes, tmp_path: Path) -> None:
    with FakeServer(delay_s=0.1) as server:
        assert ask(scenes(6), tmp_path / "a.jsonl", server.url, client, "--candidates=1", "--concurrency=5") == 0
    assert server.most_at_once == 5


@every_client
def test_no_temperature_is_sent_when_the_server_is_to_choose(client: str, scenes, tmp_path: Path) -> None:
    with FakeServer() as server:
        assert ask(scenes(1), tmp_path / "a.jsonl", server.url, client, "--temperature=-1") == 0
    assert all(received.temperature is None for received in server.received)
    assert all("temperature" not in answer for answer in lines(tmp_path / "a.jsonl"))


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that this test's clients trust."""
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl, which makes the certificate, is not there")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test",
               "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize(
    "fault", ["500", "reset", "short", *(pytest.param(f, marks=HEAVY) for f in ("time-out", "drip", "drip headers"))]
)
def test_https_meets_the_same_faults(fault: str, tls, scenes, tmp_path: Path) -> None:
    with FakeServer(first_requests([fault, "", fault]), tls=tls) as server:
        out = tmp_path / "a.jsonl"
        assert ask(scenes(2), out, server.url, "openai", "--candidates=2", "--timeout=1", "--concurrency=3") == 0
    assert sorted(_serials(lines(out))) == sorted(server.answered()) and len(lines(out)) == 8


def test_certificates_that_nobody_vouches_for_are_refused(tls, scenes, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with FakeServer(tls=tls) as server:
        assert ask(scenes(1), tmp_path / "a.jsonl", server.url, "openai", "--attempts=2") == 1
    assert "certificate verify failed" in capsys.readouterr().err.lower() and server.received == []
