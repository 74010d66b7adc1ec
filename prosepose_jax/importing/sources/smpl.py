"""Any `.npz` or `.pkl` with SMPL, SMPL-H or SMPL-X parameters and a camera (docs/method.md, "Import").

Field names differ between tools; the aliases below cover the plain names. Nested dictionaries (`pred_smpl_params`,
`smpl`) are searched through, prefixes such as `pred_` make no difference. Where parameters are there in two frames,
those of the camera are taken. Rows are people; where a field numbers them as frames, one frame is taken.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers import read_tree
from prosepose_jax.importing.estimates import NUM_TREE_JOINTS, ImageEstimates
from prosepose_jax.importing.sources.common import (
    REST_PELVIS,
    Source,
    SourceInput,
    check_camera,
    from_body25,
    sixty_degrees,
)
from prosepose_jax.importing.sources.common import estimates as image_estimates
from prosepose_jax.importing.sources.rotations import axis_angle, is_rotation

# In order of preference: a translation for the whole image before one for a crop.
_ALIASES: dict[str, tuple[str, ...]] = {
    "global_orient": ("global_orient", "root_orient", "global_rot", "orient", "poses_root_cam"),
    "body_pose": ("body_pose", "pose_body", "poses_body"),
    "pose": ("poses", "pose", "fullpose", "full_pose", "smpl_thetas", "thetas", "rotmat"),
    "betas": ("betas", "shape", "beta", "smpl_betas"),
    "transl": ("cam_t_full", "transl", "trans", "translation", "cam_t", "cam_trans", "trans_cam", "global_t"),
    "focal_length": (
        "scaled_focal_length", "focal_length", "focal", "img_focal", "focal_length_in_px", "focal_l", "focal_px",
    ),
    "intrinsics": ("K", "intrinsics", "cam_int", "camera_matrix", "cam_k", "K_fullimg"),
    "principal_point": ("principal_point", "camera_center", "center_2d", "img_center"),
    "image_size": ("img_size", "image_size", "img_shape_wh", "size_wh"),
    "joints": ("joints3d", "joints", "joints_3d", "smpl_joints"),
    "keypoints_3d": ("keypoints_3d",),
    "left_hand_pose": ("left_hand_pose",),
    "right_hand_pose": ("right_hand_pose",),
    "jaw_pose": ("jaw_pose",),
    "expression": ("expression",),
    "kid_scale": ("kid_scale",),
    "keypoints": ("keypoints", "keypoints_2d", "body25"),
}  # fmt: skip
_FRAMES = ("frame_ids", "frame_id", "frames", "frame")  # numbers of the frames, a row each
_POSES = ("global_orient", "root_orient", "body_pose", "pose_body", "pose", "poses", "fullpose", "full_pose", "rotmat")
# Words in the names of dictionaries that say whose frame their parameters are in.
_CAMERA_WORDS, _WORLD_WORDS = ("cam",), ("world", "global", "gravity")
# Full poses by their number of joints, and where the hands begin (SMPL-X has jaw and eyes before them).
_FULL_POSES = {24: None, 52: 22, 55: 25, 22: None}
_SPIN_JOINTS = 49  # SPIN and its descendants call these `joints3d`: BODY_25, then 24 others


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
    return read_smpl_tree(SourceInput((path,), (read_tree(path),), Path(image) if image is not None else None))


def read_smpl_tree(source: SourceInput) -> ImageEstimates:
    """The same from a file's contents; several files are several people."""
    tree = _people(source.trees[0] if len(source.trees) == 1 else list(source.trees))
    fields = _Fields(source, _flatten(_of_frame(source, tree), source))
    if source.focal is not None:
        fields.fields["scaled_focal_length"] = np.array(source.focal, np.float32)
    poses = _poses(fields)
    count = len(poses["pose"])
    transl = fields.people("transl", count, 3)
    if transl is None:
        raise fields.missing("transl", "the translation of each person" + fields.of_the_world())
    size, focal, principal, notes = _camera(fields, count, isinstance(tree, list))
    points = _joints(fields, count, transl)
    root = transl + REST_PELVIS[poses["model"]] if points is None else points[:, 0]
    behind = np.flatnonzero(~(root[:, 2] > 0))
    if len(behind):
        raise fields.bad(
            "transl",
            f"expected person {behind[0]} in front of the camera, found the pelvis at a depth of "
            f"{root[behind[0], 2]:.2f} m",
        )
    kid_scale = fields.people("kid_scale", count, 1)
    found = image_estimates(
        source,
        poses["pose"],
        size,
        focal,
        root=root,
        transl=transl,
        principal=principal,
        points=points,
        betas=fields.people("betas", count, None),
        kid_scale=None if kid_scale is None else kid_scale[:, 0],
        notes=notes,
    )
    expression = fields.people("expression", count, None)
    people = tuple(
        dataclasses.replace(
            person,
            left_hand_pose=_person(poses["left_hand_pose"], i),
            right_hand_pose=_person(poses["right_hand_pose"], i),
            jaw_pose=_person(poses["jaw_pose"], i),
            expression=_person(expression, i),
        )
        for i, person in enumerate(found.people)
    )
    other_roots = () if points is not None else _other_roots(transl, poses["model"])
    return dataclasses.replace(found, people=people, detections=_detections(fields), other_roots=other_roots)


