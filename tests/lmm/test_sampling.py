"""The sampler with clients that misbehave, and its memory."""

from __future__ import annotations

import dataclasses
import gc
import threading
import time
import weakref
from pathlib import Path

import pytest
from asking import HEIGHT, WIDTH, lines, make_picture

from prosepose_jax.lmm import AnswerLog, Sampler, View, Work, load_prompt
from prosepose_jax.lmm import sampling as sampling_module
from prosepose_jax.lmm.clients import Rejected, Reply, Request, Response, TryAgain, Unusable
from prosepose_jax.lmm.questions import Question

PROMPT = load_prompt("two_people").told(False)


class _Client:
    """Answers by a function of the request."""

    model, sees, secrets = "m", True, ("secret-key",)

    def __init__(self, answer, candidates: int = 4) -> None:
        self.answer, self.candidates = answer, candidates
        self.asked: list[Request] = []

    def ask(self, request: Request, count: int) -> Response:
        self.asked.append(dataclasses.replace(request, picture=None))
        return self.answer(request, count)

    def close(self) -> None: ...


def _replies(request: Request, count: int) -> Response:
    return Response(tuple(Reply(f"{request.key} {sample}") for sample in request.samples[:count]), 10, 5)


def _work(count: int, answers: int = 4, view: View | None = None) -> list[Work]:
    return [Work(Question(f"s{k}", (0, 1), PROMPT, "free", f"h{k}", view), tuple(range(answers))) for k in range(count)]


def _run(tmp_path: Path, client: _Client, work: list[Work], **options):
    log = AnswerLog(tmp_path / "a.jsonl")
    try:
        sampler = Sampler(client, log, failed_file=tmp_path / "a.failed.jsonl", **options)
        return sampler.run(work)
    finally:
        log.close()


def test_each_sample_is_asked_for_once(tmp_path: Path) -> None:
    client = _Client(_replies, candidates=3)
    tally = _run(tmp_path, client, _work(7, 5))
    assert tally.answered == 35 and tally.tokens_in == 140 and tally.tokens_out == 70
    assert sorted(len(request.samples) for request in client.asked) == [2] * 7 + [3] * 7
    answers = lines(tmp_path / "a.jsonl")
    assert all(answer["text"] == f"{answer['key']} {answer['sample']}" for answer in answers) and len(answers) == 35
    assert answers[0]["prompt"] == PROMPT.name and answers[0]["input"].startswith("h")


def test_only_a_few_pictures_are_alive_at_a_time(tmp_path: Path, monkeypatch) -> None:
    view = View(make_picture(tmp_path / "a.jpg"), (WIDTH, HEIGHT), ((150.0, 100.0, 200.0, 200.0),))
    alive: weakref.WeakSet = weakref.WeakSet()
    take, most = sampling_module.take_picture, 0

    def counted(view):
        picture = take(view)
        alive.add(picture)
        return picture

    def answer(request: Request, count: int) -> Response:
        nonlocal most
        most = max(most, len(alive))
        return _replies(request, count)

    monkeypatch.setattr(sampling_module, "take_picture", counted)
    tally = _run(tmp_path, _Client(answer, candidates=1), _work(120, 4, view), concurrency=4)
    assert tally.answered == 480
    # The queue holds 8 requests of 4 an image, four are being sent, one is prepared.
    assert 0 < most <= 8
    gc.collect()
    assert len(alive) == 0


def test_nothing_works_any_more(tmp_path: Path, monkeypatch) -> None:
    """The rest is not tried when requests fail one after the other, and the tally says so."""

    def answer(request: Request, count: int) -> Response:
        if int(request.key[1:]) < 3:
            return _replies(request, count)
        raise TryAgain("the line is dead, secret-key")

    client = _Client(answer)
    tally = _run(tmp_path, client, _work(400), concurrency=1, attempts=1)
    assert tally.answered == 12
    assert tally.stopped == "25 requests failed in a row, the last with: the line is dead, [key] (1 attempts)"
    assert len(tally.failures) == 25 and len(client.asked) == 28
    assert all("secret" not in failure.reason for failure in tally.failures)
    assert len(lines(tmp_path / "a.failed.jsonl")) == len(tally.failures)


def test_rejected_requests_among_answered_ones_stop_nothing(tmp_path: Path) -> None:
    def answer(request: Request, count: int) -> Response:
        if request.key != "s0":
            raise Rejected("not this one")
        return _replies(request, count)

    tally = _run(tmp_path, _Client(answer, candidates=1), _work(100, 1), concurrency=1)
    assert tally.answered == 1 and len(tally.failures) == 99 and not tally.stopped


def test_a_hopeless_client_stops_at_once_or_after_what_came(tmp_path: Path) -> None:
    def never(request: Request, count: int) -> Response:
        raise Unusable("the key secret-key is wrong")

    with pytest.raises(Unusable, match=r"^the key \[key\] is wrong$"):
        _run(tmp_path, _Client(never), _work(50), concurrency=2)

    def later(request: Request, count: int) -> Response:
        return never(request, count) if int(request.key[1:]) > 4 else _replies(request, count)

    tally = _run(tmp_path, _Client(later), _work(50), concurrency=1)
    assert tally.answered == 20 and tally.stopped == "the key [key] is wrong"


def test_a_bug_of_a_client_loses_a_request_and_not_the_run(tmp_path: Path) -> None:
    def answer(request: Request, count: int) -> Response:
        if request.key == "s1":
            raise KeyError("secret-key?key=abc")
        return _replies(request, count)

    tally = _run(tmp_path, _Client(answer), _work(3))
    assert tally.answered == 8
    (failure,) = tally.failures
    assert failure.key == "s1" and failure.reason == "KeyError: '[key]?key=[key]'"


