"""Fit files: `DIR/fits/<key>.npz`, one a scene, readable with `allow_pickle=False` (docs/formats.md, "Results").

A fit of another variant (the fit without answers, variant "no_answers") lies in a folder of that name beside
`fits`. A scene whose fit failed has a file too: it holds the key and the status with the reason and no arrays, so
the reason survives and a later run knows that the scene must be tried again (`has_fit` is False for it).
"""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.io._npz import FieldReader, read_npz
from prosepose_jax.io.atomic import write_npz
from prosepose_jax.io.scenes import check_key
from prosepose_jax.scene import Fit, FitPath
from prosepose_jax.untrusted import as_input_error

FITS_FOLDER = "fits"
_ARRAYS: dict[str, tuple[int | str, ...]] = {
    "global_orient": ("P", 3),
    "body_pose": ("P", 21, 3),
    "betas": ("P", "B"),
    "transl": ("P", 3),
    "vertices": ("P", "V", 3),
    "joints": ("P", "J", 3),
    "initial_vertices": ("P", "V", 3),
    "initial_joints": ("P", "J", 3),
    "kid_scale": ("P",),
}
# Of the recorded path, each with "path_" before its name.
_PATH: dict[str, tuple[int | str, ...]] = {
    "global_orient": ("F", "P", 3),
    "body_pose": ("F", "P", 21, 3),
    "betas": ("F", "P", "B"),
    "transl": ("F", "P", 3),
}
_KEPT = 4
_REQUIRED = ("global_orient", "body_pose", "betas", "transl", "vertices", "joints")
_COUNTS = ("answers", "answers_usable", "answers_none", "rows_rejected")


def fits_folder(folder: str | os.PathLike[str], variant: str = "") -> Path:
    """Where a run's fit files lie: `folder/fits`, or `folder/<variant>`; `folder` may also be the `fits` folder."""
    folder = Path(folder)
    root = folder.parent if folder.name == FITS_FOLDER else folder
    return root / (variant or FITS_FOLDER)


def save_fit(folder: str | os.PathLike[str], fit: Fit) -> Path:
    """Writes one fit in one step.

    Args:
      folder: the run's folder (the file goes to `folder/fits/<key>.npz`) or its `fits` folder.
      fit: the fit; its variant chooses the folder, a failed one is stored without arrays.

    Returns:
      The path of the written file.
    """
    check_key(fit.key)
    path = fits_folder(folder, fit.variant) / f"{fit.key}.npz"
    write_npz(path, _arrays_of(fit))
    return path


def encode_fit(fit: Fit) -> bytes:
    """The content of a fit's file, for places that are no folders."""
    check_key(fit.key)
    file = io.BytesIO()
    np.savez(file, **{name: np.asarray(value) for name, value in _arrays_of(fit).items()})  # type: ignore[arg-type]
    return file.getvalue()


def _arrays_of(fit: Fit) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "key": np.array(fit.key),
        "status": np.array(fit.status),
        "variant": np.array(fit.variant),
        "seconds": np.float32(fit.seconds),
    }
    arrays |= {name: np.int32(getattr(fit, name)) for name in _COUNTS}
    arrays["rejected"] = np.array(fit.rejected, dtype=np.str_).reshape(-1, 2)
    arrays["constraint_parts"] = np.array([c[:2] for c in fit.constraints], dtype=np.str_).reshape(-1, 2)
    arrays["constraint_counts"] = np.array([c[2] for c in fit.constraints], dtype=np.int32)
    if not fit.ok:
        return arrays
    missing = [name for name in _REQUIRED if getattr(fit, name) is None]
    if missing:
        raise ValueError(f"fit {fit.key!r} has status {fit.status!r} but lacks {', '.join(missing)}")
    for name in _ARRAYS:
        if getattr(fit, name) is not None:
            arrays[name] = np.asarray(getattr(fit, name), dtype=np.float32)
    if fit.losses is not None:
        arrays["losses"] = np.asarray(fit.losses, dtype=np.float32)
        arrays["loss_terms"] = np.array(fit.loss_terms, dtype=np.str_)
    if fit.steps is not None:
        arrays["steps"] = np.asarray(fit.steps, dtype=np.int32)
    if fit.path is not None:
        arrays |= {f"path_{name}": np.asarray(getattr(fit.path, name), dtype=np.float32) for name in _PATH}
        arrays |= {f"path_{name}": np.asarray(getattr(fit.path, name), dtype=np.int32) for name in ("stage", "step")}
    return arrays