def _other_roots(transl: np.ndarray, model: str) -> tuple[tuple[str, np.ndarray], ...]:
    """Where the pelvis is if the translation means something else than it does in the model that the pose tells."""
    other = "smplx" if model == "smpl" else "smpl"
    named = {"smpl": "SMPL", "smplx": "SMPL-X"}
    return (
        ("the place of the pelvis", transl),
        (f"the translation of a body whose rest pelvis is that of {named[other]}", transl + REST_PELVIS[other]),
    )


def _person(array: np.ndarray | None, index: int) -> np.ndarray | None:
    return None if array is None else array[index]


def _detections(fields: _Fields) -> np.ndarray | None:
    """(m, 25, 3) keypoints that came with the parameters; None where there are none of BODY_25."""
    keypoints = fields.array("keypoints")
    if keypoints is None:
        return None
    keypoints = keypoints[None] if keypoints.ndim == 2 else keypoints
    return keypoints if keypoints.shape[1:] == (25, 3) else None


def _people(tree: Any) -> Any:
    """People filed under their ids, as a list."""
    if isinstance(tree, Mapping) and len(tree) > 1 and all(_is_person(value) for value in tree.values()):
        frames = [_frame_words(str(name)) for name in tree]
        if not any(frames):
            return list(tree.values())
    return tree


def _is_person(value: Any) -> bool:
    return isinstance(value, Mapping) and any(name.removeprefix("pred_") in _POSES for name in value)


def _frame_words(name: str) -> str:
    """Whose frame a dictionary's name says its parameters are in: "camera", "world" or "" (it does not say)."""
    parts = name.lower()
    if any(word in parts for word in _WORLD_WORDS):
        return "world"
    return "camera" if any(word in parts for word in _CAMERA_WORDS) else ""


def _of_frame(source: SourceInput, tree: Any) -> Any:
    """People at the chosen frame, where the file says that rows are frames."""
    if isinstance(tree, list):
        tracks = [entry for entry in tree if isinstance(entry, Mapping)]
        if len(tracks) != len(tree) or not all(_frame_numbers(track) for track in tracks):
            return tree
        frames = sorted({frame for track in tracks for frame in _frame_numbers(track)})
        frame = frames[source.pick(frames)]
        return [_row(track, frame) for track in tracks if frame in _frame_numbers(track)]
    if isinstance(tree, Mapping) and _frame_numbers(tree):
        frames = sorted(set(_frame_numbers(tree)))
        return _row(tree, frames[source.pick(frames)])
    return tree


def _frames(source: SourceInput) -> list[int]:
    tree = _people(source.trees[0] if len(source.trees) == 1 else list(source.trees))
    tracks = [track for track in (tree if isinstance(tree, list) else [tree]) if isinstance(track, Mapping)]
    return sorted({frame for track in tracks for frame in _frame_numbers(track)})


