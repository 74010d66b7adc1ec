"""CameraHMR: a crop camera with intrinsics of the whole image; `img_size` is (height, width)."""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import (
    Source,
    SourceInput,
    body_rotations,
    crop_to_image,
    estimates,
    first,
    has,
    model_of,
)

_CROP_CAMERAS = ("out_cam", "pred_cam")


def _recognises(source: SourceInput) -> bool:
    fields = first(source)
    return has(fields, "cam_int", "global_orient", "body_pose") and (
        "output_cam_trans" in fields or has(fields, "out_cam") or has(fields, "pred_cam", "box_center")
    )


def _read(source: SourceInput) -> ImageEstimates:
    poses, translations, cameras, models = [], [], [], []
    for part in source.parts():
        pose = body_rotations(source, part)
        camera = source.array(part, "cam_int", (-1, 3, 3))
        poses.append(pose)
        cameras.append(camera)
        models.append(model_of(source, part, len(pose)))
        if "output_cam_trans" in part:
            translations.append(source.array(part, "output_cam_trans", (len(pose), 3)))
            continue
        missing = [n for n in ("box_center", "box_size") if n not in part]
        if missing:
            raise source.fail(
                f"the camera of a crop, and {', '.join(missing)} to convert it are missing; save output_cam_trans"
            )
        name = next(n for n in _CROP_CAMERAS if n in part)
        translations.append(
            crop_to_image(
                source.array(part, name, (len(pose), 3)),
                source.array(part, "box_center", (len(pose), 2)),
                source.array(part, "box_size", (len(pose),)),
                float(camera[0, 0, 0]),
                camera[0, :2, 2],
            )
        )
    camera = np.concatenate(cameras)
    if np.abs(camera - camera[:1]).max() > 1e-3 * np.abs(camera[0]).max():
        raise source.fail("field 'cam_int': expected one camera for all people, found different ones")
    size = source.image_size(np.round(2 * camera[0, :2, 2]), worked_out=True)
    return estimates(
        source,
        np.concatenate(poses),
        size,
        camera[0, (0, 1), (0, 1)],
        transl=np.concatenate(translations),
        model=models[0],
        principal=camera[0, :2, 2],
    )


CAMERAHMR = Source("CameraHMR", _recognises, _read)
