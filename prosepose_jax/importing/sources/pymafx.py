"""PyMAF-X: all frames and people in one file; SMPL-X, focal length 5000 px of the whole image."""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import Source, SourceInput, estimates, has, rotations

_FOCAL = 5000.0


def _frames(source: SourceInput) -> list[int]:
    fields = source.trees[0]
    return [int(n) for n in source.array(fields, "frame_ids").reshape(-1)] if "frame_ids" in fields else []


def _read(source: SourceInput) -> ImageEstimates:
    """`joints3d` is in SPIN's order and about the crop's camera, and not used: pose and translation say it all."""
    fields = source.trees[0]
    transl = source.array(fields, "orig_cam_t", (-1, 3))
    pose = rotations(source, fields, "pose", len(transl), 22)
    frames = _frames(source) or [0] * len(pose)
    if len(frames) != len(pose):
        raise source.fail(f"field 'frame_ids': expected {len(pose)} numbers as there are people, found {len(frames)}")
    names = sorted(set(frames))
    rows = np.flatnonzero(np.array(frames) == names[source.pick(names)])
    focal = source.focal or (source.number(fields, "focal_length") if "focal_length" in fields else _FOCAL)
    size = source.image_size(fields.get("img_size"))
    return estimates(source, pose[rows], size, np.full(2, focal), transl=transl[rows], model="smplx")


PYMAFX = Source(
    "PyMAF-X",
    lambda source: has(source.trees[0], "orig_cam_t", "pose"),
    _read,
    lambda source: sorted(set(_frames(source))),
    many=False,
)
