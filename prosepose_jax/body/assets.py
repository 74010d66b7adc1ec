"""Body files to BodyModel: SMPL-X, SMPL-H and SMPL formats, official or home-made.

Everything here runs once, on the host, in float64 numpy; posing is elsewhere
(docs/body.md lists the fields and the files beside a body).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax import resources
from prosepose_jax.body._files import read_array, read_fields, read_mapping
from prosepose_jax.body.keypoints import KEYPOINT_VERTEX_NAMES, SMPL_KEYPOINT_VERTICES, SMPLX_KEYPOINT_VERTICES
from prosepose_jax.body.kid import derive_kid_template
from prosepose_jax.body.lowres import lowres_mesh
from prosepose_jax.body.model import BodyModel, LowResolution
from prosepose_jax.body.regions import compute_keypoint_vertices, compute_regions, load_regions, regions_from_lists
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import as_input_error

FORMATS = {24: "SMPL", 52: "SMPL-H", 55: "SMPL-X"}
_SMPLX_VERTICES, _SMPL_VERTICES = 10475, 6890
# SMPL-X files hold 300 shape components, then expressions; older ones 10, then 10 expressions.
_SHAPE_COMPONENTS, _OLD_SHAPE_COMPONENTS = 300, 10
# Names under which licensed extra files are handed out, looked for beside the body file.
_OFFICIAL_KID, _OFFICIAL_REGIONS = "smplx_kid_template.npy", "flickrci3ds_r75_rid_to_smplx_vid.pkl"


def load_body(
    path: str | Path | None = None,
    regions: str | Path | None = None,
    *,
    keypoints: str | Path | None = None,
    lowres: str | Path | None = None,
    kid_template: str | Path | None = None,
    flat_hands: bool = False,
    num_betas: int | None = None,
    num_expressions: int = 10,
    dtype: Any = jnp.float32,
) -> BodyModel:
    """Reads a body model (docs/method.md, "Body model"; file layouts in docs/body.md).

    Args:
      path: a SMPL-X, SMPL-H or SMPL file (.npz or .pkl; any vertex count); None for the embedded body.
      regions: {region id: vertex ids} as .pkl, .json or .npz.
      keypoints: .json {name: vertex id} of the eleven BODY_25 keypoints that are vertices.
      lowres: .npz with vertex_ids (n,) and faces (m, 3), a closed surface on the model's vertices.
      kid_template: .npy (V, 3), the child template that kid_scale = 1 stands for (as smplx reads it:
        moved so that its mean vertex is the origin).
      flat_hands: a hand pose of zero is a flat hand; False: it is the file's mean hand.
      num_betas: shape components to keep; None: all of a file with at most 16 of them, else 10.
      num_expressions: expression components to keep, at most (SMPL-X only).
      dtype: float32, or float64 with JAX's x64 mode on.

    The four extra files left at None are looked for beside the body file (NAME_regions.pkl,
    .json or .npz; NAME_keypoints.json; NAME_lowres.npz; NAME_kid_template.npy for NAME.npz) and
    else computed from the model; with SMPL-X's or SMPL's own vertex count the published keypoint
    vertices are used. A computed low-resolution surface is kept in the user's cache folder.

    Returns:
      BodyModel with J = 24, 52 or 55 joints.

    Raises:
      InputError: a file is missing, damaged, lacks a field, has a wrong shape or contains code;
        the message names file and field.
    """
    dtype = _float_type(dtype)
    file = resources.smpl_assets_dir() / "body.npz" if path is None else Path(path)
    files = (regions, keypoints, lowres, kid_template)
    with as_input_error(file, "not a usable body"):
        return _load(file, path is not None, *files, flat_hands, num_betas, num_expressions, dtype)


def _load(
    file: Path,
    named: bool,
    regions: str | Path | None,
    keypoints: str | Path | None,
    lowres: str | Path | None,
    kid_template: str | Path | None,
    flat_hands: bool,
    num_betas: int | None,
    num_expressions: int,
    dtype: Any,
) -> BodyModel:
    fields = read_fields(file)
    source = str(file)

    v_template = _array(fields, "v_template", source, (None, 3))
    num_vertices = len(v_template)
    if num_vertices == 0:
        raise InputError(f"{source}: field 'v_template': expected vertices, found none")
    faces = _indices(fields, "f", source, (None, 3), num_vertices)
    parents = _parents(fields, source)
    num_joints = len(parents)
    weights = _skinning_weights(fields, source, num_vertices, num_joints)
    regressor = _array(fields, "J_regressor", source, (num_joints, num_vertices))
    shape_dirs, expression_dirs = _shape_spaces(fields, source, num_vertices, num_joints, num_betas, num_expressions)
    pose_dirs = _pose_dirs(fields, source, num_vertices, num_joints)
    hands = _hands(fields, source, num_joints, flat_hands)
    joints = regressor @ v_template

    kid_file = _beside(file, kid_template, ["{}_kid_template.npy"], _OFFICIAL_KID, num_vertices)
    if kid_file is None:
        kid = derive_kid_template(v_template, weights, joints, parents)
    else:
        kid = _checked(read_array(kid_file), str(kid_file), "the child template", (num_vertices, 3))
        kid = kid - kid.mean(axis=0)  # as smplx does with every kid template
    kid_dir = kid - v_template

    lowres_file = _beside(file, lowres, ["{}_lowres.npz"], None, num_vertices)
    if lowres_file is None:
        low_ids, low_faces = lowres_mesh(v_template, faces, source)
    else:
        low_ids, low_faces = _read_lowres(lowres_file, num_vertices)

    regions_file = _beside(
        file, regions, ["{}_regions.pkl", "{}_regions.json", "{}_regions.npz"], _OFFICIAL_REGIONS, num_vertices
    )
    if regions_file is None:
        try:
            region_lists = compute_regions(v_template, faces, weights, joints, parents)
        except InputError as error:
            raise InputError(f"{source}: regions cannot be computed ({error}); give a regions file") from error
    else:
        region_lists = load_regions(regions_file, num_vertices)

    keypoints_file = _beside(file, keypoints, ["{}_keypoints.json"], None, num_vertices)
    if keypoints_file is not None:
        keypoint_vertices = _read_keypoints(keypoints_file, num_vertices)
    elif num_vertices == _SMPLX_VERTICES and num_joints == 55:
        keypoint_vertices = np.array(SMPLX_KEYPOINT_VERTICES)
    elif num_vertices == _SMPL_VERTICES:
        keypoint_vertices = np.array(SMPL_KEYPOINT_VERTICES)
    else:
        keypoint_vertices = compute_keypoint_vertices(v_template, faces, weights, joints, parents)

    def real(array: np.ndarray) -> jax.Array:
        return jnp.asarray(np.ascontiguousarray(array), dtype)

    def joint_dirs(dirs: np.ndarray) -> np.ndarray:
        return np.einsum("jv,vdk->jdk", regressor, dirs, optimize=True)

    return BodyModel(
        v_template=real(v_template),
        shape_dirs=real(shape_dirs),
        expression_dirs=real(expression_dirs),
        kid_dir=real(kid_dir),
        pose_dirs=None if pose_dirs is None else real(pose_dirs),
        joint_template=real(joints),
        joint_shape_dirs=real(joint_dirs(shape_dirs)),
        joint_expression_dirs=real(joint_dirs(expression_dirs)),
        joint_kid_dir=real(regressor @ kid_dir),
        joint_regressor=real(regressor),
        skin_weights=real(weights),
        left_hand_mean=real(hands[0]),
        right_hand_mean=real(hands[1]),
        left_hand_components=real(hands[2]),
        right_hand_components=real(hands[3]),
        faces=jnp.asarray(faces, jnp.int32),
        keypoint_vertices=jnp.asarray(keypoint_vertices, jnp.int32),
        regions=regions_from_lists(region_lists, num_vertices),
        lowres=LowResolution(vertex_ids=jnp.asarray(low_ids, jnp.int32), faces=jnp.asarray(low_faces, jnp.int32)),
        parents=tuple(int(p) for p in parents),
        name=f"{FORMATS[num_joints]} {file.stem}" if named else "embedded",
    )


def _float_type(dtype: Any) -> Any:
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise InputError(f"load_body: dtype must be float32 or float64, not {dtype}")
    if dtype == np.float64 and jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise InputError("load_body: dtype float64 needs jax.config.update('jax_enable_x64', True)")
    return dtype


def _field(fields: Mapping[str, Any], name: str, source: str) -> Any:
    if name not in fields:
        known = ", ".join(sorted(fields)[:20]) or "nothing"
        raise InputError(f"{source}: field {name!r} is missing; a body file must have it (found: {known})")
    return fields[name]


def _shape_text(shape: tuple[int | None, ...]) -> str:
    names = ["n" if n is None else str(n) for n in shape]
    return "(" + ", ".join(names) + ("," if len(names) == 1 else "") + ")"


def _checked(value: Any, source: str, what: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """A float64 array of the given shape (None: any length), finite, or an InputError."""
    with as_input_error(f"{source}: {what}"):  # lists of lists of uneven length
        array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{source}: {what}: expected an array of numbers, found {_kind(value)}")
    if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True)):
        raise InputError(f"{source}: {what}: expected shape {_shape_text(shape)}, found {array.shape}")
    array = array.astype(np.float64)
    if not np.all(np.isfinite(array)):
        raise InputError(f"{source}: {what}: expected finite numbers, found NaN or infinity")
    return array


def _kind(value: Any) -> str:
    return f"dtype {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


def _array(fields: Mapping[str, Any], name: str, source: str, shape: tuple[int | None, ...]) -> np.ndarray:
    return _checked(_field(fields, name, source), source, f"field {name!r}", shape)


def _checked_ids(value: Any, source: str, what: str, shape: tuple[int | None, ...], limit: int) -> np.ndarray:
    """An int64 array of ids below `limit`, or an InputError."""
    array = _checked(value, source, what, shape)
    ids = array.astype(np.int64)
    if np.any(ids != array):
        raise InputError(f"{source}: {what}: expected whole numbers")
    if ids.size and (ids.min() < 0 or ids.max() >= limit):
        raise InputError(f"{source}: {what}: expected ids from 0 to {limit - 1}, found {ids.min()} to {ids.max()}")
    return ids


def _indices(
    fields: Mapping[str, Any], name: str, source: str, shape: tuple[int | None, ...], limit: int
) -> np.ndarray:
    return _checked_ids(_field(fields, name, source), source, f"field {name!r}", shape, limit)


def _parents(fields: Mapping[str, Any], source: str) -> np.ndarray:
    table = _array(fields, "kintree_table", source, (2, None))
    parents = table[0].astype(np.int64)
    if len(parents) not in FORMATS:
        wanted = ", ".join(f"{n} ({name})" for n, name in FORMATS.items())
        raise InputError(f"{source}: field 'kintree_table': expected {wanted} joints, found {len(parents)}")
    parents[0] = -1  # stored as 2**32 - 1, 2**64 - 1 or -1
    if np.any(parents[1:] < 0) or np.any(parents[1:] >= np.arange(1, len(parents))):
        raise InputError(f"{source}: field 'kintree_table': every joint's parent must come before it")
    return parents


def _skinning_weights(fields: Mapping[str, Any], source: str, num_vertices: int, num_joints: int) -> np.ndarray:
    weights = _array(fields, "weights", source, (num_vertices, num_joints))
    total = weights.sum(axis=1, keepdims=True)
    if np.any(np.abs(total - 1) > 0.01):
        worst = float(total.flat[np.argmax(np.abs(total - 1))])
        raise InputError(f"{source}: field 'weights': expected rows that sum to 1, found a row with sum {worst:.3g}")
    # Half-precision files are off by 1e-3: at 4 m from the camera that would be millimetres.
    return weights / total


def _shape_spaces(
    fields: Mapping[str, Any],
    source: str,
    num_vertices: int,
    num_joints: int,
    num_betas: int | None,
    num_expressions: int,
) -> tuple[np.ndarray, np.ndarray]:
    stored = np.asarray(_field(fields, "shapedirs", source))
    if stored.ndim == 2:  # a single component may be stored without its axis
        stored = stored[:, :, None]
    total = stored.shape[-1] if stored.ndim == 3 else 0
    if num_joints < 55:
        first_expression = total
    else:
        first_expression = _SHAPE_COMPONENTS if total > _SHAPE_COMPONENTS else _OLD_SHAPE_COMPONENTS
    num_shape = min(first_expression, total)
    keep = num_betas if num_betas is not None else (num_shape if num_shape <= 16 else 10)
    if not 0 <= keep <= num_shape:
        raise InputError(f"{source}: field 'shapedirs': {keep} shape components asked for, the file has {num_shape}")
    if num_expressions < 0:
        raise InputError(f"load_body: num_expressions must not be negative, found {num_expressions}")
    last = min(first_expression + num_expressions, total)
    # Cut before converting: the official file's 400 components are 100 MB as float64.
    columns = [*range(keep), *range(first_expression, last)]
    if stored.ndim == 3:
        stored = stored[:, :, columns]
    dirs = _checked(stored, source, "field 'shapedirs'", (num_vertices, 3, None))
    return dirs[:, :, :keep], dirs[:, :, keep:]


def _pose_dirs(fields: Mapping[str, Any], source: str, num_vertices: int, num_joints: int) -> np.ndarray | None:
    if "posedirs" not in fields:
        return None
    stored = np.asarray(fields["posedirs"])
    if stored.shape == (num_vertices, 3, 0):
        return None
    dirs = _checked(stored, source, "field 'posedirs'", (num_vertices, 3, 9 * (num_joints - 1)))
    return dirs if np.any(dirs) else None


def _hands(
    fields: Mapping[str, Any], source: str, num_joints: int, flat_hands: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean hands (15, 3) and components (45, 45), left and right; zeros where the model has no fingers."""
    means, components = [], []
    for side in "lr":
        mean, rows = np.zeros(45), np.eye(45)
        if num_joints >= 52:
            mean = _array(fields, f"hands_mean{side}", source, (45,))
            stored = _array(fields, f"hands_components{side}", source, (None, 45))
            if len(stored) > 45:
                raise InputError(f"{source}: field 'hands_components{side}': expected at most 45 rows")
            rows = np.zeros((45, 45))
            rows[: len(stored)] = stored
        means.append(np.zeros((15, 3)) if flat_hands else mean.reshape(15, 3))
        components.append(rows)
    return means[0], means[1], components[0], components[1]


