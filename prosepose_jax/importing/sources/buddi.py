"""BUDDI: both people and a PyTorch3D camera (x left, y up, degrees), whose usual roll of 180° means no turn at all."""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import REST_PELVIS, Source, SourceInput, body_rotations, estimates, has
from prosepose_jax.importing.sources.rotations import axis_angle, matrix

_ANGLES, _SHIFTS = ("pitch", "yaw", "roll"), ("tx", "ty", "tz")
_TURNED = np.diag([-1.0, -1.0, 1.0])  # from x left, y up to x right, y down


def _recognises(source: SourceInput) -> bool:
    tree = source.trees[0]
    return has(tree, "humans", "cam") and has(tree["humans"], "transl", "body_pose") and has(tree["cam"], "fl", "roll")


def _read(source: SourceInput) -> ImageEstimates:
    """A point X of the file is at D (Rᵀ X + t) in the camera's frame, R = Rx Ry Rz of pitch, yaw and roll."""
    humans, camera = source.section(source.trees[0], "humans"), source.section(source.trees[0], "cam")
    pose = body_rotations(source, humans)
    count = len(pose)
    root = source.array(humans, "transl", (count, 3)) + REST_PELVIS["smplx"]
    angles = np.radians([source.number(camera, name) if name in camera else 0.0 for name in _ANGLES])
    shift = np.array([source.number(camera, name) if name in camera else 0.0 for name in _SHIFTS])
    x, y, z = (matrix(angle * axis) for angle, axis in zip(angles, np.eye(3), strict=True))
    turn = _TURNED @ (x @ y @ z).T
    if np.abs(turn - np.eye(3)).max() > 1e-4:
        pose[:, 0] = axis_angle(turn @ matrix(pose[:, 0]))
        root = root @ turn.T
    root = root + _TURNED @ shift
    focal = source.number(camera, "fl") if source.focal is None else source.focal
    size = source.image_size()
    kid = source.array(humans, "scale", (count,)) if "scale" in humans else None
    return estimates(source, pose, size, np.full(2, focal), root=root, model="smplx", kid_scale=kid)


BUDDI = Source("BUDDI", _recognises, _read, many=False)
