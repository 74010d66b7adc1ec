"""Puts a divided run together: one metrics.json, report, run.json and inputs.json from what its workers wrote."""

from __future__ import annotations

import contextlib
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prosepose_jax.apps._blocks import CONFIG, INPUTS, NO_ANSWERS, RUN
from prosepose_jax.apps._machine import machine_info
from prosepose_jax.apps._paths import path_vertices
from prosepose_jax.apps._run_body import body_files
from prosepose_jax.apps._usage import say_failures
from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.errors import InputError
from prosepose_jax.io import SceneSet
from prosepose_jax.io.claim import claimed, make_folder
from prosepose_jax.metrics.table import format_table
from prosepose_jax.report import write_report
from prosepose_jax.scale import records, tars
from prosepose_jax.scale.adopting import adopt
from prosepose_jax.scale.merging import Merged, all_records, merge_metrics
from prosepose_jax.scale.plan import Block, planned_blocks
from prosepose_jax.scale.records import BlockRecord
from prosepose_jax.scale.results import read_results
from prosepose_jax.scale.sources import SceneSource
from prosepose_jax.scene import Fit, Scene
from prosepose_jax.storage import LocalStore, Store, open_store

REPORT_SCENES = 200
_FRAMES_OF_A_REPORT = 10


def merge(
    places: Sequence[str], out: str | None = None, scenes: str | None = None, report_scenes: int = REPORT_SCENES,
    body: str | None = None,
) -> int:  # fmt: skip
    """Writes metrics.json, run.json, inputs.json and report.html of a run.

    Args:
      places: of the run; or of several, which are brought together at `out`.
      out: a new place for several.
      scenes: where the run's scenes are now, for the report; None: where they were.
      report_scenes: scenes that the report shows, evenly chosen where there are more; 0: no report.
      body: the body file in the place of the run's.

    Returns:
      The exit status: 0, or 1 when scenes failed or blocks are missing.

    Raises:
      InputError: a place holds no run, the runs have different configs, or workers are still at work.
    """
    begin = time.monotonic()
    stores = [open_store(place) for place in places]
    missing = sum(_missing(store) for store in stores)
    target = stores[0] if out is None else open_store(out)
    if len(stores) > 1 and out is None:
        raise InputError("several runs need --out, a new place for what they make together")
    with contextlib.ExitStack() as holds:
        for store in {id(store): store for store in (*stores, target)}.values():
            holds.enter_context(_for_itself(store))
        if out is not None:
            _bring_together(stores, target)
        if not records.finished_blocks(target):
            raise InputError(f"{target.root}: no block of a divided run is finished there")
        with tempfile.TemporaryDirectory(prefix="prosepose-") as temporary:
            file = Path(temporary) / "metrics.json"
            merged = merge_metrics([target], file)
            target.publish("metrics.json", file)
        _write_inputs(target)
        config = target.known_json(CONFIG)
        model = load_body(**body_files(config, body))
        info = _run_info(merged, model, time.monotonic() - begin)
        target.write_json("run.json", info)
        if report_scenes:
            _report(target, merged, info, config, model, scenes, report_scenes)
    print(format_table({"scenes": {}, "mean": merged.mean}))
    counts = ", ".join(f"{number} {status}" for status, number in sorted(merged.statuses.items()))
    print(f"\nwritten: {target.root} (metrics.json, run.json{', report.html' if report_scenes else ''}); {counts}")
    say_failures(merged.failures)
    if missing:
        print(f"FAILED {missing} blocks: not done yet; start their shards again, then merge again", file=sys.stderr)
    return 1 if merged.failed or missing else 0


def _missing(store: Store) -> int:
    return len(set(planned_blocks(store)) - records.finished_blocks(store))


@contextlib.contextmanager
def _for_itself(store: Store) -> Iterator[None]:
    if not isinstance(store, LocalStore):
        yield
        return
    make_folder(store.folder, "the folder of a run")
    with claimed(store.folder):
        yield


def _bring_together(stores: Sequence[Store], target: Store) -> None:
    if target.list(records.BLOCKS):
        raise InputError(f"{target.root}: holds a run already; expected a new place")
    configs = [store.known_json(CONFIG) for store in stores]
    for store, config in zip(stores[1:], configs[1:], strict=True):
        if config != configs[0]:
            raise InputError(f"{store.where(CONFIG)}: another config than {stores[0].where(CONFIG)}")
    taken: set[str] = set()
    for number, store in enumerate(stores):
        adopt(store, target, number, taken)
    target.write_json(CONFIG, configs[0])
    target.write_json(INPUTS, {"files": stores[0].known_json(INPUTS).get("files", {})})
    run = next((found for store in stores if (found := store.known_json(RUN))), {})
    target.write_json(RUN, run | {"merged": [store.root for store in stores]})


