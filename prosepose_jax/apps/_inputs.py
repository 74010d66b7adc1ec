"""Notices when a scene or its answers changed since a run's folder was last fitted.

The folder remembers a digest of each scene's inputs. A fit whose inputs changed is removed before the new
digests are written, so that a run stopped in between never takes an old fit for a new one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from prosepose_jax.io import write_json
from prosepose_jax.io.fits import fits_folder
from prosepose_jax.scene import Answer, Scene

_FILE = "inputs.json"


def digest(scene: Scene, answers: Sequence[Answer]) -> str:
    """A hash of everything about a scene that the fit reads."""
    found = hashlib.sha256()
    for field in dataclasses.fields(scene):
        value = getattr(scene, field.name)
        if field.name.startswith("gt_") or field.name == "image" or value is None:
            continue
        found.update(field.name.encode())
        found.update(np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else str(value).encode())
    for answer in answers:
        found.update(repr((answer.text, tuple(answer.pair), answer.order)).encode("utf-8", "replace"))
    return found.hexdigest()[:24]


def forget_changed(workdir: Path, variant: str, inputs: Iterable[tuple[Scene, Sequence[Answer]]]) -> list[str]:
    """Removes the fits of scenes whose inputs changed and remembers the present ones.

    Args:
      workdir: the run's folder.
      variant: of the fits.
      inputs: each scene with its answers.

    Returns:
      Keys of the scenes whose fit was removed.
    """
    file = workdir / _FILE
    try:
        known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError):
        known = {}
    of_variant = dict(known.get(variant or "fits", {}))
    changed = []
    for scene, answers in inputs:
        now = digest(scene, answers)
        fit = fits_folder(workdir, variant) / f"{scene.key}.npz"
        if fit.is_file() and of_variant.get(scene.key, now) != now:
            fit.unlink()
            changed.append(scene.key)
        of_variant[scene.key] = now
    write_json(file, known | {variant or "fits": of_variant})
    return changed
