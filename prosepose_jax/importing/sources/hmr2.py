"""4D-Humans (HMR2.0) and TokenHMR: the model's output as users save it (docs/import.md, "Cameras").

The demo's focal length is 5000 px on a crop of 256 px, 5000/256 of the longer side in the image; people stand tens of
metres away. `pred_cam_t` and `focal_length` are of the crop, `pred_cam_t_full` and `scaled_focal_length` of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import (
    Source,
    SourceInput,
    body_rotations,
    crop_to_image,
    estimates,
    first,
    from_body25,
    has,
)

_FOCAL_PER_SIDE = 5000.0 / 256.0
_OF_THE_CROP = 5000.0


def _recognises(source: SourceInput) -> bool:
    fields = first(source)
    if not has(fields, "global_orient", "body_pose") or "transl" in fields:
        return False
    if "pred_cam_t_full" in fields or has(fields, "pred_cam", "box_center"):
        return True
    if "pred_cam_t" not in fields:
        return False
    return "pred_cam" in fields or bool(np.any(np.asarray(fields.get("focal_length", 0.0)) == _OF_THE_CROP))


def _read(source: SourceInput) -> ImageEstimates:
    parts = source.parts()  # people, or batches of people
    fields = parts[0]
    stored = source.array(fields, "img_size").reshape(-1, 2)[0] if "img_size" in fields else None
    size = source.image_size(stored)
    focal, notes = _focal(source, parts, float(size.max()))
    poses, translations, points = [], [], []
    for part in parts:
        pose = body_rotations(source, part)
        transl = _translation(source, part, len(pose), focal, size)
        poses.append(pose)
        translations.append(transl)
        if "pred_keypoints_3d" in part:
            body25 = source.array(part, "pred_keypoints_3d", (len(pose), -1, 3))
            if body25.shape[1] >= 25:
                points.append(from_body25(body25) + transl[:, None])
    known = np.concatenate(points) if len(points) == len(parts) else None
    converted = "pred_cam_t_full" not in fields
    if converted:
        notes = (*notes, f"{source.file}: crop cameras converted to the whole image, focal length {focal:.0f} px")
    return estimates(
        source,
        np.concatenate(poses),
        size,
        np.full(2, focal),
        root=None if known is None else known[:, 0],
        transl=np.concatenate(translations),
        points=known,
        notes=notes,
    )


def _focal(source: SourceInput, parts: list[dict[str, Any]], side: float) -> tuple[float, tuple[str, ...]]:
    found = [source.number(part, "scaled_focal_length") for part in parts if "scaled_focal_length" in part]
    if found:
        return source.number({"scaled_focal_length": found}, "scaled_focal_length"), ()
    if source.focal is not None:
        return source.focal, ()
    focal = _FOCAL_PER_SIDE * side
    if "pred_cam_t_full" not in parts[0]:
        return focal, ()  # the camera is made here, with the demo's focal length
    note = f"{source.file}: no 'scaled_focal_length' in the file; {focal:.0f} px assumed (the demo's; --focal sets it)"
    return focal, (note,)


def _translation(
    source: SourceInput, part: Mapping[str, Any], count: int, focal: float, size: np.ndarray
) -> np.ndarray:
    if "pred_cam_t_full" in part:
        return source.array(part, "pred_cam_t_full", (count, 3))
    missing = [n for n in ("pred_cam", "box_center", "box_size") if n not in part]
    if missing:
        raise source.fail(
            f"'pred_cam_t' is the translation of a crop and {', '.join(missing)} to convert it are missing; "
            "save pred_cam_t_full and scaled_focal_length, or the batch's box_center, box_size and img_size"
        )
    return crop_to_image(
        source.array(part, "pred_cam", (count, 3)),
        source.array(part, "box_center", (count, 2)),
        source.array(part, "box_size", (count,)),
        focal,
        size / 2,
    )


HMR2 = Source("4D-Humans or TokenHMR", _recognises, _read)
