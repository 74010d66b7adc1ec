"""`prosepose fit --runner=ray`: the blocks of a run on the actors of a Ray cluster.

Every actor has one body and one set of compiled programs, and is given a block at a time with one more waiting. Ray
starts actors again that died; their blocks go to whoever is free, claimed anew. So all that holds for shards holds
here: a block is done once, and a scene that kills its workers is found and named. When the driver dies its actors do
too; the same command goes on.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import time
from collections.abc import Sequence
from typing import Any

from prosepose_jax.apps._blocks import CAREFUL_AFTER, BlockFitter, Job, board_of, container_of, lock_run
from prosepose_jax.apps._progress import Progress
from prosepose_jax.apps._ray_cluster import Cluster, actor_resources, enter, how_many, joined
from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.apps._shards import BLOCK_SCENES, held
from prosepose_jax.apps._telemetry import open_log, resources
from prosepose_jax.errors import InputError
from prosepose_jax.scale import records
from prosepose_jax.scale.crew import LEASE_S, Claims, Crew, Heartbeat, make_worker_name
from prosepose_jax.scale.plan import Block, load_plan
from prosepose_jax.scale.shard import Shard
from prosepose_jax.scale.sources import SceneSource, answers_at
from prosepose_jax.storage import open_store
from prosepose_jax.untrusted import one_line

_WAITING = 2  # blocks that an actor has: one in work, one that needs no word from the driver
_POLL_S = 1.0


@dataclasses.dataclass(frozen=True)
class RayOptions:
    """How a run uses a cluster.

    Attributes:
      cluster: which one.
      block_scenes: of a block, where the run is not planned yet.
      lease_s: after how many silent seconds a worker of another driver is dead.
    """

    cluster: Cluster = dataclasses.field(default_factory=Cluster)
    block_scenes: int | None = None
    lease_s: float = LEASE_S


class Worker:
    """What runs in an actor: fits blocks that it is told."""

    def __init__(self, folder: str, job: Job, index: int, count: int, block_scenes: int, lease_s: float) -> None:
        """`folder`: the driver's; the others as of `run_on_ray`."""
        enter(folder)
        set_up_jax()
        self._store = open_store(job.workdir)
        source = SceneSource(job.scenes, job.images)
        self._shard = Shard(index, count, "ray")
        worker = make_worker_name(self._shard)
        # An actor has no end of its own: the log and the heartbeat end with its process.
        self._opened = open_log(self._store, worker)
        self._log = self._opened.__enter__()
        self._blocks = load_plan(self._store, source.parts, block_scenes)
        answers = answers_at(job.answers)
        self._board = board_of(self._store, job, worker)
        self._board.__enter__()
        self._fitter = BlockFitter(job, source, self._store, self._blocks, answers, self._log, self._note, self._board)
        self._claims = Claims(self._store, worker)
        tally = self._fitter.tally
        self._heartbeat = Heartbeat(self._store, worker, self._shard, lease_s, lambda: vars(tally) | resources())
        self._heartbeat.__enter__()

    def _note(self, text: str) -> None:
        self._log.add("note", text=text)

    def ready(self) -> str:
        """Says that the actor can work; returns its worker's name."""
        return self._heartbeat.worker

    def fit(self, number: int, claims: int) -> dict[str, Any] | None:
        """Fits a block that was claimed so often before; None when somebody else has claimed it since."""
        block = self._blocks[number]
        record = records.read_record(self._store, block.id)
        if not self._fitter.is_done(block, record):
            self._claims.seen(block.id, claims)
            if not self._claims.take(block.id):
                return None
            record = self._fitter.fit(block, self._heartbeat.worker, self._shard.index, claims + 1)
        assert record is not None
        return {"scenes": len(record.scenes), "failures": record.failures}

    def end(self) -> None:
        """Says goodbye: the worker is not missed."""
        self._board.__exit__(None, None, None)
        self._heartbeat.__exit__(None, None, None)


def run_on_ray(job: Job, options: RayOptions) -> dict[str, str]:
    """Does a whole run; returns the scenes that failed, with the reason.

    Raises:
      InputError: Ray is not installed or its cluster cannot be reached, or the run's input cannot be used.
    """
    store = open_store(job.workdir)
    source = SceneSource(job.scenes, job.images)
    with held(store):
        lock_run(store, job, container_of(job, source, store))
        blocks = load_plan(store, source.parts, options.block_scenes or BLOCK_SCENES)
        total = sum(len(block.keys) for block in blocks)
        with joined(options.cluster) as ray, Progress(total, "fit on ray") as progress:
            return _Driver(ray, job, options, blocks, progress).run()