def _write_inputs(store: Store) -> None:
    """So that a run without shards goes on here: what each fit was made of. Fits in tars it would not find."""
    if store.known_json(RUN).get("container") == "tar":
        return
    digests = {key: one.digest for record in all_records(store) for key, one in record.scenes.items() if one.digest}
    known = store.known_json(INPUTS) | {"fits": digests}
    if store.list(NO_ANSWERS):
        known[NO_ANSWERS] = digests
    store.write_json(INPUTS, known)


def _run_info(merged: Merged, body: BodyModel, seconds: float) -> dict[str, Any]:
    wall = merged.times[1] - merged.times[0] if merged.times is not None else 0.0
    return machine_info() | {
        "body": body.name,
        "wall_seconds": wall,
        "seconds_to_first_step": None,
        "compile_seconds": merged.compile_seconds,
        "fit_seconds": merged.fit_seconds,
        "fits": merged.fitted,
        "scenes_per_second": merged.fitted / merged.fit_seconds if merged.fit_seconds > 0 else None,
        "scenes_per_second_of_all_workers": merged.fitted / wall if wall > 0 else None,
        "workers": len(merged.workers),
        "worker_seconds": merged.worker_seconds,
        "merge_seconds": seconds,
    }


def _report(
    store: Store, merged: Merged, info: dict[str, Any], config: dict[str, Any], body: BodyModel, place: str | None,
    most: int,
) -> None:  # fmt: skip
    place = place or store.known_json(RUN).get("scenes")
    try:
        source = SceneSource(str(place))
    except InputError as error:
        print(f"note: no report without the scenes ({error}); say where they are with --scenes")
        return
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_report_folder(store))
        scenes: list[Scene] = []
        fits: dict[str, Fit] = {}
        entries: dict[str, Any] = {}
        every = max(1, math.ceil(merged.scenes / most))
        for record, keys in _chosen(store, every):
            block = Block(0, record.part, tuple(keys))
            # Pictures are in the renders already.
            with source.load(block, pictures=False) as loaded:
                scenes += loaded.scenes
            fits |= _fits_of(store, record, keys)
            entries |= {key: value["entry"] for key, value in records.read_entries(store, record.block).items()}
            if not isinstance(store, LocalStore) or any(record.scenes[key].tar for key in keys):
                _fetch_renders(store, record, keys, folder)
        by_key = {scene.key: scene for scene in scenes}
        shown = {key: fit for key, fit in fits.items() if key in by_key}
        metrics = {"scenes": entries, "mean": merged.mean}
        write_report(
            folder, SceneSet(scenes, merged.failures), shown, metrics, info, config, body,
            paths=lambda key: path_vertices(body, by_key[key], shown[key], _FRAMES_OF_A_REPORT),
        )  # fmt: skip
        if not (isinstance(store, LocalStore) and folder == store.folder):
            for file in sorted((*folder.glob("report.html"), *folder.glob("report_scenes/*"))):
                store.publish(file.relative_to(folder).as_posix(), file)


@contextlib.contextmanager
def _report_folder(store: Store) -> Iterator[Path]:
    """Where the report is written: the run's folder, where pictures lie in it; else a temporary one."""
    if isinstance(store, LocalStore) and store.known_json(RUN).get("container") != "tar":
        yield store.folder
        return
    with tempfile.TemporaryDirectory(prefix="prosepose-") as temporary:
        name = Path(store.root.rstrip("/")).name or "run"
        folder = Path(temporary) / name
        folder.mkdir()
        yield folder


def _chosen(store: Store, every: int) -> Iterator[tuple[BlockRecord, list[str]]]:
    number = 0
    for record in all_records(store):
        keys = []
        for key, one in record.scenes.items():
            if number % every == 0 and one.digest:  # unreadable scenes have none, and are among the failures
                keys.append(key)
            number += 1
        if keys:
            yield record, keys


def _fits_of(store: Store, record: BlockRecord, keys: Sequence[str]) -> dict[str, Fit]:
    by_tar: dict[str, list[str]] = {}
    for key in keys:
        by_tar.setdefault(record.scenes[key].tar, []).append(key)
    return {key: fit for tar, some in by_tar.items() for key, fit in read_results(store, tar, some)}


def _fetch_renders(store: Store, record: BlockRecord, keys: Sequence[str], folder: Path) -> None:
    renders = folder / "renders"
    renders.mkdir(exist_ok=True)
    places: dict[str, Mapping[str, Any]] = {}
    for key in keys:
        tar = record.scenes[key].tar
        with contextlib.suppress(FileNotFoundError):
            if not tar:
                (renders / f"{key}.png").write_bytes(store.read(f"renders/{key}.png"))
                continue
            found = places.setdefault(tar, tars.read_index(store, tar))
            if "render.png" in found.get(key, {}):
                ((_, files),) = tars.read_samples(store, tar, dict(found), [key], ["render.png"])
                (renders / f"{key}.png").write_bytes(files["render.png"])
