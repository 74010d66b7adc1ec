"""WHAM: {track: arrays over frames}, SMPL; the set in the camera's frame, focal length = image diagonal."""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import (
    Source,
    SourceInput,
    all_have,
    diagonal,
    estimates,
    rotations,
    values,
)
from prosepose_jax.importing.sources.tracks import frames_of, rows_at


def _read(source: SourceInput) -> ImageEstimates:
    poses, translations = [], []
    for track, row in rows_at(source, values(source.trees[0]), "frame_ids"):
        transl = source.array(track, "trans", (-1, 3))
        poses.append(rotations(source, track, "pose", len(transl), 22)[row])
        translations.append(transl[row])
    size = source.image_size()
    focal, notes = source.assumed_focal(size, diagonal(size), "the image's diagonal, WHAM's default")
    return estimates(source, np.stack(poses), size, focal, transl=np.stack(translations), notes=notes)


WHAM = Source(
    "WHAM",
    lambda source: all_have(values(source.trees[0]), "pose", "trans", "frame_ids"),
    _read,
    lambda source: frames_of(source, values(source.trees[0]), "frame_ids"),
    many=False,
)
