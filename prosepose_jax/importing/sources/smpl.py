"""Any `.npz` or `.pkl` with SMPL, SMPL-H or SMPL-X parameters and a camera (docs/method.md, "Import").

Field names differ between tools; the aliases below cover HMR2/4D-Humans and the plain names. Nested dictionaries
(`pred_smpl_params`, `smpl`) are searched through, prefixes such as `pred_` make no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from prosepose_jax.body.keypoints import BODY25_SOURCE
from prosepose_jax.body.rotation import matrix_to_axis_angle
from prosepose_jax.camera import focal_from_image_size
from prosepose_jax.errors import InputError
from prosepose_jax.importing._foreign import read_tree
from prosepose_jax.importing.estimates import NUM_TREE_JOINTS, Estimate, ImageEstimates, image_dimensions

# In order of preference: a translation for the whole image before one for a crop.
_ALIASES: dict[str, tuple[str, ...]] = {
    "global_orient": ("global_orient", "root_orient", "global_rot", "orient"),
    "body_pose": ("body_pose", "pose_body"),
    "pose": ("poses", "pose", "fullpose", "full_pose", "smpl_thetas", "thetas", "rotmat"),
    "betas": ("betas", "shape", "beta", "smpl_betas"),
    "transl": ("cam_t_full", "transl", "trans", "translation", "cam_t", "cam_trans"),
    "focal_length": ("scaled_focal_length", "focal_length", "focal"),
    "intrinsics": ("K", "intrinsics", "cam_int", "camera_matrix", "cam_k"),
    "principal_point": ("principal_point", "camera_center", "center_2d"),
    "image_size": ("img_size", "image_size", "img_shape_wh", "size_wh"),
    "joints": ("joints3d", "joints", "joints_3d", "smpl_joints"),
    "keypoints_3d": ("keypoints_3d",),
    "left_hand_pose": ("left_hand_pose",),
    "right_hand_pose": ("right_hand_pose",),
    "jaw_pose": ("jaw_pose",),
    "expression": ("expression",),
    "kid_scale": ("kid_scale",),
    "keypoints": ("keypoints", "keypoints_2d", "body25"),
}
# Rest pelvis of the mean SMPL and SMPL-X bodies (m): where a translation puts the pelvis when the file has no joints.
_REST_PELVIS = {
    "smpl": np.array([-0.002, -0.223, 0.028], np.float32),
    "smplx": np.array([0.003, -0.351, 0.012], np.float32),
}
# Full poses by their number of joints, and where the hands begin (SMPL-X has jaw and eyes before them).
_FULL_POSES = {24: None, 52: 22, 55: 25, 22: None}


_axis_angle = jax.jit(matrix_to_axis_angle)


def read_smpl(path: str | Path, image: str | Path | None = None) -> ImageEstimates:
    """Reads one or several people's parameters and the camera.

    Needed: `global_orient` and `body_pose` (axis-angle or matrices, 21 or 23 joints) or a full `pose` (22, 24, 52 or
    55 joints); a translation; `focal_length` or `K` (else 60° across the longer image side); the image's size from
    `img_size`, the principal point or the image. Used when there: `betas`, `joints3d` (SMPL order) or
    `pred_keypoints_3d` (BODY_25 first), hands, jaw, expression, `kid_scale`.

    Args:
      path: the parameters.
      image: the photograph, optional.

    Raises:
      InputError: a field is missing, has an unusable shape or values that are not finite.
    """
    path = Path(path)
    fields = _Fields(path, _flatten(read_tree(path), path))
    poses = _poses(fields)
    count = len(poses["pose"])
    transl = fields.people("transl", count, 3)
    if transl is None:
        raise fields.missing("transl", "the translation of each person")
    size, focal, principal = _camera(fields, Path(image) if image is not None else None)
    joints = _joints(fields, count, transl)
    detections = fields.array("keypoints")
    if detections is not None:
        if detections.ndim == 2:
            detections = detections[None]
        if detections.shape[1:] != (25, 3):
            detections = None  # another skeleton
    betas = fields.people("betas", count, None)
    expression = fields.people("expression", count, None)
    kid_scale = fields.people("kid_scale", count, 1)
    model = "smplx" if poses["model"] == "smplx" else "smpl"
    people = []
    for i in range(count):
        points = None if joints is None else joints[i]
        root = transl[i] + _REST_PELVIS[model] if points is None else points[0]
        if not root[2] > 0:
            raise InputError(
                f"{path}: field {fields.name('transl')!r}: expected person {i} in front of the camera, "
                f"found the pelvis at a depth of {root[2]:.2f} m"
            )
        joints_px = None if points is None else _project(points, focal, principal)
        people.append(
            Estimate(
                pose=poses["pose"][i],
                root=root,
                joints=None if points is None else points[:NUM_TREE_JOINTS],
                landmarks=None if points is None else points[NUM_TREE_JOINTS:],
                joints_px=None if joints_px is None else joints_px[:NUM_TREE_JOINTS],
                betas=None if betas is None else betas[i],
                transl=transl[i],
                kid_scale=None if kid_scale is None else float(np.clip(kid_scale[i, 0], 0, 1)),
                left_hand_pose=_person(poses["left_hand_pose"], i),
                right_hand_pose=_person(poses["right_hand_pose"], i),
                jaw_pose=_person(poses["jaw_pose"], i),
                expression=_person(expression, i),
            )
        )
    return ImageEstimates(
        people=tuple(people),
        focal_length=focal,
        principal_point=principal,
        image_size=size,
        image=Path(image) if image is not None else None,
        detections=detections,
    )


def _person(array: np.ndarray | None, index: int) -> np.ndarray | None:
    return None if array is None else array[index]


def _project(points: np.ndarray, focal: np.ndarray, principal: np.ndarray) -> np.ndarray:
    return (points[:, :2] / np.maximum(points[:, 2:], 0.05) * focal + principal).astype(np.float32)


def _flatten(tree: Any, path: Path) -> dict[str, np.ndarray]:
    """All arrays of nested dictionaries by their last name; lists of dictionaries are people and are stacked."""
    if isinstance(tree, list) and tree and all(isinstance(entry, Mapping) for entry in tree):
        flat = [_flatten(entry, path) for entry in tree]
        names = set(flat[0]).intersection(*flat)
        try:
            return {name: np.stack([f[name] for f in flat]) for name in sorted(names)}
        except ValueError as error:
            raise InputError(f"{path}: people with parameters of different shapes ({error})") from error
    if not isinstance(tree, Mapping):
        raise InputError(f"{path}: expected a dictionary of parameters, found {type(tree).__name__}")
    fields: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) or (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            inner = _flatten(value, path)
            fields |= {key: array for key, array in inner.items() if key not in fields}
            continue
        try:
            array = np.asarray(value)
        except ValueError:
            continue
        if array.dtype.kind in "fiu":
            fields[name.replace("/", ".").split(".")[-1].removeprefix("pred_").removeprefix("smpl_params_")] = array
    return fields


class _Fields:
    """Fields by role, with the checks that every tool's output needs."""

    def __init__(self, path: Path, fields: dict[str, np.ndarray]):
        self.path = path
        self.fields = fields

    def name(self, role: str) -> str | None:
        """The name under which the file has the role."""
        return next((alias for alias in _ALIASES[role] if alias in self.fields), None)

    def missing(self, role: str, what: str) -> InputError:
        found = ", ".join(sorted(self.fields)) or "nothing numeric"
        return InputError(
            f"{self.path}: field {role!r} is missing ({what}); looked for {', '.join(_ALIASES[role])}; found {found}"
        )

    def bad(self, role: str, problem: str) -> InputError:
        return InputError(f"{self.path}: field {self.name(role)!r}: {problem}")

    def array(self, role: str) -> np.ndarray | None:
        """The role's array as finite float32."""
        name = self.name(role)
        if name is None:
            return None
        array = self.fields[name].astype(np.float32)
        if not np.isfinite(array).all():
            raise self.bad(role, "expected finite numbers, found NaN or infinite values")
        return array

    def people(self, role: str, count: int, width: int | None) -> np.ndarray | None:
        """The role as (count, width); one person may come without the leading axis."""
        array = self.array(role)
        if array is None:
            return None
        if array.size % count == 0 and (width is None or array.size == count * width):
            return array.reshape(count, -1)
        raise self.bad(role, f"expected shape ({count}, {width if width else 'B'}), found {array.shape}")

    def rotations(self, role: str, joints: tuple[int, ...]) -> np.ndarray | None:
        """The role as axis-angle (n, j, 3), from axis-angle or matrices, j one of `joints`, one or n people."""
        array = self.array(role)
        if array is None:
            return None
        found = array.shape
        if found[-2:] == (3, 3) and _is_rotation(array):
            array = np.asarray(_axis_angle(array))
        shape = array.shape
        angles = None
        if shape and shape[-1] == 3 and joints == (1,):
            angles = array.reshape(-1, 1, 3) if len(shape) <= 2 or shape[-2] == 1 else None
        elif len(shape) >= 2 and shape[-1] == 3 and shape[-2] in joints:
            angles = array.reshape(-1, shape[-2], 3)
        elif shape and shape[-1] % 3 == 0 and shape[-1] // 3 in joints:
            angles = array.reshape(-1, shape[-1] // 3, 3)
        if angles is None or len(angles) == 0:
            wanted = " or ".join(map(str, joints))
            raise self.bad(role, f"expected rotations of {wanted} joint(s) (axis-angle or 3×3), found shape {found}")
        return angles


def _is_rotation(array: np.ndarray) -> bool:
    product = array @ np.swapaxes(array, -1, -2)
    return bool(np.abs(product - np.eye(3)).max() < 1e-2)


def _poses(fields: _Fields) -> dict[str, Any]:
    """Axis-angle (n, 22, 3) of the common joints, the hands and jaw where given, and the kind of model."""
    hands: dict[str, Any] = dict.fromkeys(("left_hand_pose", "right_hand_pose", "jaw_pose"))
    orient = fields.rotations("global_orient", (1,))
    body = fields.rotations("body_pose", (21, 23, 24))
    model = "smpl"
    if body is not None and body.shape[1] == 24 and orient is None:  # global orientation first
        orient, body = body[:, :1], body[:, 1:]
    if body is None:
        full = fields.rotations("pose", tuple(_FULL_POSES))
        if full is None:
            raise fields.missing("body_pose", "rotations of the body's joints, or a full pose")
        hands_at = _FULL_POSES[full.shape[1]]
        if hands_at is not None:
            hands["left_hand_pose"] = full[:, hands_at : hands_at + 15]
            hands["right_hand_pose"] = full[:, hands_at + 15 : hands_at + 30]
        if full.shape[1] == 55:
            hands["jaw_pose"], model = full[:, 22], "smplx"
        pose = full[:, :NUM_TREE_JOINTS]
    else:
        if orient is None:
            raise fields.missing("global_orient", "the body's rotation into the camera frame")
        if len(orient) != len(body):
            raise fields.bad("body_pose", f"expected {len(orient)} people as in global_orient, found {len(body)}")
        pose = np.concatenate([orient, body[:, :21]], axis=1)
        if body.shape[1] == 21:
            model = "smplx"
    for name in ("left_hand_pose", "right_hand_pose"):
        given = fields.array(name)
        # PCA coefficients belong to the tool's own hand space and are left out.
        if given is not None and given.size == len(pose) * 45:
            hands[name] = given.reshape(len(pose), 15, 3)
    jaw = fields.array("jaw_pose")
    if jaw is not None and jaw.size == len(pose) * 3:
        hands["jaw_pose"] = jaw.reshape(len(pose), 3)
    return {"pose": pose, "model": model, **hands}


def _camera(fields: _Fields, image: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(image size, focal length, principal point), each (2,) in pixels."""
    intrinsics = fields.array("intrinsics")
    principal = fields.array("principal_point")
    focal = fields.array("focal_length")
    if intrinsics is not None:
        if intrinsics.shape[-2:] != (3, 3):
            raise fields.bad("intrinsics", f"expected a 3×3 matrix, found shape {intrinsics.shape}")
        matrices = intrinsics.reshape(-1, 3, 3)
        _same_for_all(fields, "intrinsics", matrices)
        focal = matrices[0, (0, 1), (0, 1)] if focal is None else focal
        principal = matrices[0, :2, 2] if principal is None else principal
    if principal is not None:
        principal = principal.reshape(-1, 2)
        _same_for_all(fields, "principal_point", principal)
        principal = principal[0]
    given = fields.array("image_size")
    if image is not None:
        size = np.array(image_dimensions(image), np.float32)
    elif given is not None and given.size % 2 == 0 and given.size:
        sizes = given.reshape(-1, 2)
        _same_for_all(fields, "image_size", sizes)
        size = sizes[0]
    elif principal is not None:
        size = np.round(2 * principal)
    else:
        raise fields.missing("image_size", "width and height of the image; or give the image itself")
    if not (size > 0).all():
        raise fields.bad("image_size", f"expected positive width and height, found {size.tolist()}")
    if focal is None:
        focal = np.array(focal_from_image_size(float(size[0]), float(size[1])), np.float32)
    focal = focal.reshape(-1)
    if not (focal > 0).all():
        raise fields.bad("focal_length", f"expected positive pixels, found {focal.tolist()}")
    if focal.size != 2:
        _same_for_all(fields, "focal_length", focal)
        focal = np.full(2, focal[0])
    principal = size / 2 if principal is None else principal
    return size.astype(np.float32), focal.astype(np.float32), principal.astype(np.float32)


def _same_for_all(fields: _Fields, role: str, values: np.ndarray) -> None:
    """One camera sees all people of an image."""
    if len(values) > 1 and np.abs(values - values[:1]).max() > 1e-3 * max(1.0, float(np.abs(values[0]).max())):
        raise fields.bad(role, f"expected one camera for all people, found different values {values.tolist()}")


def _joints(fields: _Fields, count: int, transl: np.ndarray) -> np.ndarray | None:
    """Joints (n, 33, 3) in the camera frame: 22 of the tree, 11 landmarks; NaN where the file says nothing."""
    points = np.full((count, NUM_TREE_JOINTS + 11, 3), np.nan, np.float32)
    joints, keypoints = fields.array("joints"), fields.array("keypoints_3d")
    for role, array, least in (("joints", joints, NUM_TREE_JOINTS), ("keypoints_3d", keypoints, 25)):
        if array is not None and (array.size % (3 * count) or array.size < 3 * count * least):
            raise fields.bad(role, f"expected shape ({count}, {least} or more, 3), found {array.shape}")
    if keypoints is not None:
        body25 = keypoints.reshape(count, -1, 3)[:, :25]
        of_tree = BODY25_SOURCE >= 0
        points[:, BODY25_SOURCE[of_tree]] = body25[:, of_tree]
        points[:, NUM_TREE_JOINTS - 1 - BODY25_SOURCE[~of_tree]] = body25[:, ~of_tree]
        points = _in_camera(points, transl)
    if joints is not None:
        points[:, :NUM_TREE_JOINTS] = _in_camera(joints.reshape(count, -1, 3)[:, :NUM_TREE_JOINTS], transl)
    return None if joints is None and keypoints is None else points


def _in_camera(points: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """Adds the translation unless it is in the points already: a pelvis near its translation is in the camera frame."""
    roots = points[:, 0]
    near = np.linalg.norm(roots - transl, axis=1) < np.linalg.norm(roots, axis=1)
    return np.where(near[:, None, None], points, points + transl[:, None]).astype(np.float32)
