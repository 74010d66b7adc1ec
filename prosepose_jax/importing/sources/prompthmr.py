"""PromptHMR: SMPL-X people of an image (intrinsics of a padded square) or of a video (tracks)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import (
    Source,
    SourceInput,
    all_have,
    estimates,
    first,
    has,
    rotations,
    values,
)
from prosepose_jax.importing.sources.tracks import frames_of, rows_at


def _recognises(source: SourceInput) -> bool:
    return has(first(source), "rotmat", "transl", "cam_int")


def _read(source: SourceInput) -> ImageEstimates:
    """`cam_int` is of the image scaled to a square's side and padded; the principal point is the square's middle."""
    poses, translations = [], []
    for fields in source.parts():
        count = source.array(fields, "transl").size // 3
        poses.append(rotations(source, fields, "rotmat", count, 22))
        translations.append(source.array(fields, "transl", (count, 3)))
    k = source.array(first(source), "cam_int", (-1, 3, 3))[0]
    size = source.image_size()
    side = 2 * float(k[0, 2])
    scale = side / float(size.max())
    padding = (side - scale * size) / 2
    if abs(k[0, 2] - k[1, 2]) > 1:  # not a square: intrinsics of the image itself
        size = source.image_size(np.round(2 * k[:2, 2]), worked_out=True)
        scale, padding = 1.0, np.zeros(2)
    return estimates(
        source,
        np.concatenate(poses),
        size,
        k[(0, 1), (0, 1)] / scale,
        transl=np.concatenate(translations),
        model="smplx",
        principal=(k[:2, 2] - padding) / scale,
    )


def _people(source: SourceInput) -> list[Any]:
    tree = source.trees[0]
    return values(tree.get("people")) if isinstance(tree, Mapping) else []


def _read_video(source: SourceInput) -> ImageEstimates:
    """The set in the camera's frame; `smplx_world` is another frame and never used."""
    people = _people(source)
    poses, translations = [], []
    for person, row in rows_at(source, people, "frames"):
        total = np.size(person["frames"])
        cam = source.section(person, "smplx_cam")
        poses.append(rotations(source, cam, "rotmat" if "rotmat" in cam else "pose", total, 22)[row])
        translations.append(source.array(cam, "trans", (total, 3))[row])
    camera = source.section(source.trees[0], "camera")
    centre = source.array(camera, "img_center", (-1,))[:2]
    focal = source.number(camera, "img_focal") if source.focal is None else source.focal
    size = np.round(2 * centre)
    if source.image is not None:
        # Videos are made smaller before they are read: the photograph may be larger by one factor.
        photo = source.image_size()
        of_one_shape = abs((photo[0] / photo[1]) / (size[0] / size[1]) - 1) < 0.02
        size = photo if of_one_shape else source.image_size(size, worked_out=True)
    scale = float(size[0]) / (2 * float(centre[0]))
    return estimates(
        source,
        np.stack(poses),
        size,
        np.full(2, focal * scale if source.focal is None else focal),
        transl=np.stack(translations),
        model="smplx",
        principal=centre * scale,
    )


PROMPTHMR = Source("PromptHMR", _recognises, _read)
PROMPTHMR_VIDEO = Source(
    "PromptHMR (video)",
    lambda source: all_have(_people(source), "smplx_cam", "frames") and has(source.trees[0], "camera"),
    _read_video,
    lambda source: frames_of(source, _people(source), "frames"),
    many=False,
)
