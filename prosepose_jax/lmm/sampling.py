"""Asks for all missing answers: threads, retries, and every answer on file the moment it comes.

One thread prepares pictures and cuts the work into requests, `concurrency` threads send them. Between them is a
short queue, so memory does not grow with the data set: a picture is gone when its last request is.

A server that breaks off now and then fails a request several times in a row by chance. So what ran out of attempts is
put off, and asked for once more at the end, by few threads, if the server has answered anything at all.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.answer_log import AnswerLog, AskedFor
from prosepose_jax.lmm.clients._discreet import DiscreetClient
from prosepose_jax.lmm.clients.base import (
    Client,
    Picture,
    Rejected,
    Reply,
    Request,
    Response,
    TryAgain,
    Unreadable,
    Unusable,
)
from prosepose_jax.lmm.crops import View, take_picture
from prosepose_jax.lmm.estimate import ImageTokens, request_tokens
from prosepose_jax.lmm.pace import LONGEST_ASKED_WAIT_S, Pace, backoff
from prosepose_jax.lmm.questions import Question

FAILURES_IN_A_ROW = 25
"""Requests that may fail one after the other before the rest is not even tried."""

_TICK_S = 0.25
# The last round asks for this many times fewer requests at a time: one, where few were put off.
_LAST_ROUND_SHARE = 8


@dataclasses.dataclass(frozen=True)
class Work:
    """A question and the samples that are missing of it."""

    question: Question
    samples: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Failure:
    """Samples that could not be had, and why."""

    key: str
    pair: tuple[int, int]
    samples: tuple[int, ...]
    reason: str


@dataclasses.dataclass
class Tally:
    """What has come of a run so far."""

    answered: int = 0  # answers on file, the next three kinds among them
    refused: int = 0
    empty: int = 0
    cut_off: int = 0  # empty because the limit of tokens was reached before any text
    failed: int = 0  # answers that could not be had
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    failures: list[Failure] = dataclasses.field(default_factory=list)
    stopped: str = ""  # why the rest was not asked


def missing_work(
    questions: Iterable[Question], num_answers: int, model: str, there: Mapping[AskedFor, set[int]]
) -> list[Work]:
    """The samples of each question that are not `there` yet."""
    work = []
    for question in questions:
        have = there.get(asked_for(question, model), set())
        samples = tuple(sample for sample in range(num_answers) if sample not in have)
        if samples:
            work.append(Work(question, samples))
    return work


def asked_for(question: Question, model: str) -> AskedFor:
    """What answers to a question are filed under."""
    return AskedFor(question.key, question.pair, model, question.prompt.name, question.input_hash)


@dataclasses.dataclass(frozen=True)
class _Item:
    question: Question
    request: Request


@dataclasses.dataclass(frozen=True)
class _PutOff:
    """Work that ran out of attempts, without its picture, and why."""

    work: Work
    reason: str


class _Stopped(Exception):
    """The run ends; what was to be done is left for the next one."""


class Sampler:
    """Runs the requests of a client."""

    def __init__(
        self,
        client: Client,
        log: AnswerLog,
        *,
        failed_file: Path | None = None,
        temperature: float | None = None,
        concurrency: int = 8,
        attempts: int = 10,
        pace: Pace | None = None,
        image_tokens: ImageTokens | None = None,
        take: Callable[[View], Picture] | None = None,
        seed: int | None = None,
    ) -> None:
        """
        Args:
          client: whom to ask.
          log: where answers go.
          failed_file: where failures go, a line each; made only if there are any.
          temperature: recorded with the answers.
          concurrency: requests at a time.
          attempts: how often a request is tried.
          pace: limits per minute.
          image_tokens: how the model counts images, for the limit of tokens.
          take: cuts a picture; None: `crops.take_picture`.
          seed: of the jitter, for tests.
        """
        self._take = take_picture if take is None else take
        self.tally = Tally()
        self._client, self._log, self._failed_file = DiscreetClient(client), log, failed_file
        self._temperature, self._concurrency, self._attempts = temperature, concurrency, attempts
        self._pace, self._image_tokens = pace or Pace(), image_tokens
        self._rng = random.Random(seed)
        self._queue: queue.Queue[_Item | None] = queue.Queue(maxsize=2 * concurrency)
        self._put_off: list[_PutOff] = []
        self._last_round = False
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._several_came = False  # whether a request for several answers has ever worked
        self._broken: BaseException | None = None

    def run(self, work: Iterable[Work], tick: Callable[[Tally], None] = lambda tally: None) -> Tally:
        """Asks for everything; `tick` is called a few times a second from this thread.

        Raises:
          Unusable: no request can succeed, and none has.
          OSError: the answers cannot be written.
          KeyboardInterrupt: passed on, after what came is on disk.
        """
        try:
            self._round(work, self._concurrency, tick)
            if self._put_off and self.tally.answered and not self._stop.is_set():
                again, self._put_off, self._last_round = self._put_off, [], True
                at_a_time = min(self._concurrency, max(1, len(again) // _LAST_ROUND_SHARE))
                self._round((one.work for one in again), at_a_time, tick)
        finally:
            self._stop.set()
            self._log.sync()
            for one in self._put_off:
                self._fail(one.work.question, one.work.samples, one.reason)
        if isinstance(self._broken, Unusable):
            if not self.tally.answered:
                raise self._broken
            self.tally.stopped = str(self._broken)
        elif self._broken is not None:
            raise self._broken
        return self.tally

    def _round(self, work: Iterable[Work], at_a_time: int, tick: Callable[[Tally], None]) -> None:
        """Asks for all of `work` once, by so many threads."""
        threads = [threading.Thread(target=self._guarded, args=(self._prepare, work, at_a_time), daemon=True)]
        threads += [threading.Thread(target=self._guarded, args=(self._work,), daemon=True) for _ in range(at_a_time)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_TICK_S)
                self._log.sync()
                tick(self.tally)

    def _guarded(self, function: Callable[..., None], *args: Any) -> None:
        """Runs one thread; an error that concerns everything ends the run."""
        try:
            function(*args)
        except _Stopped:
            pass
        except BaseException as error:
            with self._lock:
                self._broken = self._broken or error
            self._stop.set()

    def _prepare(self, work: Iterable[Work], askers: int) -> None:
        for one in work:
            try:
                picture = self._take(one.question.view) if one.question.view is not None else None
            except InputError as error:
                self._fail(one.question, one.samples, str(error))
                continue
            for item in self._items(one, picture):
                self._put(item)
        for _ in range(askers):
            self._put(None)

    def _items(self, one: Work, picture: Picture | None) -> Iterable[_Item]:
        """The requests of a question: samples that share a caption together, as many as one request may ask for."""
        question = one.question
        by_caption: dict[str, list[int]] = collections.defaultdict(list)
        for sample in one.samples:
            by_caption[question.caption(sample)].append(sample)
        for caption, samples in by_caption.items():
            system, user = (
                text.replace("{caption}", caption) for text in (question.prompt.system, question.prompt.user)
            )
            while samples:
                # Read anew each time: the client may turn out to give one answer a request only.
                size = max(1, self._client.candidates)
                chunk, samples = tuple(samples[:size]), samples[size:]
                yield _Item(question, Request(question.key, question.pair, chunk, system, user, picture))

    def _put(self, item: _Item | None) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_TICK_S)
                return
        raise _Stopped

    def _work(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=_TICK_S)
            except queue.Empty:
                if self._stop.is_set():
                    return
                continue
            if item is None or self._stop.is_set():
                return
            self._ask_for_all(item)
            del item  # and with it the picture, before waiting for the next

    def _ask_for_all(self, item: _Item) -> None:
        """Asks until all samples of an item are there; servers may give fewer answers than were asked for."""
        missing = list(item.request.samples)
        while missing:
            request = dataclasses.replace(item.request, samples=tuple(missing[: max(1, self._client.candidates)]))
            try:
                response = self._ask_until_answered(request)
            except (TryAgain, Rejected) as error:
                self._give_up(item.question, tuple(missing), error)
                if not isinstance(error, Unreadable):
                    self._count_failure(error)
                return
            replies = response.replies[: len(missing)]
            records = [
                self._record(item.question, sample, reply)
                for sample, reply in zip(missing[: len(replies)], replies, strict=True)
            ]
            self._log.append(records)
            self._count(replies, response)
            del missing[: len(replies)]

    def _ask_until_answered(self, request: Request) -> Response:
        """One request with its retries."""
        count = len(request.samples)
        attempt, alone = 0, False
        while True:
            tokens = request_tokens(request, count, self._image_tokens)
            self._pace.acquire(tokens, self._stop)
            if self._stop.is_set():
                raise _Stopped
            try:
                response = self._ask_once(request, count)
            except Unreadable:
                raise
            except Rejected:
                # Servers and models without several answers a request say so in many ways: see whether one works.
                if count == 1 or self._several_came:
                    raise
                alone, count, request = True, 1, dataclasses.replace(request, samples=request.samples[:1])
                continue
            except TryAgain as error:
                attempt += 1
                wait = backoff(attempt, error.wait_s, self._rng)
                if error.wait_s is not None and error.wait_s > LONGEST_ASKED_WAIT_S:
                    reason = f"{error} (the server asks to wait {error.wait_s:.0f} s)"
                    raise TryAgain(reason, error.wait_s) from error
                if attempt >= self._attempts:
                    raise TryAgain(f"{error} ({attempt} attempts)") from error
                if error.busy and error.wait_s is not None:
                    self._pace.hold(error.wait_s)
                with self._lock:
                    self.tally.retries += 1
                self._stop.wait(wait)
                continue
            if alone:
                self._client.candidates = 1
            self._several_came |= count > 1
            if response.tokens_in or response.tokens_out:
                self._pace.settle(tokens, response.tokens_in + response.tokens_out)
            return response

    def _ask_once(self, request: Request, count: int) -> Response:
        response = self._client.ask(request, count)
        if not response.replies:
            raise TryAgain("the response holds no answers")
        return response

    def _record(self, question: Question, sample: int, reply: Reply) -> dict[str, Any]:
        record: dict[str, Any] = {
            "key": question.key,
            "sample": sample,
            "text": reply.text,
            "model": self._client.model,
            "prompt": question.prompt.name,
            "time": round(time.time(), 3),
            "pair": list(question.pair),
            "order": question.order,
        }
        if question.input_hash:
            record["input"] = question.input_hash
        if self._temperature is not None:
            record["temperature"] = self._temperature
        if reply.finish:
            record["finish"] = reply.finish
        if reply.refused:
            record["refused"] = reply.refused
        elif not reply.text.strip():
            record["empty"] = True
        return record

    def _count(self, replies: Sequence[Reply], response: Response) -> None:
        with self._lock:
            self._in_a_row = 0
            tally = self.tally
            tally.answered += len(replies)
            tally.refused += sum(bool(reply.refused) for reply in replies)
            empty = [reply for reply in replies if not reply.refused and not reply.text.strip()]
            tally.empty += len(empty)
            tally.cut_off += sum(reply.finish.lower() in ("max_tokens", "length") for reply in empty)
            tally.tokens_in += response.tokens_in
            tally.tokens_out += response.tokens_out

    def _count_failure(self, error: Exception) -> None:
        """Ends the run when nothing works any more."""
        with self._lock:
            # A rejected request says nothing about others once some were answered.
            self._in_a_row += not (isinstance(error, Rejected) and self.tally.answered)
            if not self.tally.stopped and self._in_a_row >= max(FAILURES_IN_A_ROW, 2 * self._concurrency):
                self.tally.stopped = f"{self._in_a_row} requests failed in a row, the last with: {error}"
                self._stop.set()

    def _give_up(self, question: Question, samples: tuple[int, ...], error: TryAgain | Rejected) -> None:
        """Puts off what may still succeed in the last round; the rest has failed."""
        if self._last_round or isinstance(error, Rejected) or (error.wait_s or 0.0) > LONGEST_ASKED_WAIT_S:
            self._fail(question, samples, str(error))
        else:
            with self._lock:
                self._put_off.append(_PutOff(Work(question, samples), str(error)))

    def _fail(self, question: Question, samples: tuple[int, ...], reason: str) -> None:
        failure = Failure(question.key, question.pair, samples, reason)
        with self._lock:
            self.tally.failed += len(samples)
            self.tally.failures.append(failure)
            if self._failed_file is not None:
                line = json.dumps(dataclasses.asdict(failure) | {"time": round(time.time(), 3)})
                with open(self._failed_file, "a", encoding="ascii") as file:
                    file.write(line + "\n")
