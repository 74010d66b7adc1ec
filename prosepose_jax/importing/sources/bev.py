"""BEV's result files (`results` of a `.npz`; docs/method.md, "Import").

BEV's frame is the camera frame. Its 71 joints begin with the 24 SMPL joints; 24–34 are face and feet in the order
of KEYPOINT_VERTEX_NAMES; the midpoint of 45 and 46 is where `cam_trans` points.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from prosepose_jax.body.keypoints import BODY25_SOURCE
from prosepose_jax.camera import focal_from_image_size
from prosepose_jax.errors import InputError
from prosepose_jax.importing._foreign import float_array, read_tree
from prosepose_jax.importing.estimates import NUM_TREE_JOINTS, Estimate, ImageEstimates, image_dimensions

_HIP_POINTS = (45, 46)
_LANDMARKS = slice(24, 35)
_NUM_JOINTS = 71
# The size read off the estimates must agree with the image's within this share.
_SIZE_TOLERANCE = 0.01
# BEV's joint for each BODY_25 keypoint: tree joints as in the body model, then the landmarks.
BODY25_JOINTS = np.where(BODY25_SOURCE >= 0, BODY25_SOURCE, 24 - 1 - BODY25_SOURCE)


def read_bev(path: str | Path, image: str | Path | None = None) -> ImageEstimates:
    """Reads BEV's `.npz`; its pickled dictionary is read without executing anything.

    The camera sees 60° across the longer side. The image's size comes from the image or, when none is given, from
    the estimates themselves (their 2D joints are the projection of their 3D joints).

    Args:
      path: the `.npz` with `results`.
      image: the photograph, optional.

    Raises:
      InputError: a field is missing or has the wrong shape, nobody was found, or the image is of another size.
    """
    path = Path(path)
    tree = read_tree(path)
    results = tree.get("results") if isinstance(tree, dict) else None
    if results is None and isinstance(tree, dict) and "smpl_thetas" in tree:
        results = tree
    if isinstance(results, list) and len(results) == 1:
        results = results[0]
    if not isinstance(results, dict):
        raise InputError(f"{path}: field 'results': expected BEV's dictionary of results, found none")
    for name in ("smpl_thetas", "joints", "cam_trans", "pj2d_org"):
        if name not in results:
            raise InputError(f"{path}: field {name!r} is missing in 'results'; found {', '.join(sorted(results))}")
    thetas = float_array(path, "smpl_thetas", results["smpl_thetas"], ("n", 72))
    count = len(thetas)
    if count == 0:
        raise InputError(f"{path}: field 'smpl_thetas': expected at least one person, found none")
    joints = float_array(path, "joints", results["joints"], (count, _NUM_JOINTS, 3))
    cam_trans = float_array(path, "cam_trans", results["cam_trans"], (count, 3))
    joints_px = float_array(path, "pj2d_org", results["pj2d_org"], (count, _NUM_JOINTS, 2))
    betas = float_array(path, "smpl_betas", results["smpl_betas"], (count, "B")) if "smpl_betas" in results else None

    joints_cam = joints - joints[:, _HIP_POINTS, :].mean(axis=1, keepdims=True) + cam_trans[:, None]
    size, focal = _camera(path, joints_cam, joints_px, Path(image) if image is not None else None)
    people = []
    for i in range(count):
        keypoints_px = np.concatenate([joints_px[i, BODY25_JOINTS], np.ones((25, 1), np.float32)], axis=1)
        people.append(
            Estimate(
                pose=thetas[i].reshape(24, 3)[:NUM_TREE_JOINTS],
                root=joints_cam[i, 0],
                joints=joints_cam[i, :NUM_TREE_JOINTS],
                landmarks=joints_cam[i, _LANDMARKS],
                joints_px=joints_px[i, :NUM_TREE_JOINTS],
                keypoints_px=keypoints_px,
                # The eleventh number blends between the adult and the infant template.
                kid_scale=float(np.clip(betas[i, 10], 0, 1)) if betas is not None and betas.shape[1] > 10 else None,
            )
        )
    return ImageEstimates(
        people=tuple(people),
        focal_length=np.full(2, focal, np.float32),
        principal_point=size / 2,
        image_size=size,
        image=Path(image) if image is not None else None,
    )


def _camera(path: Path, joints_cam: np.ndarray, joints_px: np.ndarray, image: Path | None) -> tuple[np.ndarray, float]:
    """Image size (2,) and focal length from BEV's own projection, checked against the image."""
    if not (joints_cam[..., 2] > 0).all():
        raise InputError(f"{path}: field 'cam_trans': expected people in front of the camera, found joints behind it")
    focal, centre = _solve_pinhole(joints_cam.reshape(-1, 3), joints_px.reshape(-1, 2))
    seen = 2 * centre
    if image is None:
        if not (seen > 0).all() or not math.isfinite(focal):
            raise InputError(f"{path}: field 'pj2d_org': is no projection of 'joints'; give the image as well")
        size = np.round(seen).astype(np.float32)
    else:
        size = np.array(image_dimensions(image), np.float32)
        if np.abs(seen - size).max() > _SIZE_TOLERANCE * size.max() + 1:
            raise InputError(
                f"{path}: field 'pj2d_org': made on an image of about {seen[0]:.0f}×{seen[1]:.0f} pixels, "
                f"but {image} has {size[0]:.0f}×{size[1]:.0f}"
            )
    usual = focal_from_image_size(float(size[0]), float(size[1]))
    # A run of BEV with another field of view shows in its projections.
    return size, usual if abs(focal / usual - 1) < _SIZE_TOLERANCE else float(focal)


def _solve_pinhole(points_cam: np.ndarray, points_px: np.ndarray) -> tuple[float, np.ndarray]:
    """Least-squares focal length and principal point of px = f · xy/z + c."""
    ratio = (points_cam[:, :2] / points_cam[:, 2:]).astype(np.float64)
    centred, centred_px = ratio - ratio.mean(axis=0), points_px - points_px.mean(axis=0)
    spread = float((centred**2).sum())
    focal = float((centred * centred_px).sum() / spread) if spread > 0 else math.nan
    return focal, points_px.mean(axis=0) - focal * ratio.mean(axis=0)
