"""A limit on the whole time of a call into a library that has none.

The time-outs of the official packages hold for one read of the connection: a server that sends a byte now and
then keeps a call for ever. Such a call is left to itself in its thread when its time is up.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from prosepose_jax.lmm.clients.base import TryAgain

Result = TypeVar("Result")


class WholeTime:
    """Runs calls in helper threads that are reused; one that does not come back in time is abandoned."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._local = threading.local()

    def call(self, function: Callable[[], Result]) -> Result:
        """The function's result, or what it raises.

        Raises:
          TryAgain: it took longer than the limit.
        """
        helper: _Helper | None = getattr(self._local, "helper", None)
        if helper is None:
            helper = self._local.helper = _Helper()
        helper.todo.put(function)
        try:
            value, error = helper.done.get(timeout=self._limit_s)
        except queue.Empty:
            self._local.helper = None
            helper.todo.put(None)  # ends its thread when the call returns after all
            raise TryAgain(f"no whole response within {self._limit_s:g} s") from None
        if error is not None:
            raise error
        result: Result = value
        return result


class _Helper:
    def __init__(self) -> None:
        self.todo: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        # A daemon: a call that never returns must not keep the program from ending.
        threading.Thread(target=self._run, name="request", daemon=True).start()

    def _run(self) -> None:
        while (function := self.todo.get()) is not None:
            try:
                result, error = function(), None
            except BaseException as caught:  # handed on to the caller, whatever it is
                result, error = None, caught
            self.done.put((result, error))
            del function, result, error
