"""Fits one block of a divided run and says what came of it; the same for a shard and for a Ray actor."""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from prosepose_jax.apps._batches import PatientFitter, automatic_batch, free_bytes, with_batch
from prosepose_jax.apps._board import Board
from prosepose_jax.apps._inputs import check_files, digest, file_digests
from prosepose_jax.apps._log import Log
from prosepose_jax.apps._run import NO_ANSWERS, by_mode, check_config, load_files, resolved_config, why_fallback
from prosepose_jax.apps._run import write_pictures as draw
from prosepose_jax.apps._shapes import run_rooms
from prosepose_jax.apps._telemetry import resources
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings, Fitter, settings_from_config
from prosepose_jax.fitting.plausible import checked
from prosepose_jax.fitting.rooms import RunRooms
from prosepose_jax.io import AnswerSet, save_fit
from prosepose_jax.io.image_paths import INSIDE, ImageRule
from prosepose_jax.metrics.evaluate import Evaluator, Row, evaluate_rows
from prosepose_jax.scale import records
from prosepose_jax.scale.plan import FOLDER, Block
from prosepose_jax.scale.progress import kind_of_failure
from prosepose_jax.scale.records import BlockRecord, SceneRecord
from prosepose_jax.scale.results import FILES, TAR, Results, TarResults, has_result, read_results, results_for
from prosepose_jax.scale.sources import Loaded, SceneSource
from prosepose_jax.scene import Answer, Fit, Scene
from prosepose_jax.storage import LocalStore, Store

CONFIG, INPUTS, RUN = "config.json", "inputs.json", f"{FOLDER}/run.json"
TRIALS = f"{FOLDER}/trials"
_PICTURES = {"renders": "render.png", "meshes": "mesh.glb"}  # folders of a run, and kinds of files of a sample
CAREFUL_AFTER = 3
"""Workers that died on a block, after which its scenes are fitted one at a time to find the one that kills."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What a divided run is to do; plain values, so that it can be sent to another process.

    Attributes:
      configs: one, or one per mode.
      scenes, answers, workdir: places.
      images: where pictures of local scenes may lie.
      pictures: None: where fits are single files.
      automatic_batch: whether free memory decides the batch.
      container: "files", "tar", or "" for the scenes' own.
    """

    configs: tuple[ConfigDict, ...]
    scenes: str
    answers: str | None
    workdir: str
    images: ImageRule = INSIDE
    pictures: bool | None = None
    automatic_batch: bool = False
    container: str = ""


@dataclasses.dataclass
class Tally:
    """What this process did so far; published with its heartbeat."""

    scenes: int = 0
    failed: int = 0
    blocks: int = 0
    block: str = ""
    fit_seconds: float = 0.0
    compile_seconds: float = 0.0


def lock_run(store: Store, job: Job, container: str) -> None:
    """Writes what the run is, or checks that the place's run is the same one.

    Raises:
      InputError: another config, body or prior, or another container.
    """
    resolved = resolved_config(job.configs)
    if not store.create_json(CONFIG, resolved):
        check_config(store.known_json(CONFIG) or resolved, resolved, store.where(CONFIG))
    now = file_digests(job.configs[0])
    if not store.create_json(INPUTS, {"files": now}):
        check_files(store.known_json(INPUTS), now, store.where(INPUTS))
    run = {"format": 1, "container": container, "scenes": job.scenes, "answers": job.answers}
    if not store.create_json(RUN, run):
        before = store.known_json(RUN)
        if before.get("container", container) != container:
            raise InputError(
                f"{store.where(RUN)}: this run's fits go into {before['container']}, now {container} was asked for"
            )


def container_of(job: Job, source: SceneSource, store: Store) -> str:
    """Where the fits go: as asked, as the run does already, else as the scenes lie."""
    return job.container or store.known_json(RUN).get("container") or (TAR if source.packed else FILES)


def board_of(store: Store, job: Job, worker: str) -> Board:
    """Curves of this worker, where the config asks for them and the run is in a folder."""
    on = bool(job.configs[0].get("log", {}).get("tensorboard"))
    folder = store.folder if isinstance(store, LocalStore) else None
    return Board(folder or Path(), on and folder is not None, worker)


