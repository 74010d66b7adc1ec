"""One worker of a divided run: takes its shard's blocks, then those of dead shards, until none is left.

What a run without shards promises holds here too: nothing is lost, nothing is half-written, finished scenes are not
fitted again. A block that its worker did not finish is done anew by whoever finds that worker dead.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prosepose_jax import __version__
from prosepose_jax.apps._blocks import BlockFitter, Job, board_of, container_of, lock_run
from prosepose_jax.apps._compiling import say_compilations
from prosepose_jax.apps._log import Log
from prosepose_jax.apps._progress import Progress
from prosepose_jax.apps._telemetry import open_log, resources
from prosepose_jax.apps._usage import say_failures
from prosepose_jax.fitting.compiled import Compilation, watch
from prosepose_jax.io.claim import make_folder, shared
from prosepose_jax.scale import records
from prosepose_jax.scale.crew import LEASE_S, Claims, Crew, Heartbeat, make_worker_name
from prosepose_jax.scale.plan import Block, load_plan, shard_of
from prosepose_jax.scale.shard import Shard
from prosepose_jax.scale.sources import SceneSource, answers_at
from prosepose_jax.storage import LocalStore, Store, open_store
from prosepose_jax.untrusted import one_line

BLOCK_SCENES = 64
_POLLS_A_LEASE = 12


def run_shard(
    job: Job, shard: Shard, block_scenes: int | None = None, lease_s: float = LEASE_S, alone: bool = False,
    together: bool = False,
) -> int:  # fmt: skip
    """Does a shard of a run.

    Args:
      job: the run.
      shard: this worker's.
      block_scenes: scenes of a block, where the run is not planned yet; None: `BLOCK_SCENES`.
      lease_s: after how many silent seconds another worker counts as dead.
      together: whether to end only when the other shards do, as `jax.distributed` asks.
      alone: whether the caller merges the run now and says then what failed.

    Returns:
      The exit status: 0, or 1 when scenes of the shard failed.

    Raises:
      InputError: scenes, answers, config, body or place cannot be used.
    """
    store = open_store(job.workdir)
    source = SceneSource(job.scenes, job.images)
    worker = make_worker_name(shard)
    with held(store), open_log(store, worker) as log, say_compilations(), watch(functools.partial(_note, log)):
        lock_run(store, job, container_of(job, source, store))
        blocks = load_plan(store, source.parts, block_scenes or BLOCK_SCENES)
        log.add("start", version=__version__, shard=shard.index, count=shard.count, scenes=source.num_scenes)
        answers = answers_at(job.answers)
        mine = [block for block in blocks if shard_of(block, shard.count) == shard.index]
        total = sum(len(block.keys) for block in mine)
        with (
            Progress(total, f"shard {shard.index} of {shard.count}") as progress,
            board_of(store, job, worker) as board,
        ):

            def say(text: str) -> None:
                progress.say(f"note: {one_line(text)}")
                log.add("note", text=text)

            fitter = BlockFitter(job, source, store, blocks, answers, log, say, board)

            def tell() -> dict[str, Any]:
                return vars(fitter.tally) | {"scenes_to_do": total} | resources()

            with Heartbeat(store, worker, shard, lease_s, tell) as heartbeat:
                work = _Work(store, fitter, heartbeat, shard, blocks, lease_s, progress, log)
                failures = work.do_all()
                if together:
                    work.wait_for_others()
        log.add("end", status=1 if failures else 0, **vars(fitter.tally))
    if alone:
        return 1 if failures else 0
    say_failures(failures)
    print(
        f"shard {shard.index} of {shard.count} ({shard.told_by}): {fitter.tally.scenes} scenes fitted in "
        f"{fitter.tally.blocks} blocks, {len(failures)} failed; when all shards are done: prosepose merge {job.workdir}"
    )
    return 1 if failures else 0


@contextlib.contextmanager
def held(store: Store) -> Iterator[None]:
    """Keeps runs without shards out of a folder while workers are in it."""
    if not isinstance(store, LocalStore):
        yield
        return
    make_folder(store.folder, "the folder of a run")
    with shared(store.folder):
        yield


def _note(log: Log, event: Compilation) -> None:
    if event.seconds is not None:
        log.add("compiled", program=event.program, seconds=round(event.seconds, 3), cached=event.cached)


class _Work:
    """The blocks of a run as one worker goes through them."""

    def __init__(
        self, store: Store, fitter: BlockFitter, heartbeat: Heartbeat, shard: Shard, blocks: Sequence[Block],
        lease_s: float, progress: Progress, log: Log,
    ) -> None:  # fmt: skip
        self._store, self._fitter, self._heartbeat, self._shard = store, fitter, heartbeat, shard
        self._blocks, self._lease_s, self._progress, self._log = blocks, lease_s, progress, log
        self._crew, self._claims = Crew(store, lease_s), Claims(store, heartbeat.worker)

    def do_all(self) -> dict[str, str]:
        """Does what there is to do; returns the failures of the own shard, {key: reason}."""
        finished = records.finished_blocks(self._store)
        self._look()
        # Failed scenes of earlier runs are tried again, once: claims that come later are other workers' tries.
        before = {block: self._claims.number(block) for block in finished}
        failures: dict[str, str] = {}
        waiting: list[Block] = []
        for block in self._own():
            record = records.read_record(self._store, block.id) if block.id in finished else None
            if self._fitter.is_done(block, record):
                assert record is not None
                failures |= self._count(record, "done already")
            else:
                waiting.append(block)
        self._go_through(waiting, failures, lambda block: self._claims.number(block.id) == before.get(block.id))
        self._steal()
        return failures

    def wait_for_others(self) -> None:
        """Waits until all blocks are done, doing those of shards that die; or until nobody else lives."""
        while True:
            self._steal()
            left = {block.id for block in self._blocks if block.keys} - records.finished_blocks(self._store)
            others = [worker for worker in self._crew.names if worker != self._heartbeat.worker]
            if not left or not any(map(self._crew.is_alive, others)):
                return
            time.sleep(self._lease_s / _POLLS_A_LEASE)

    def _own(self) -> list[Block]:
        return [block for block in self._blocks if shard_of(block, self._shard.count) == self._shard.index]

    def _look(self) -> None:
        self._crew.look()
        self._claims.look()

    def _go_through(self, waiting: list[Block], failures: dict[str, str], may_redo: Callable[[Block], bool]) -> None:
        """Does blocks, also those that others have when these die; ends when all are done."""
        while waiting:
            held_by_others: list[Block] = []
            for block in waiting:
                record = self._record_of_another(block, may_redo(block))
                if record is None and self._is_free(block) and self._claims.take(block.id):
                    record = self._do(block)
                if record is None:
                    held_by_others.append(block)
                else:
                    failures |= self._count(record, record.worker)
            waiting = held_by_others
            if waiting:
                time.sleep(self._lease_s / _POLLS_A_LEASE)
                self._look()

    def _record_of_another(self, block: Block, may_redo: bool) -> records.BlockRecord | None:
        """The record of a block that another worker finished meanwhile."""
        if may_redo:
            return None
        record = records.read_record(self._store, block.id)
        return record if record is not None and record.tries >= self._claims.number(block.id) else None

    def _is_free(self, block: Block) -> bool:
        """Whether nobody alive has the block."""
        owner = self._claims.owner(block.id)
        if not owner or not self._crew.is_alive(owner):
            return True
        # Alive, but done with it: the record says so.
        record = records.read_record(self._store, block.id)
        return record is not None and record.tries >= self._claims.number(block.id)

    def _do(self, block: Block) -> records.BlockRecord:
        claim = self._claims.number(block.id)
        self._log.add("claim", block=block.id, claim=claim, shard=shard_of(block, self._shard.count))
        return self._fitter.fit(block, self._heartbeat.worker, self._shard.index, claim)

    def _count(self, record: records.BlockRecord, note: str) -> dict[str, str]:
        self._progress.step(note, len(record.scenes))
        return record.failures

    def _steal(self) -> None:
        """Does what is left of shards that were begun and whose workers are all dead."""
        self._look()
        finished = records.finished_blocks(self._store)
        for block in self._blocks:
            index = shard_of(block, self._shard.count)
            if block.id in finished or index == self._shard.index or not block.keys:
                continue
            if not self._crew.shard_is_dead(index, self._shard.count) or not self._is_free(block):
                continue
            if self._claims.take(block.id):
                self._log.add("stolen", block=block.id, shard=index)
                self._do(block)
                self._look()
                finished = records.finished_blocks(self._store)
