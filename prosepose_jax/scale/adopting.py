"""Runs in places of their own brought into one place, so that they can be merged as one."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.io.fits import FITS_FOLDER
from prosepose_jax.metrics.evaluate import KINDS, NO_ANSWERS
from prosepose_jax.scale import records, tars
from prosepose_jax.scale.records import BlockRecord, SceneRecord
from prosepose_jax.storage import LocalStore, Store

_OF_SCENE = ("renders/{}.png", "meshes/{}.glb")


def adopt(run: Store, out: Store, number: int, taken: set[str]) -> None:
    """Copies a run's fits, pictures, figures and records into another place; files of one disk are linked.

    Args:
      run: a divided run, or one without shards that has its metrics.json.
      out: where to.
      number: of the run among those that are merged; its blocks are named by it.
      taken: keys that earlier runs have; of a scene that several have, the first counts.

    Raises:
      InputError: it is no run, or one that has not ended.
    """
    blocks = sorted(records.finished_blocks(run))
    if not blocks:
        record, entries = _plain_run(run)
        _take(run, out, f"{number:03d}-000000", record, entries, taken)
    for block in blocks:
        found = records.read_record(run, block)
        if found is not None:
            _take(run, out, f"{number:03d}-{block}", found, records.read_entries(run, block), taken)


def _plain_run(run: Store) -> tuple[BlockRecord, dict[str, Any]]:
    metrics = run.known_json("metrics.json").get("scenes")
    if not isinstance(metrics, dict):
        raise InputError(
            f"{run.root}: no finished run; expected the blocks of a divided one, or metrics.json of one without shards"
        )
    info, inputs = run.known_json("run.json"), run.known_json("inputs.json").get("fits", {})
    scenes = {
        key: SceneRecord(
            str(entry.get("status", "ok")), str(inputs.get(key, "")), seconds=float(entry.get("seconds", 0.0))
        )
        for key, entry in metrics.items()
    }
    record = BlockRecord(
        "", worker=run.root, tries=1, scenes=scenes, fit_seconds=float(info.get("fit_seconds") or 0.0),
        compile_seconds=float(info.get("compile_seconds") or 0.0), seconds=float(info.get("wall_seconds") or 0.0),
    )  # fmt: skip
    # One person has no errors of two: the figure tells the kind.
    kinds = {key: KINDS[0] if _of_two(entry) else KINDS[1] for key, entry in metrics.items()}
    return record, {key: {"kind": kinds[key], "entry": entry} for key, entry in metrics.items()}


def _of_two(entry: dict[str, Any]) -> bool:
    figures = entry.get("initial", entry)
    return "joint_pa_mpjpe_mm" in figures or "self_penetration_max_mm" not in figures


def _take(run: Store, out: Store, name: str, record: BlockRecord, entries: dict[str, Any], taken: set[str]) -> None:
    copied: dict[str, str] = {}
    record.block = name
    record.scenes = {key: one for key, one in record.scenes.items() if key not in taken}
    for key, one in record.scenes.items():
        if one.tar:
            if one.tar not in copied:
                copied[one.tar] = f"{FITS_FOLDER}/{name}.{len(copied)}{tars.TAR}"
                for ending in ("", tars.INDEX):
                    _copy(run, out, one.tar + ending, copied[one.tar] + ending)
            one.tar = copied[one.tar]
        else:
            for pattern in (f"{FITS_FOLDER}/{{}}.npz", f"{NO_ANSWERS}/{{}}.npz", *_OF_SCENE):
                _copy(run, out, pattern.format(key), pattern.format(key))
    taken.update(record.scenes)
    records.write_record(out, record, {key: entries[key] for key in record.scenes if key in entries})


def _copy(run: Store, out: Store, name: str, target: str) -> None:
    if isinstance(run, LocalStore) and isinstance(out, LocalStore):
        path = out.folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            os.link(run.folder / name, path)
            return
    with contextlib.suppress(FileNotFoundError):
        out.write(target, run.read(name))
