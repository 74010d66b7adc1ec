"""Notices when what a run reads changed since its folder was last fitted.

The folder remembers a digest of each scene's inputs, and of the body's and the prior's files. A fit whose scene or
answers changed is removed before the new digests are written, so that a run stopped in between never takes an old fit
for a new one. Another body or prior is refused, as another config is: all fits would be lost to it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.io import write_json
from prosepose_jax.io.fits import fits_folder
from prosepose_jax.io.lock import read_known
from prosepose_jax.resources import checkpoint_file
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.untrusted import as_input_error, open_regular

_FILE = "inputs.json"
_FILES = "files"


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
    known = read_known(workdir / _FILE)
    of_variant = _noted(known, variant or "fits")
    changed = []
    for scene, answers in inputs:
        now = digest(scene, answers)
        fit = fits_folder(workdir, variant) / f"{scene.key}.npz"
        if fit.is_file() and of_variant.get(scene.key, now) != now:
            fit.unlink()
            changed.append(scene.key)
        of_variant[scene.key] = now
    write_json(workdir / _FILE, known | {variant or "fits": of_variant})
    return changed


def _noted(known: Mapping[str, Any], section: str) -> dict[str, Any]:
    """A section of what an earlier run noted; empty when something else stands there."""
    found = known.get(section)
    return dict(found) if isinstance(found, dict) else {}


def content_digest(path: str) -> str:
    """A hash of what is in a file.

    Raises:
      InputError: it can't be read.
    """
    with as_input_error(path), open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:24]


def lock_files(workdir: Path, config: Mapping[str, Any]) -> None:
    """Remembers the contents of the config's files, or checks that they are what the folder's fits were made with.

    Contents, not arrays: what is computed from a file may differ in its last digit on another machine.

    Args:
      workdir: the run's folder.
      config: of the run; what its sections `body`, `prior` and `buddi` name is read.

    Raises:
      InputError: a file differs.
    """
    known = read_known(workdir / _FILE)
    now = file_digests(config)
    if check_files(known, now, workdir / _FILE):
        write_json(workdir / _FILE, known | {_FILES: now})


def file_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """{field: digest of the file that it names} of a run's config.

    Raises:
      InputError: a file cannot be read.
    """
    return {
        f"{section}.{field}": content_digest(str(checkpoint_file(path)) if field == "checkpoint" else path)
        for section in ("body", "prior", "buddi")
        for field, path in dict(config.get(section, {})).items()
        if isinstance(path, str) and path
    }


def check_files(known: Mapping[str, Any], now: Mapping[str, str], where: object) -> bool:
    """Whether digests are news to a folder.

    Args:
      known: the content of its inputs.json.
      now: of `file_digests`.
      where: the name of that file, for the message.

    Raises:
      InputError: a file is another than the folder's.
    """
    before = _noted(known, _FILES)
    for field, content in now.items():
        if before.get(field, content) != content:
            raise InputError(
                f"{where}: the content of {field} is another than when this folder's fits were made; "
                "choose another --workdir or delete it"
            )
    return before != now