def load_fit(file: str | os.PathLike[str]) -> Fit:
    """One fit file.

    Raises:
      InputError: the file is missing, damaged or lacks a field; the message names it.
    """
    file = Path(file)
    with as_input_error(file, "not a readable fit"):
        return _fit_from(file, FieldReader(file, read_npz(file)))


def _fit_from(file: Path, reader: FieldReader) -> Fit:
    status = reader.text("status")
    fields: dict[str, Any] = {
        "key": reader.text("key") if reader.has("key") else file.stem,
        "status": status,
        "variant": reader.text("variant") if reader.has("variant") else "",
    }
    if reader.has("seconds"):
        fields["seconds"] = float(reader.floats("seconds", ()))
    fields |= {name: int(reader.floats(name, ())) for name in _COUNTS if reader.has(name)}
    if reader.has("rejected"):
        fields["rejected"] = tuple((str(a), str(b)) for a, b in reader.raw("rejected"))
    if reader.has("constraint_parts"):
        counts = reader.raw("constraint_counts")
        parts = reader.raw("constraint_parts")
        fields["constraints"] = tuple((str(a), str(b), int(n)) for (a, b), n in zip(parts, counts, strict=True))
    if status.startswith("failed"):
        return Fit(**fields)

    num_people = reader.floats("global_orient", ("P", 3)).shape[0]
    for name, shape in _ARRAYS.items():
        if name in _REQUIRED or reader.has(name):
            fields[name] = reader.floats(name, (num_people, *shape[1:]))
    if reader.has("losses"):
        fields["losses"] = reader.raw("losses").astype(np.float32)  # NaN after a stage's end is meant
        fields["loss_terms"] = tuple(str(t) for t in reader.raw("loss_terms")) if reader.has("loss_terms") else ()
    if reader.has("steps"):
        fields["steps"] = reader.raw("steps").astype(np.int32)
    if reader.has("path_stage"):
        fields["path"] = _path_from(reader, num_people)
    return Fit(**fields)


def _path_from(reader: FieldReader, num_people: int) -> FitPath:
    frames = len(reader.floats("path_stage", ("F",)))
    numbers = {name: reader.floats(f"path_{name}", (frames,)).astype(np.int32) for name in ("stage", "step")}
    leaves = {
        name: reader.floats(f"path_{name}", (frames, num_people, *shape[2:])).astype(np.float32)
        for name, shape in _PATH.items()
    }
    return FitPath(**numbers, **leaves)


class FitFolder(Mapping[str, Fit]):
    """The fits of a folder by key, in the order of their keys, each read when it is asked for.

    A run of thousands of scenes has gigabytes of vertices: none but the last few fits are kept. A damaged file does
    not stop the others: it becomes a failed Fit that says so.
    """

    def __init__(self, files: Mapping[str, Path], variant: str) -> None:
        self._files, self._variant = dict(files), variant
        self._last: dict[str, Fit] = {}

    def __getitem__(self, key: str) -> Fit:
        if key not in self._last:
            fit = self._read(key)
            while len(self._last) >= _KEPT:
                del self._last[next(iter(self._last))]
            self._last[key] = fit
        return self._last[key]

    def _read(self, key: str) -> Fit:
        file = self._files[key]
        try:
            return dataclasses.replace(load_fit(file), key=file.stem)
        except InputError as error:
            return Fit(key=file.stem, status=f"failed: unreadable fit file: {error}", variant=self._variant)

    def __contains__(self, key: object) -> bool:
        return key in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def load_fits(folder: str | os.PathLike[str], variant: str = "", keys: Collection[str] | None = None) -> FitFolder:
    """All fits of a run by key, read as they are asked for.

    Args:
      folder: the run's folder, its `fits` folder, or (main variant) any folder of fit files.
      variant: "" for the main fits, "no_answers" for the fits beside them.
      keys: of the fits that are wanted; None: all.

    Raises:
      InputError: there is no such folder, or no fit file in it (for a variant: no fits).
    """
    files_in = fits_folder(folder, variant)
    if not variant and not files_in.is_dir():
        files_in = Path(folder)
    files = sorted(p for p in files_in.glob("*.npz") if not p.name.startswith(".")) if files_in.is_dir() else []
    if not files and not variant:
        raise InputError(f"{folder}: no fits; expected fits/<key>.npz as `prosepose fit` writes them")
    wanted = None if keys is None else set(keys)
    return FitFolder({file.stem: file for file in files if wanted is None or file.stem in wanted}, variant)


def has_fit(folder: str | os.PathLike[str], key: str, variant: str = "") -> bool:
    """Whether the scene needs no further fit: a whole, readable file whose status is not "failed"."""
    try:
        return load_fit(fits_folder(folder, variant) / f"{key}.npz").ok
    except InputError:
        return False