class _Driver:
    """Gives blocks to actors and takes what comes back."""

    def __init__(self, ray: Any, job: Job, options: RayOptions, blocks: Sequence[Block], progress: Progress) -> None:
        self._ray, self._job, self._options, self._blocks, self._progress = ray, job, options, blocks, progress
        self._store = open_store(job.workdir)
        self._claims, self._crew = Claims(self._store, "driver"), Crew(self._store, options.lease_s)
        self._failures: dict[str, str] = {}
        self._tries: collections.Counter[int] = collections.Counter()
        self._waiting: collections.deque[int] = collections.deque()
        self._running: dict[Any, tuple[int, int | None]] = {}  # of each call the actor and the block; None: `ready`
        self._has: collections.Counter[int] = collections.Counter()  # blocks of each actor that is ready
        self._ready: set[int] = set()

    def run(self) -> dict[str, str]:
        self._waiting.extend(block.number for block in self._blocks)
        cluster = self._ray.cluster_resources()
        wanted = actor_resources(cluster)
        count = min(self._options.cluster.actors or how_many(cluster, wanted), max(1, len(self._blocks)))
        worker = self._ray.remote(max_restarts=-1, max_task_retries=0, **wanted)(Worker)
        size = self._options.block_scenes or BLOCK_SCENES
        here, lease_s = os.getcwd(), self._options.lease_s
        self._actors = [worker.remote(here, self._job, index, count, size, lease_s) for index in range(count)]
        for index in range(count):
            self._call(index, None)
        self._look()
        while self._waiting or any(number is not None for _, number in self._running.values()):
            self._give_out()
            done, _ = self._ray.wait(list(self._running), timeout=_POLL_S)
            for call in done:
                self._take_back(call)
            if not done and self._waiting:
                self._look()
        self._ray.get([self._actors[index].end.remote() for index in self._ready], timeout=60)
        return self._failures

    def _look(self) -> None:
        self._claims.look()
        self._crew.look()

    def _call(self, actor: int, number: int | None) -> None:
        if number is None:
            call = self._actors[actor].ready.remote()
        else:
            call = self._actors[actor].fit.remote(number, self._claims.number(self._blocks[number].id))
            self._has[actor] += 1
        self._running[call] = (actor, number)

    def _give_out(self) -> None:
        """Blocks to actors that have room; those that a worker of another driver may still have stay."""
        for actor in sorted(self._ready, key=self._has.__getitem__):
            for _ in range(len(self._waiting)):
                if self._has[actor] >= _WAITING:
                    break
                number = self._waiting.popleft()
                if self._is_free(number):
                    self._call(actor, number)
                else:
                    self._waiting.append(number)

    def _is_free(self, number: int) -> bool:
        block = self._blocks[number].id
        owner = self._claims.owner(block)
        if not owner or not self._crew.is_alive(owner):
            return True
        record = records.read_record(self._store, block)
        return record is not None and record.tries >= self._claims.number(block)

    def _take_back(self, call: Any) -> None:
        actor, number = self._running.pop(call)
        if number is not None:
            self._has[actor] -= 1
        try:
            result = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            if getattr(error, "actor_init_failed", False):  # it could not even begin, and so could no other
                raise InputError(f"a worker cannot start: {str(error).strip().splitlines()[-1]}") from None
            self._lost(actor, number, "its worker died")
            return
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, InputError):  # of the run as a whole: no other actor can do better
                raise InputError(str(cause)) from None
            self._lost(actor, number, f"its worker failed: {one_line(cause).strip()[:300]}")
            return
        if number is None:
            self._ready.add(actor)
        elif result is None:  # another driver was faster
            self._look()
            self._waiting.append(number)
        else:
            self._failures |= result["failures"]
            self._progress.step("", result["scenes"])

    def _lost(self, actor: int, number: int | None, why: str) -> None:
        """A call that did not come back: the actor must answer again, its block goes to whoever is free."""
        if actor in self._ready or number is None:
            self._ready.discard(actor)
            if number is None:
                time.sleep(_POLL_S)
            self._call(actor, None)
        if number is None:
            return
        self._look()
        self._tries[number] += 1
        block = self._blocks[number]
        self._progress.say(f"note: block {block.id}: {why}; it is given out again")
        if self._tries[number] > CAREFUL_AFTER + 1 + len(block.keys):
            raise InputError(f"block {block.id}: {why}, and so did all others that tried it")
        self._waiting.append(number)