def test_a_full_disk_ends_the_run(tmp_path: Path, monkeypatch) -> None:
    def full(self, records) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AnswerLog, "append", full)
    client = _Client(_replies)
    with pytest.raises(OSError, match="No space left"):
        _run(tmp_path, client, _work(100), concurrency=2)
    assert len(client.asked) <= 6


def test_ctrl_c_ends_the_run_with_everything_on_file(tmp_path: Path) -> None:
    stopped = threading.Event()

    def answer(request: Request, count: int) -> Response:
        time.sleep(0.01)
        return _replies(request, count)

    client = _Client(answer)
    log = AnswerLog(tmp_path / "a.jsonl")
    sampler = Sampler(client, log, concurrency=2)

    def tick(tally) -> None:
        if tally.answered:
            stopped.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampler.run(_work(5000), tick)
    log.close()
    assert stopped.is_set()
    written = len(lines(tmp_path / "a.jsonl"))
    assert 0 < written < 20_000 and written % 4 == 0
    asked = len(client.asked)
    time.sleep(0.1)
    assert len(client.asked) == asked  # no thread goes on


def test_a_server_that_asks_to_wait_for_hours_fails_the_request(tmp_path: Path) -> None:
    def answer(request: Request, count: int) -> Response:
        raise TryAgain("quota", 7200.0, busy=True)

    tally = _run(tmp_path, _Client(answer), _work(1))
    assert tally.failures[0].reason == "quota (the server asks to wait 7200 s)"


def test_more_answers_than_asked_for_are_dropped(tmp_path: Path) -> None:
    def answer(request: Request, count: int) -> Response:
        return Response(tuple(Reply(f"r{k}") for k in range(count + 3)))

    assert _run(tmp_path, _Client(answer), _work(2)).answered == 8
    assert len(lines(tmp_path / "a.jsonl")) == 8


def test_an_unreadable_picture_fails_its_scene_only(tmp_path: Path) -> None:
    bad = View(tmp_path / "none.jpg", (WIDTH, HEIGHT), ((150.0, 100.0, 200.0, 200.0),))
    tally = _run(tmp_path, _Client(_replies), [*_work(1, 4, bad), *_work(3)[1:]])
    assert tally.answered == 8 and tally.failed == 4 and "none.jpg" in tally.failures[0].reason


def test_a_quota_of_the_day_ends_the_run(tmp_path: Path) -> None:
    def answer(request: Request, count: int) -> Response:
        if int(request.key[1:]) < 3:
            return _replies(request, count)
        raise TryAgain("quota", 7200.0, busy=True)

    client = _Client(answer)
    tally = _run(tmp_path, client, _work(300), concurrency=1)
    assert tally.answered == 12 and "7200 s" in tally.stopped and len(client.asked) == 28


@pytest.mark.parametrize("at_a_time", [1, 4])
@pytest.mark.parametrize("bad", [lambda n: n % 2, lambda n: n % 3 != 2, lambda n: n < 6 and n != 1])
def test_what_ran_out_of_attempts_is_asked_for_once_more(tmp_path: Path, monkeypatch, bad, at_a_time) -> None:
    """A server that breaks off every second request, two of three, or all of a while."""
    monkeypatch.setattr(sampling_module, "backoff", lambda *_: 0.0)
    lock, asked = threading.Lock(), 0

    def answer(request: Request, count: int) -> Response:
        nonlocal asked
        with lock:
            asked += 1
            if bad(asked - 1):
                raise TryAgain("broken off")
        return _replies(request, count)

    client = _Client(answer, candidates=1)
    tally = _run(tmp_path, client, _work(1, 5), attempts=3, concurrency=at_a_time)
    assert (tally.answered, tally.failed, tally.failures) == (5, 0, [])
    assert sorted(line["sample"] for line in lines(tmp_path / "a.jsonl")) == [0, 1, 2, 3, 4]
    assert not (tmp_path / "a.failed.jsonl").exists()


def test_the_last_round_comes_once_and_only_where_something_was_answered(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sampling_module, "backoff", lambda *_: 0.0)

    def answer(request: Request, count: int) -> Response:
        if request.key != "s1":
            raise TryAgain(f"no luck with {request.key}")
        return _replies(request, count)

    client = _Client(answer)
    tally = _run(tmp_path, client, _work(3), attempts=2, concurrency=1)
    assert (tally.answered, tally.failed) == (4, 8)
    assert [request.key for request in client.asked] == ["s0"] * 2 + ["s1"] + ["s2"] * 2 + ["s0"] * 2 + ["s2"] * 2
    assert [one.reason for one in tally.failures] == [f"no luck with {key} (2 attempts)" for key in ("s0", "s2")]

    client = _Client(answer)
    tally = _run(tmp_path / "none", client, _work(1), attempts=2, concurrency=1)
    assert (tally.answered, tally.failed, len(client.asked)) == (0, 4, 2)


def test_what_was_put_off_is_noted_when_the_run_is_stopped(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sampling_module, "backoff", lambda *_: 0.0)

    def answer(request: Request, count: int) -> Response:
        if request.key == "s0":
            raise TryAgain("broken off")
        if request.key == "s2":
            raise Unusable("the quota is spent")
        return _replies(request, count)

    tally = _run(tmp_path, _Client(answer), _work(3), attempts=2, concurrency=1)
    assert (tally.answered, tally.failed, tally.stopped) == (4, 4, "the quota is spent")
    assert [failure.reason for failure in tally.failures] == ["broken off (2 attempts)"]
