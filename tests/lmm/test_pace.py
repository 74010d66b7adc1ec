"""Limits per minute and waiting."""

from __future__ import annotations

import random
import threading
import time

import pytest

from prosepose_jax.lmm import pace as pace_module
from prosepose_jax.lmm.clients._http import retry_after
from prosepose_jax.lmm.pace import Pace, backoff


class _Clock:
    """Stands for time.monotonic and for an event that waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(pace_module.time, "monotonic", clock.monotonic)
    return clock


def test_requests_are_spread_over_the_minute(clock: _Clock) -> None:
    pace = Pace(requests_per_minute=30)
    times = []
    for _ in range(4):
        pace.acquire(1000, clock)
        times.append(clock.now - 100.0)
    assert times == [0.0, 2.0, 4.0, 6.0]
    clock.now += 60.0  # a pause is no credit for a burst
    pace.acquire(1000, clock)
    begin = clock.now
    pace.acquire(1000, clock)
    assert clock.now - begin == pytest.approx(2.0)


def test_tokens_are_spread_and_corrected(clock: _Clock) -> None:
    pace = Pace(tokens_per_minute=6000)
    pace.acquire(1000, clock)
    pace.acquire(1000, clock)
    assert clock.now == pytest.approx(110.0)
    pace.settle(1000, 400)  # the second took less than was thought
    pace.acquire(1000, clock)
    assert clock.now == pytest.approx(114.0)


def test_holding_stops_everyone(clock: _Clock) -> None:
    pace = Pace()
    pace.acquire(1, clock)
    assert clock.now == 100.0
    pace.hold(7.0)
    pace.hold(3.0)  # the longer one counts
    pace.acquire(1, clock)
    assert clock.now == pytest.approx(107.0)


def test_stopping_ends_the_waiting() -> None:
    pace, stop = Pace(requests_per_minute=0.1), threading.Event()
    pace.acquire(1, stop)
    threading.Timer(0.1, stop.set).start()
    begin = time.monotonic()
    pace.acquire(1, stop)
    assert time.monotonic() - begin < 10.0


def test_backoff_grows_is_jittered_and_respects_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "FIRST_WAIT_S", 0.5)
    rng = random.Random(0)
    for attempt, most in ((1, 0.5), (2, 1.0), (5, 8.0), (9, 60.0), (1000, 60.0)):
        waits = [backoff(attempt, None, rng) for _ in range(300)]
        assert 0.0 <= min(waits) < 0.1 * most and 0.9 * most < max(waits) <= most
    asked = [backoff(3, 20.0, rng) for _ in range(300)]
    assert min(asked) >= 20.0 and max(asked) <= 22.1 and len(set(asked)) > 200


def test_retry_after_in_all_its_forms() -> None:
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"retry-after": "0.5"}) == 0.5
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert retry_after({}) is None and retry_after({"retry-after": "soon"}) is None
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    assert 28.0 <= retry_after({"retry-after": later}) <= 30.5
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