class BlockFitter:
    """A body, settings and answers, ready for any block of a run.

    Attributes:
      tally: what was done so far.
    """

    def __init__(
        self, job: Job, source: SceneSource, store: Store, blocks: Sequence[Block], answers: AnswerSet | None, log: Log,
        say: Callable[[str], None], board: Board,
    ) -> None:  # fmt: skip
        """
        Args:
          job: of the run.
          source: its scenes.
          store: its place.
          blocks: all of the run.
          answers: of all scenes; None: those beside the scenes, if any.
          log: is told of every scene.
          say: shows a remark to people.
          board: is given every fit and every block.
        """
        self._board = board
        self._job, self._source, self._store, self._answers, self._log, self._say = (
            job, source, store, answers, log, say,
        )  # fmt: skip
        self.container = container_of(job, source, store)
        self._pictures = self.container == FILES if job.pictures is None else job.pictures
        self._settings = [settings_from_config(config) for config in job.configs]
        self.body, self._prior, regressor = load_files(job.configs[0])
        if job.automatic_batch:
            device = jax.local_devices()[0]
            size = automatic_batch(free_bytes(device), self.body.num_vertices, device.platform == "cpu")
            self._settings = [with_batch(one, size) for one in self._settings]
            say(f"batch_size {size}, chosen from the free memory")
        with log.phase("shapes"):
            rooms = run_rooms(store, source, blocks, answers, job.configs, self._settings, self.body.num_betas)
        self._fitters = [
            PatientFitter(functools.partial(_fitter, self.body, self._prior, shapes), one, say)
            for one, shapes in zip(self._settings, rooms, strict=True)
        ]
        self._evaluator = Evaluator(self.body, regressor)
        self._answers_digest = _digest_of(answers)
        inputs = store.known_json(INPUTS).get("fits")
        self._of_plain_run: dict[str, str] = inputs if isinstance(inputs, dict) else {}
        self.tally = Tally()

    def is_done(self, block: Block, record: BlockRecord | None) -> bool:
        """Whether nothing is to be done for a block: all scenes fitted, none changed, none gone."""
        if record is None or record.scenes.keys() != set(block.keys):
            return False
        return all(self._holds(block, key, record) and record.scenes[key].ok for key in block.keys)

    def _holds(self, block: Block, key: str, record: BlockRecord) -> bool:
        """Whether a record's scene is as it was, and its fit there."""
        known = record.scenes.get(key)
        return (
            known is not None
            and known.mark == self._source.mark(block.part, key)
            and record.answers == self._answers_digest
            and (not known.ok or has_result(self._store, key, known.tar))
        )

    def fit(self, block: Block, worker: str, shard: int, claim: int) -> BlockRecord:
        """Fits what a block lacks and publishes its fits, figures, pictures and record.

        Args:
          block: the block, claimed.
          worker: who does it.
          shard: of the worker.
          claim: how often the block was claimed, this claim included.
        """
        begin, cpu, before = time.monotonic(), time.process_time(), dataclasses.replace(self.tally)
        self.tally.block = block.id
        earlier = records.read_record(self._store, block.id)
        record = BlockRecord(
            block=block.id, part=block.part, worker=worker, shard=shard, answers=self._answers_digest, tries=claim
        )
        entries: dict[str, Any] = {}
        known: dict[str, Any] = {}
        if earlier is not None:
            record.fit_seconds, record.compile_seconds = earlier.fit_seconds, earlier.compile_seconds
            record.seconds = earlier.seconds
            known = records.read_entries(self._store, block.id)
            for key in block.keys:
                if self._holds(block, key, earlier) and earlier.scenes[key].ok:
                    record.scenes[key] = earlier.scenes[key]
                    if key in earlier.unmeasured:
                        record.unmeasured[key] = earlier.unmeasured[key]
                    entries |= {key: known[key]} if key in known else {}
        todo = [key for key in block.keys if key not in record.scenes]
        deaths = claim - 1 - (0 if earlier is None else earlier.tries)
        results = results_for(self._store, self.container, block.id, claim)
        with self._source.load(block, self._pictures, todo) as loaded:
            new = self._fit_loaded(block, loaded, earlier, record, results, deaths >= CAREFUL_AFTER)
            for key in record.scenes.keys() & known.keys() - new.keys():  # another tar, the same scenes
                entries.setdefault(key, known[key])
            entries |= self._measure(loaded, new, record)
            if self._pictures:
                self._draw(loaded, new, results)
            tar = results.finish()
        for key in new:
            record.scenes[key].tar = tar
        record.scenes = {key: record.scenes[key] for key in block.keys}
        record.fit_seconds += self.tally.fit_seconds - before.fit_seconds
        record.compile_seconds += self.tally.compile_seconds - before.compile_seconds
        record.seconds += time.monotonic() - begin
        record.time = time.time()
        records.write_record(self._store, record, entries)
        self.tally.blocks += 1
        self.tally.block = ""
        took = {"seconds": time.monotonic() - begin, "cpu_seconds": time.process_time() - cpu}
        self._tell(block, record, len(todo), took, before)
        return record

    def _tell(self, block: Block, record: BlockRecord, scenes: int, took: Mapping[str, float], before: Tally) -> None:
        """A line of the log, and points of the curves: what the block took and what of it failed."""
        parts = {
            "fit_seconds": self.tally.fit_seconds - before.fit_seconds,
            "compile_seconds": self.tally.compile_seconds - before.compile_seconds,
        }
        rate = {"scenes_per_second": scenes / took["seconds"]} if scenes and took["seconds"] > 0 else {}
        figures = {name: round(value, 3) for name, value in (dict(took) | parts | rate).items()} | resources()
        reasons = collections.Counter(map(kind_of_failure, record.failures.values()))
        failed = len(record.failures)
        self._log.add("block", block=block.id, scenes=scenes, failed=failed, failures=dict(reasons), **figures)
        self._board.add_block(self.tally.scenes, figures | {"failed": failed}, reasons)

    def _lookup(self, loaded: Loaded) -> Callable[[str], Sequence[Answer]]:
        answers = self._answers if self._answers is not None else loaded.answers
        return answers.for_scene if answers is not None else (lambda key: [])

    def _fit_loaded(
        self, block: Block, loaded: Loaded, earlier: BlockRecord | None, record: BlockRecord, results: Results,
        careful: bool,
    ) -> dict[str, dict[str, Fit]]:  # fmt: skip
        """Fits the loaded scenes; returns {key: {variant: fit}} of those that were fitted now."""
        lookup = self._lookup(loaded)
        for key, reason in loaded.scenes.failures.items():
            mark = self._source.mark(block.part, key)
            record.scenes[key] = SceneRecord(f"failed: {reason}", mark=mark)
            self._log.add("failed", key=key, reason=reason)
            self.tally.failed += 1
        for key, reason in loaded.scenes.notes.items():
            record.notes[key] = f"fitted without its photograph ({reason})"
            self._say(f"{key}: {record.notes[key]}")
        missing: list[Scene] = []
        for scene in loaded.scenes:
            now = SceneRecord("", digest(scene, lookup(scene.key)), self._source.mark(block.part, scene.key))
            known = None if earlier is None else earlier.scenes.get(scene.key)
            if known is not None and known.ok and known.digest == now.digest and self._is_there(scene.key, known.tar):
                record.scenes[scene.key] = dataclasses.replace(known, mark=now.mark)
                continue
            record.scenes[scene.key] = now
            missing.append(scene)
        new = self._take_plain_run(missing, record)
        missing = [scene for scene in missing if scene.key not in new]
        for fit in self._fits(block, missing, lookup, careful):
            results.add(fit)
            new.setdefault(fit.key, {})[fit.variant] = fit
            self._log.add("fit", key=fit.key, variant=fit.variant, status=fit.status, seconds=round(fit.seconds, 4))
            if fit.variant:
                continue
            self._board.add_fit(self.tally.scenes, fit)
            record.scenes[fit.key].status, record.scenes[fit.key].seconds = fit.status, float(fit.seconds)
            self.tally.scenes += 1
            self.tally.failed += not fit.ok
            if fit.status == "fallback" and (self._answers is not None or loaded.answers is not None):
                record.notes[fit.key] = f"{why_fallback(fit)}; fitted without answers (status fallback)"
        return new

    def _is_there(self, key: str, tar: str) -> bool:
        return has_result(self._store, key, tar)

    def _take_plain_run(self, scenes: Sequence[Scene], record: BlockRecord) -> dict[str, dict[str, Fit]]:
        """Fits that an undivided run of this folder has made of the same inputs; they are not made again."""
        found: dict[str, dict[str, Fit]] = {}
        beside = any(config.get("no_answers") for config in self._job.configs)
        for scene in scenes if self.container == FILES else ():
            one = record.scenes[scene.key]
            if self._of_plain_run.get(scene.key) != one.digest:
                continue
            fits = {
                variant: fit
                for variant in ("", *((NO_ANSWERS,) if beside else ()))
                for _, fit in read_results(self._store, "", [scene.key], variant)
                if fit.ok
            }
            if len(fits) == 1 + beside:
                one.status, one.seconds = fits[""].status, float(fits[""].seconds)
                found[scene.key] = fits
        return found

    def _fits(
        self, block: Block, scenes: Sequence[Scene], lookup: Callable[[str], Sequence[Answer]], careful: bool
    ) -> Iterator[Fit]:
        if careful:
            yield from self._fits_one_by_one(block, scenes, lookup)
            return
        of_mode = by_mode(scenes, self._settings)
        for config, fitter, mine in zip(self._job.configs, self._fitters, of_mode, strict=True):
            if not mine:
                continue
            before = dataclasses.replace(fitter.timing)
            yield from map(checked, fitter.fit(mine, lookup, ""))
            if config.get("no_answers"):
                yield from map(checked, fitter.fit(mine, lambda key: [], NO_ANSWERS))
            self.tally.compile_seconds += fitter.timing.compile - before.compile
            self.tally.fit_seconds += fitter.timing.fit - before.fit

    def _fits_one_by_one(
        self, block: Block, scenes: Sequence[Scene], lookup: Callable[[str], Sequence[Answer]]
    ) -> Iterator[Fit]:
        """Fits scenes singly, each announced before: the one at which the next worker finds this one dead is named."""
        name = f"{TRIALS}/{block.id}.json"
        trial = self._store.known_json(name)
        killers: list[str] = [key for key in trial.get("killers", []) if isinstance(key, str)]
        if trial.get("trying"):
            killers.append(trial["trying"])
        self._say(f"block {block.id}: workers died of it, so its scenes are fitted one at a time")
        for scene in scenes:
            if scene.key in killers:
                yield Fit(key=scene.key, status="failed: a worker died whenever it fitted this scene")
                continue
            self._store.write_json(name, {"trying": scene.key, "killers": killers})
            yield from self._fits(block, [scene], lookup, careful=False)
        self._store.write_json(name, {"trying": "", "killers": killers})

    def _measure(
        self, loaded: Loaded, new: Mapping[str, Mapping[str, Fit]], record: BlockRecord
    ) -> dict[str, dict[str, Any]]:
        lookup, parser = self._lookup(loaded), self._settings[0].parser
        rows = [
            Row(scene, new[scene.key][""], new[scene.key].get(NO_ANSWERS), lookup(scene.key))
            for scene in loaded.scenes
            if "" in new.get(scene.key, {})
        ]
        entries: dict[str, dict[str, Any]] = {}
        with self._log.phase("metrics"):
            for key, kind, entry in evaluate_rows(self._evaluator, rows, parser):
                entries[key] = {"kind": kind, "entry": entry}
                if "error" in entry:
                    record.unmeasured[key] = entry["error"]
        return entries

    def _draw(self, loaded: Loaded, new: Mapping[str, Mapping[str, Fit]], results: Results) -> None:
        fits = {key: of_key[""] for key, of_key in new.items() if "" in of_key}
        scenes = [scene for scene in loaded.scenes if scene.key in fits]
        with self._log.phase("pictures"):
            if isinstance(self._store, LocalStore) and self.container == FILES:
                draw(self._store.folder, scenes, fits, self.body, self._log)
                return
            with tempfile.TemporaryDirectory(prefix="prosepose-") as name:
                folder = Path(name)
                for fit in fits.values():
                    save_fit(folder, fit)  # a render names the fit that it shows
                draw(folder, scenes, fits, self.body, self._log)
                for below, kind in _PICTURES.items():
                    for file in sorted((folder / below).iterdir()):
                        if isinstance(results, TarResults):
                            results.add_file(file.name.removesuffix(file.suffix), kind, file.read_bytes())
                        else:
                            self._store.publish(f"{below}/{file.name}", file)


def _fitter(body: Any, prior: Any, rooms: RunRooms, settings: FitSettings) -> Fitter:
    return Fitter(body, settings, prior, rooms)


def _digest_of(answers: AnswerSet | None) -> str:
    """Changes when any answer of a file does; "" without a file."""
    if answers is None:
        return ""
    found = hashlib.sha256()
    for key in answers:
        for one in answers[key]:
            found.update(repr((key, one.text, tuple(one.pair), one.order)).encode("utf-8", "replace"))
    return found.hexdigest()[:24]
