"""How fast to ask: limits of requests and tokens a minute, and waiting when the server has enough."""

from __future__ import annotations

import random
import threading
import time

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
LONGEST_ASKED_WAIT_S = 300.0
"""A server that asks for more (a daily quota) fails the request."""


class Pace:
    """Spreads requests and tokens evenly over the minute. Used by several threads."""

    def __init__(self, requests_per_minute: float = 0.0, tokens_per_minute: float = 0.0) -> None:
        """0: no limit."""
        self._gap = 60.0 / requests_per_minute if requests_per_minute > 0 else 0.0
        self._per_token = 60.0 / tokens_per_minute if tokens_per_minute > 0 else 0.0
        self._lock = threading.Lock()
        self._next_request = self._next_token = self._held = 0.0

    def acquire(self, tokens: float, stop: threading.Event) -> None:
        """Waits until a request of so many tokens may go; returns early when `stop` is set."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_request, self._next_token)
            if self._gap:
                self._next_request = max(now, self._next_request) + self._gap
            if self._per_token:
                self._next_token = max(now, self._next_token) + tokens * self._per_token
        while not stop.is_set():
            wait = max(start, self._held) - time.monotonic()
            if wait <= 0:
                return
            stop.wait(wait)

    def settle(self, estimated: float, actual: float) -> None:
        """Corrects what `acquire` took by what the server counted."""
        with self._lock:
            self._next_token += (actual - estimated) * self._per_token

    def hold(self, seconds: float) -> None:
        """No request goes for so long: the server said so to one of them."""
        with self._lock:
            self._held = max(self._held, time.monotonic() + seconds)


def backoff(attempt: int, asked_s: float | None, rng: random.Random) -> float:
    """Seconds to wait after a failed attempt: exponential with full jitter, and at least what the server asks for.

    Args:
      attempt: how many have failed, from 1.
      asked_s: what the server asks for.
      rng: for the jitter.
    """
    drawn = rng.uniform(0.0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt - 1, 16)))
    # Jitter on top too: all threads were told the same time.
    return drawn if asked_s is None else asked_s + min(drawn, 0.1 * asked_s + 0.05)