def _beside(
    body_file: Path, given: str | Path | None, patterns: list[str], official: str | None, num_vertices: int
) -> Path | None:
    """The extra file to use: the given one, else one beside the body file, else None."""
    if given is not None:
        return Path(given)
    names = [pattern.format(body_file.stem) for pattern in patterns]
    if official is not None and num_vertices == _SMPLX_VERTICES:
        names.append(official)
    return next((body_file.with_name(name) for name in names if body_file.with_name(name).is_file()), None)


def _read_lowres(path: Path, num_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    fields = read_fields(path)
    source = str(path)
    ids = _indices(fields, "vertex_ids", source, (None,), num_vertices)
    faces = _indices(fields, "faces", source, (None, 3), len(ids))
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there, back = edges[:, 0] * len(ids) + edges[:, 1], edges[:, 1] * len(ids) + edges[:, 0]
    if len(faces) == 0 or not np.array_equal(np.sort(there), np.sort(back)):
        raise InputError(f"{source}: field 'faces': expected a closed surface, found open or wrongly turned edges")
    return ids, faces


def _read_keypoints(path: Path, num_vertices: int) -> np.ndarray:
    source = str(path)
    table = read_mapping(path)
    ids = []
    for name in KEYPOINT_VERTEX_NAMES:
        if name not in table:
            raise InputError(f"{source}: {name!r} is missing; expected {', '.join(KEYPOINT_VERTEX_NAMES)}")
        ids.append(_checked_ids(table[name], source, repr(name), (), num_vertices))
    return np.array(ids)