def _frame_numbers(track: Mapping[str, Any]) -> list[int]:
    """The numbers of a track's frames; nothing where its rows are no frames, or are all of one."""
    for name in _FRAMES:
        numbers = np.asarray(track.get(name, []))
        if numbers.ndim == 1 and numbers.size > 1 and numbers.dtype.kind in "iuf" and len(set(numbers.tolist())) > 1:
            return [int(n) for n in numbers]
    return []


def _row(track: Mapping[str, Any], frame: int) -> dict[str, Any]:
    """A track's fields at a frame: the rows (one a person) of every array that goes over the frames."""
    numbers = np.array(_frame_numbers(track))
    rows = np.flatnonzero(numbers == frame)
    return {name: _taken(value, rows, len(numbers)) for name, value in track.items() if name not in _FRAMES}


def _taken(value: Any, rows: np.ndarray, total: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _taken(inner, rows, total) for name, inner in value.items()}
    if isinstance(value, (np.ndarray, list)) and len(np.shape(value)[:1]) == 1 and len(value) == total:
        return np.asarray(value)[rows]
    return value


def _flatten(tree: Any, source: SourceInput) -> dict[str, np.ndarray]:
    """All arrays of nested dictionaries by their last name; lists of dictionaries are people and are stacked."""
    if isinstance(tree, list) and tree and all(isinstance(entry, Mapping) for entry in tree):
        return _stacked([_flatten(entry, source) for entry in tree], source)
    if not isinstance(tree, Mapping):
        raise source.fail(f"expected a dictionary of parameters, found {type(tree).__name__}")
    fields: dict[str, np.ndarray] = {}
    for name, value in _camera_frame(tree, source).items():
        if isinstance(value, Mapping) or (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            inner = _flatten(value, source)
            fields |= {key: array for key, array in inner.items() if key not in fields}
            continue
        array = _numbers(value)
        if array is not None:
            plain = str(name).replace("/", ".").split(".")[-1]
            fields[plain.removeprefix("pred_").removeprefix("smpl_params_")] = array
    return fields


def _stacked(people: list[dict[str, np.ndarray]], source: SourceInput) -> dict[str, np.ndarray]:
    """People's fields stacked, those with a role alone: what else a tool keeps may differ from person to person."""
    roles = {alias for aliases in _ALIASES.values() for alias in aliases}
    stacked = {}
    for name in sorted(roles & set(people[0]).intersection(*people)):
        shapes = sorted({person[name].shape for person in people})
        if len(shapes) == 1:
            stacked[name] = np.stack([person[name] for person in people])
        elif name not in (*_ALIASES["betas"], *_ALIASES["expression"]):
            raise source.fail(f"field {name!r}: people with different shapes, {' and '.join(map(str, shapes))}")
    return stacked


def _camera_frame(tree: Mapping[str, Any], source: SourceInput) -> Mapping[str, Any]:
    """The fields without dictionaries of parameters in the world's frame.

    Raises:
      InputError: parameters in the world's frame alone, or twice with nothing that decides.
    """
    poses = [str(name) for name, value in tree.items() if _is_person(value)]
    world = [name for name in poses if _frame_words(name) == "world"]
    rest = [name for name in poses if name not in world]
    if world and not rest and not any(name.removeprefix("pred_") in _POSES for name in tree):
        raise source.fail(f"holds parameters in the world's frame alone ({', '.join(world)}); the camera's are needed")
    if len(rest) > 1:
        camera = [name for name in rest if _frame_words(name) == "camera"]
        twice = set.intersection(*({str(n).removeprefix("pred_") for n in tree[name]} for name in rest)) & set(_POSES)
        if twice and len(camera) != 1:
            raise source.fail(
                f"fields {', '.join(sorted(twice))} are there twice, in {' and in '.join(rest)}; keep one"
            )
        if twice:
            rest = camera
    return {name: value for name, value in tree.items() if str(name) not in poses or str(name) in rest}


def _numbers(value: Any) -> np.ndarray | None:
    try:
        array = np.asarray(value)
    except ValueError:  # a list of uneven lists
        return None
    return array if array.dtype.kind in "fiu" else None


class _Fields:
    """Fields by role, with the checks that every tool's output needs."""

    def __init__(self, source: SourceInput, fields: dict[str, np.ndarray]):
        self.source = source
        self.path = source.paths[0]
        self.fields = fields

    def name(self, role: str) -> str | None:
        """The name under which the file has the role."""
        return next((alias for alias in _ALIASES[role] if alias in self.fields), None)

    def missing(self, role: str, what: str) -> InputError:
        found = ", ".join(sorted(self.fields)) or "nothing numeric"
        return InputError(
            f"{self.path}: field {role!r} is missing ({what}); looked for {', '.join(_ALIASES[role])}; found {found}"
        )

    def of_the_world(self) -> str:
        """What to say where the file has its parameters in the world's frame."""
        world = sorted(name for name in self.fields if _frame_words(name) == "world")
        return f"; {', '.join(world)} are in the world's frame, the camera's are needed" if world else ""

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
        rows = array.shape[0] if array.ndim > 1 else count if count == 1 or width is not None else 1
        if rows == count and array.size and array.size % count == 0 and (width is None or array.size == count * width):
            return array.reshape(count, -1)
        raise self.bad(role, f"expected shape ({count}, {width if width else 'B'}), found {array.shape}")

    def rotations(self, role: str, joints: tuple[int, ...]) -> np.ndarray | None:
        """The role as axis-angle (n, j, 3), from axis-angle or matrices, j one of `joints`, one or n people."""
        array = self.array(role)
        if array is None:
            return None
        found = array.shape
        if found[-2:] == (3, 3) and is_rotation(array):
            array = axis_angle(array)
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
            hint = "; 6D rotations or quaternions? save matrices" if _may_be_other_rotations(found, joints) else ""
            raise self.bad(
                role, f"expected rotations of {wanted} joint(s) (axis-angle or 3×3), found shape {found}{hint}"
            )
        return angles


def _may_be_other_rotations(shape: tuple[int, ...], joints: tuple[int, ...]) -> bool:
    last = shape[-1] if shape else 0
    return last in (4, 6) or any(last == width * count for width in (4, 6) for count in joints)


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
            raise fields.missing("body_pose", "rotations of the body's joints, or a full pose" + fields.of_the_world())
        hands_at = _FULL_POSES[full.shape[1]]
        if hands_at is not None:
            hands["left_hand_pose"] = full[:, hands_at : hands_at + 15]
            hands["right_hand_pose"] = full[:, hands_at + 15 : hands_at + 30]
        if full.shape[1] == 55:
            hands["jaw_pose"], model = full[:, 22], "smplx"
        pose = full[:, :NUM_TREE_JOINTS]
    else:
        if orient is None:
            raise fields.missing("global_orient", "the body's rotation into the camera frame" + fields.of_the_world())
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


def _camera(
    fields: _Fields, count: int, listed: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """(image size, focal length, principal point or None), each (2,) in pixels, and what was assumed.

    Args:
      fields: the file's.
      count: of people.
      listed: a field with a number a person is a list over people, not (fx, fy).
    """
    intrinsics, principal, focal = (fields.array(n) for n in ("intrinsics", "principal_point", "focal_length"))
    if intrinsics is not None:
        if intrinsics.shape[-2:] != (3, 3):
            raise fields.bad("intrinsics", f"expected a 3×3 matrix, found shape {intrinsics.shape}")
        matrices = intrinsics.reshape(-1, 3, 3)
        _same_for_all(fields, "intrinsics", matrices)
        focal = matrices[0, (0, 1), (0, 1)] if focal is None else focal
        principal = matrices[0, :2, 2] if principal is None else principal
    if principal is not None:
        if principal.size != 2 and principal.shape != (count, 2):
            raise fields.bad("principal_point", f"expected two numbers, found shape {principal.shape}")
        principal = principal.reshape(-1, 2)
        _same_for_all(fields, "principal_point", principal)
        principal = principal[0]
    size = _image_size(fields, principal)
    notes: tuple[str, ...] = ()
    if focal is None:
        focal = np.array(sixty_degrees(size), np.float32)
        looked = ", ".join((*_ALIASES["focal_length"], *_ALIASES["intrinsics"]))
        notes = (
            f"{fields.source.file}: no focal length in the file (looked for {looked}); {float(focal):.0f} px assumed "
            "(60° over the longer side; --focal sets it)",
        )
    return size, _focal(fields, focal, count, listed), principal, notes


def _image_size(fields: _Fields, principal: np.ndarray | None) -> np.ndarray:
    given = fields.array("image_size")
    stored = None
    if given is not None:
        if given.size == 0 or given.size % 2:
            raise fields.bad("image_size", f"expected width and height, found shape {given.shape}")
        sizes = given.reshape(-1, 2)
        _same_for_all(fields, "image_size", sizes)
        stored = sizes[0]
    elif fields.source.image is None and principal is not None:
        stored = np.round(2 * principal)
    elif fields.source.image is None:
        raise fields.missing("image_size", "width and height of the image; or give the image itself")
    if stored is not None and principal is not None:
        check_camera(fields.source, np.ones(2), principal, stored)
    return fields.source.image_size(stored)


def _focal(fields: _Fields, focal: np.ndarray, count: int, listed: bool) -> np.ndarray:
    """(2,) from a number, (fx, fy), or either of each person."""
    if focal.size == 0:
        raise fields.bad("focal_length", "expected a number of pixels, found none")
    if focal.ndim == 2 and focal.shape[1] == 2:
        _same_for_all(fields, "focal_length", focal)
        focal = focal[0]
    elif focal.size != 2 or focal.ndim == 2 or (listed and count == 2):
        _same_for_all(fields, "focal_length", focal.reshape(-1))
        focal = np.full(2, focal.reshape(-1)[0])
    if not (focal > 0).all():
        raise fields.bad("focal_length", f"expected positive pixels, found {focal.tolist()}")
    return focal.astype(np.float32)


def _same_for_all(fields: _Fields, role: str, values: np.ndarray) -> None:
    """One camera sees all people of an image."""
    if len(values) > 1 and np.abs(values - values[:1]).max() > 1e-3 * max(1.0, float(np.abs(values[0]).max())):
        raise fields.bad(role, f"expected one camera for all people, found different values {values.tolist()}")


def _joints(fields: _Fields, count: int, transl: np.ndarray) -> np.ndarray | None:
    """Joints (n, 33, 3) in the camera frame: 22 of the tree, 11 landmarks; NaN where the file says nothing."""
    joints, keypoints = fields.array("joints"), fields.array("keypoints_3d")
    for role, array, least in (("joints", joints, NUM_TREE_JOINTS), ("keypoints_3d", keypoints, 25)):
        if array is not None and (array.size % (3 * count) or array.size < 3 * count * least):
            raise fields.bad(role, f"expected shape ({count}, {least} or more, 3), found {array.shape}")
    points = np.full((count, NUM_TREE_JOINTS + 11, 3), np.nan, np.float32)
    if keypoints is not None:
        points = _in_camera(from_body25(keypoints.reshape(count, -1, 3)), transl)
    if joints is not None:
        joints = joints.reshape(count, -1, 3)
        if joints.shape[1] == _SPIN_JOINTS:
            points = _in_camera(from_body25(joints), transl)
        else:
            points[:, :NUM_TREE_JOINTS] = _in_camera(joints[:, :NUM_TREE_JOINTS], transl)
    return None if joints is None and keypoints is None else points


def _in_camera(points: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """Adds the translation unless it is in the points already: a pelvis near its translation is in the camera frame."""
    roots = points[:, 0]
    near = np.linalg.norm(roots - transl, axis=1) < np.linalg.norm(roots, axis=1)
    return np.where(near[:, None, None], points, points + transl[:, None]).astype(np.float32)


SMPL = Source("SMPL or SMPL-X parameters", lambda source: True, read_smpl_tree, _frames)
