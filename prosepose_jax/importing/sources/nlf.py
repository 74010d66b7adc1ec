"""NLF: parametric fits; `trans` in metres, joints in MILLIMETRES; 55° over the longer side unless given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import Source, SourceInput, estimates, has, rotations

_OWN = ("joint_uncertainties", "vertex_uncertainties", "joints3d_nonparam", "vertices3d_nonparam", "vertices3d")
_HALF_FIELD = math.radians(55 / 2)
_LARGEST_M = 500.0  # joints farther than this are in millimetres


def _recognises(source: SourceInput) -> bool:
    tree = source.trees[0]
    if not has(tree, "joints3d") and not has(tree, "joints3d_nonparam"):
        return False
    if has(tree, "pose", "trans"):
        return any(name in tree for name in _OWN)
    return "pose" not in tree and any(name in tree for name in (*_OWN, "boxes"))  # the direct predictions alone


def _one_image(source: SourceInput, fields: Mapping[str, Any], name: str) -> np.ndarray:
    """A field of the only image: NLF's lists go over images."""
    value = fields[name]
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return source.array({name: value}, name)


def _read(source: SourceInput) -> ImageEstimates:
    fields: dict[str, Any] = dict(source.trees[0])
    if "pose" not in fields:
        return _read_joints(source, fields)
    if isinstance(fields["trans"], list) and len(fields["trans"]) > 1 and np.ndim(fields["trans"][0]) > 1:
        chosen = source.pick(range(len(fields["trans"])), "image")
        fields |= {n: [fields[n][chosen]] for n in ("pose", "trans", "joints3d")}
    transl = _one_image(source, fields, "trans").reshape(-1, 3)
    count = len(transl)
    joints = source.array({"joints3d": _one_image(source, fields, "joints3d")}, "joints3d", (count, -1, 3))
    if joints.shape[1] < 22:
        raise source.fail(f"field 'joints3d': expected 24 or 55 joints, found {joints.shape[1]}")
    pose = rotations(source, {"pose": _one_image(source, fields, "pose")}, "pose", count, 22)
    size, focal, notes = _camera(source, fields)
    points = _points(joints)
    return estimates(
        source,
        pose,
        size,
        focal,
        root=points[:, 0],
        transl=transl,
        points=points,
        model="smplx" if joints.shape[1] == 55 else "smpl",
        principal=(size - 1) / 2,
        notes=notes,
    )


def _camera(source: SourceInput, fields: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Image size (2,), focal length (2,) and what was assumed."""
    size = source.image_size(fields.get("img_size"))
    if "focal_length" in fields and source.focal is None:
        return size, np.full(2, source.number(fields, "focal_length")), ()
    usual = float(size.max()) / (2 * math.tan(_HALF_FIELD))
    focal, notes = source.assumed_focal(size, usual, "55° over the longer side, NLF's default")
    return size, focal, notes


def _points(joints: np.ndarray) -> np.ndarray:
    """(n, 33, 3) m: the tree's joints from NLF's, which are in millimetres."""
    points = np.full((len(joints), 33, 3), np.nan, np.float32)
    points[:, :22] = joints[:, :22] / (1000.0 if float(np.median(joints[:, 0, 2])) > _LARGEST_M else 1.0)
    return points


def _read_joints(source: SourceInput, fields: Mapping[str, Any]) -> ImageEstimates:
    """The direct predictions: joints in SMPL's or SMPL-X's order without rotations."""
    name = "joints3d" if "joints3d" in fields else "joints3d_nonparam"
    joints = _one_image(source, fields, name)
    if joints.ndim != 3 or joints.shape[1] not in (24, 55) or joints.shape[2] != 3:
        raise source.fail(f"field {name!r}: expected 24 or 55 joints of each person (n, 24, 3), found {joints.shape}")
    size, focal, notes = _camera(source, fields)
    points = _points(joints)
    note = f"{source.file}: joints without rotations; the pose is solved for from them"
    return estimates(
        source, None, size, focal, root=points[:, 0], points=points, principal=(size - 1) / 2, notes=(*notes, note)
    )


def _frames(source: SourceInput) -> range:
    tree = source.trees[0]
    transl: Any = next((tree[name] for name in ("trans", "joints3d", "joints3d_nonparam") if name in tree), [])
    several = isinstance(transl, list) and len(transl) > 1 and np.ndim(transl[0]) > 1
    return range(len(transl) if several else 0)


NLF = Source("NLF", _recognises, _read, _frames, many=False)
