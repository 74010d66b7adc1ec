"""A split of a dataset as scene files, with what was counted on the way."""

from __future__ import annotations

import sys
from pathlib import Path

from prosepose_jax.body.model import BodyModel
from prosepose_jax.datasets import read_dataset
from prosepose_jax.errors import InputError
from prosepose_jax.io import save_scene, write_json


def import_dataset(
    name: str,
    root: Path,
    split: str,
    out: Path,
    body: BodyModel,
    *,
    keep_betas: bool | None = None,
    cameras: tuple[str, ...] | None = None,
    truth_fits: Path | None = None,
    record: Path | None = None,
) -> int:
    """Writes the scenes of a split, prints counts, notes and failures.

    Args:
      name: of the dataset.
      root: its folder.
      split: as it names it.
      out: folder for the scene files.
      body: the body in use.
      keep_betas: see `read_dataset`.
      cameras: see `read_dataset`.
      truth_fits: see `read_dataset`.
      record: where counts, notes and failures are written as JSON; None: nowhere.

    Returns:
      The exit status: 0, or 1 when some scenes failed.

    Raises:
      InputError: nothing of the split could be read.
    """
    dataset = read_dataset(name, root, split, body, keep_betas=keep_betas, cameras=cameras, truth_fits=truth_fits)
    done = 0
    failures: dict[str, str] = {}
    for scene in dataset:
        try:
            save_scene(out, scene)
            done += 1
        except InputError as error:
            failures[scene.key] = str(error)
    failures = dict(dataset.failures) | failures
    for note in dataset.notes:
        print(f"note: {note}", file=sys.stderr)
    for key, reason in failures.items():
        print(f"FAILED {key}: {reason}", file=sys.stderr)
    print(f"{name}, split {split}:\n{dataset.summary()}")
    print(f"{done} scenes written to {out}" + (f", {len(failures)} failed" if failures else ""))
    if not done:
        raise InputError(f"{root}: no scene of split {split} could be made; the notes and counts above say why")
    if record is not None:
        write_json(record, {"dataset": name, "split": split, "counts": dataset.counts, "notes": dataset.notes,
                            "failures": failures})  # fmt: skip
    return 1 if failures else 0
