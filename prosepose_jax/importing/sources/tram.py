"""TRAM: a file a track, SMPL in the camera's frame; `camera.npy` beside them (or its fields in the tracks)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import Source, SourceInput, diagonal, estimates, has, rotations
from prosepose_jax.importing.sources.tracks import frames_of, rows_at

_TRACK = ("pred_rotmat", "pred_trans", "frame")


def _tracks(source: SourceInput) -> list[Any]:
    return [tree for tree in source.trees if has(tree, *_TRACK)]


def _camera(source: SourceInput) -> Mapping[str, Any]:
    """The fields of the first file that has a focal length; {} where none has."""
    return next((tree for tree in source.trees if has(tree, "img_focal")), {})


def _read(source: SourceInput) -> ImageEstimates:
    poses, translations = [], []
    for track, row in rows_at(source, _tracks(source), "frame"):
        transl = source.array(track, "pred_trans", (-1, 3))
        poses.append(rotations(source, track, "pred_rotmat", len(transl), 22)[row])
        translations.append(transl[row])
    fields = _camera(source)
    principal = source.array(fields, "img_center", (-1,))[:2] if "img_center" in fields else None
    size = source.image_size(None if principal is None else np.round(2 * principal), worked_out=True)
    if fields and source.focal is None:
        focal: np.ndarray = np.full(2, source.number(fields, "img_focal"))
        notes: tuple[str, ...] = ()
    else:
        focal, notes = source.assumed_focal(size, diagonal(size), "the image's diagonal; TRAM's is in camera.npy")
    return estimates(
        source, np.stack(poses), size, focal, transl=np.stack(translations), principal=principal, notes=notes
    )


TRAM = Source(
    "TRAM",
    lambda source: bool(_tracks(source)),
    _read,
    lambda source: frames_of(source, _tracks(source), "frame"),
)
