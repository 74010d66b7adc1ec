"""SAM 3D Body: joints of the MHR body in space, without SMPL rotations; the pose is solved for from the joints."""

from __future__ import annotations

import numpy as np

from prosepose_jax.body.keypoints import Body25
from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.keypoints.layouts import LAYOUTS
from prosepose_jax.importing.sources.common import Source, SourceInput, estimates, first, from_body25, has

_LAYOUT = LAYOUTS["mhr70"]


def _read(source: SourceInput) -> ImageEstimates:
    people = source.parts()
    points = []
    for person in people:
        joints = source.array(person, "pred_keypoints_3d", (-1, 3))
        if len(joints) < _LAYOUT.count:
            raise source.fail(f"field 'pred_keypoints_3d': expected {_LAYOUT.count} points, found {len(joints)}")
        points.append(joints[: _LAYOUT.count] + source.array(person, "pred_cam_t", (3,)))
    body25 = _body25(np.stack(points))
    known = from_body25(body25)
    size = source.image_size(people[0].get("img_size"))
    focal = source.number({"focal_length": [source.number(p, "focal_length") for p in people]}, "focal_length")
    note = f"{source.file}: joints without rotations; the pose is solved for from {_seen(known)} joints and landmarks"
    hips = body25[:, [Body25.RIGHT_HIP, Body25.LEFT_HIP]].mean(axis=1)
    return estimates(source, None, size, np.full(2, focal), root=hips, points=known, notes=(note,))


def _body25(points: np.ndarray) -> np.ndarray:
    """(n, 25, 3) BODY_25 of points (n, 70, 3); NaN where a point would be the middle of two: that is no joint."""
    out = np.full((len(points), len(_LAYOUT.sources), 3), np.nan, np.float32)
    for target, source in enumerate(_LAYOUT.sources):
        if len(source) == 1:
            out[:, target] = points[:, source[0]]
    return out


def _seen(points: np.ndarray) -> int:
    return int(np.isfinite(points[0]).all(axis=1).sum())


def _recognises(source: SourceInput) -> bool:
    fields = first(source)
    return has(fields, "pred_keypoints_3d", "pred_cam_t", "focal_length") and "body_pose" not in fields


SAM3DBODY = Source("SAM 3D Body", _recognises, _read)
