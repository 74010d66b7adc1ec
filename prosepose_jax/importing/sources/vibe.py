"""VIBE, PARE and relatives: tracks of SMPL people with a weak-perspective camera of the whole image, `orig_cam`."""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import (
    Source,
    SourceInput,
    all_have,
    estimates,
    has,
    rotations,
    sixty_degrees,
    values,
)
from prosepose_jax.importing.sources.tracks import frames_of, rows_at

_TRACK = ("pose", "orig_cam", "frame_ids")


def _tracks(source: SourceInput) -> list:
    tree = source.trees[0]
    return [tree] if has(tree, *_TRACK) else values(tree)


def _read(source: SourceInput) -> ImageEstimates:
    """`orig_cam` is (sx, sy, tx, ty): x = sx (X + tx) in [-1, 1] of the image's width, y of its height."""
    poses, cameras = [], []
    for track, row in rows_at(source, _tracks(source), "frame_ids"):
        camera = source.array(track, "orig_cam", (-1, 4))
        poses.append(rotations(source, track, "pose", len(camera), 22)[row])
        cameras.append(camera[row])
    size = source.image_size()
    usual = sixty_degrees(size)
    focal, notes = source.assumed_focal(size, usual, "60° over the longer side; the tool's camera has none")
    scale = np.array(cameras)[:, :2]
    if not (scale > 0).all():
        raise source.fail(f"field 'orig_cam': expected positive scales, found {scale.min():g}")
    # A weak camera's distance shows in the size alone: of width and height the same, but for rounding.
    depth = (2 * focal / (size * scale)).mean(axis=1)
    transl = np.concatenate([np.array(cameras)[:, 2:], depth[:, None]], axis=1)
    note = f"{source.file}: weak-perspective cameras converted to one of the whole image"
    return estimates(source, np.stack(poses), size, focal, transl=transl, notes=(*notes, note))


VIBE = Source(
    "VIBE, PARE or a relative",
    lambda source: all_have(_tracks(source), *_TRACK) and not any("orig_cam_t" in one for one in _tracks(source)),
    _read,
    lambda source: frames_of(source, _tracks(source), "frame_ids"),
    many=False,
)
