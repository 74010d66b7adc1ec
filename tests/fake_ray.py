"""What the drivers of Ray runs need of Ray, with actors of this process that can die."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any


class Killed(BaseException):
    """A worker's process died here."""


class ActorDied(Exception):
    actor_init_failed = False


class TaskFailed(Exception):
    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Call:
    """A call that is made when it is waited for."""

    def __init__(self, actor: Actor, make: Callable[[Any], Any]) -> None:
        self.actor, self.make = actor, make


class Actor:
    """An actor that is made anew when its process died."""

    def __init__(self, start: Callable[[], Any]) -> None:
        self.start = start
        self.inside: Any = None

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Call:
            return Call(self, lambda inside: getattr(inside, name)(*arguments))

        return types.SimpleNamespace(remote=remote)

    def run(self, call: Call) -> Any:
        try:
            if self.inside is None:
                self.inside = self.start()
            return call.make(self.inside)
        except Killed as error:
            if hasattr(self.inside, "_heartbeat"):
                self.inside._heartbeat._ended.set()
            self.inside = None
            raise ActorDied from error
        except Exception as error:
            raise TaskFailed(error) from error


class FakeRay:
    """What the driver needs of Ray."""

    exceptions = types.SimpleNamespace(RayActorError=ActorDied, RayTaskError=TaskFailed)

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.asked: dict[str, Any] = {}

    def put(self, value: Any) -> Any:
        return value

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, **asked: Any) -> Callable[[Any], Any]:
        self.asked = asked

        def decorate(kind: Any) -> Any:
            def start(*arguments: Any) -> Actor:
                self.actors.append(Actor(lambda: kind(*arguments)))
                return self.actors[-1]

            return types.SimpleNamespace(remote=start)

        return decorate

    def wait(self, calls: Sequence[Call], timeout: float) -> tuple[list[Call], list[Call]]:
        return list(calls[:1]), list(calls[1:])

    def get(self, call: Any, timeout: float | None = None) -> Any:
        return [self.get(one) for one in call] if isinstance(call, list) else call.actor.run(call)
