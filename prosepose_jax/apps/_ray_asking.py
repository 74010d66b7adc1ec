"""`prosepose ask --runner=ray`: pictures are cut and requests sent by the actors of a Ray cluster.

What is asked, at what pace, what is tried again and what is written stays with the sampler of the driver
(`lmm.sampling`): so the limits a minute are the cluster's, exactly, and the answers file is one. To the sampler the
cluster is a client. A request whose actor died is tried again like one that broke off.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from prosepose_jax.apps._ray_cluster import Cluster, enter, joined
from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients import (
    Client,
    ModelSettings,
    Picture,
    Rejected,
    Request,
    Response,
    TryAgain,
    Unreadable,
    Unusable,
    open_client,
)
from prosepose_jax.lmm.clients._discreet import DiscreetClient
from prosepose_jax.lmm.crops import View, take_picture

Views = Mapping[tuple[str, tuple[int, int]], View]


@dataclasses.dataclass(frozen=True)
class Opening:
    """How an actor opens its client; plain values. See `open_client`."""

    name: str
    model: str
    settings: ModelSettings
    base_url: str | None
    key: str | None = dataclasses.field(repr=False)
    candidates: int


class Asker:
    """What runs in an actor: several requests at a time, each with its picture cut here."""

    def __init__(self, folder: str, opening: Opening, at_a_time: int) -> None:
        """`folder`: the driver's, to which pictures are relative; `at_a_time`: requests of this actor."""
        enter(folder)
        self._client = DiscreetClient(
            open_client(
                opening.name, opening.model, opening.settings, opening.base_url, candidates=opening.candidates,
                key=opening.key,
            )
        )  # fmt: skip
        # The requests about a picture come one after the other, and to one actor.
        self._picture = functools.lru_cache(maxsize=2 * at_a_time)(take_picture)

    def ask(self, request: Request, view: View | None, count: int) -> Response | Exception:
        """The response, or what `Client.ask` raises: as a value, for Ray would print the error of a task."""
        if view is not None:
            try:
                request = dataclasses.replace(request, picture=self._picture(view))
            except InputError as error:
                return Unreadable(str(error))
        try:
            return self._client.ask(request, count)
        except (TryAgain, Rejected, Unusable) as error:
            return error


class RayClient:
    """The actors of a cluster as one client.

    Attributes: see `Client`.
    """

    def __init__(self, ray: Any, local: Client, opening: Opening, views: Views, actors: int, at_a_time: int) -> None:
        """
        Args:
          ray: joined to the cluster.
          local: the same client in this process, which is not asked.
          opening: for the actors.
          views: what is shown of each scene and pair.
          actors: how many.
          at_a_time: requests of the whole cluster.
        """
        self.model, self.candidates, self.sees, self.secrets = local.model, local.candidates, local.sees, local.secrets
        self._ray, self._local, self._views = ray, local, views
        each = -(-at_a_time // actors)
        # An actor that died is started again, and what it was asked fails: the sampler tries it again.
        make = ray.remote(num_cpus=1, max_concurrency=each, max_restarts=-1, max_task_retries=0)(Asker)
        self._actors = [make.remote(os.getcwd(), opening, each) for _ in range(actors)]

    def ask(self, request: Request, count: int) -> Response:
        """See `Client`."""
        place = zlib.crc32(repr((request.key, request.pair)).encode("utf-8", "replace")) % len(self._actors)
        view = self._views.get((request.key, request.pair))
        call = self._actors[place].ask.remote(dataclasses.replace(request, picture=None), view, count)
        try:
            found = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            if getattr(error, "actor_init_failed", False):
                raise Unusable(f"a worker cannot start: {str(error).strip().splitlines()[-1]}") from None
            raise TryAgain("the worker that asked died") from None
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """See `Client`."""
        self._local.close()


def placeholder(view: View) -> Picture:
    """A picture of the view's size and without content, in the place of the one that an actor will cut."""
    return Picture(b"", *view.size)


@contextlib.contextmanager
def asked_on_ray(cluster: Cluster, local: Client, opening: Opening, views: Views, at_a_time: int) -> Iterator[Client]:
    """A client that asks by the actors of a cluster, one a core unless the flags say how many.

    Raises:
      InputError: Ray is not installed, or the cluster cannot be reached.
    """
    with joined(cluster) as ray:
        actors = cluster.actors or int(ray.cluster_resources().get("CPU", 1))
        yield RayClient(ray, local, opening, views, max(1, min(actors, at_a_time)), at_a_time)
