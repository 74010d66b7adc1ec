"""SMPLer-X and OSX: SMPL-X people, each with the camera of its own box in pixels of the whole image.

To one camera: the pelvis keeps its pixel, the depth changes as the focal length does, so that the person keeps its
size; the body turns by the rotation that takes the ray of its own camera to that of the common one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.importing.containers import read_tree
from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import (
    REST_PELVIS,
    Source,
    SourceInput,
    estimates,
    has,
    sixty_degrees,
)
from prosepose_jax.importing.sources.files import frames_by_name, of_frame

_SMPLERX_BODY = ("global_orient", "body_pose", "transl")
_OSX_BODY = ("root_pose", "body_pose", "trans")


def _meta(path: Path) -> Path:
    """SMPLer-X's camera file of a person: `meta/` beside the folder of the parameters."""
    return path.parent.parent / "meta" / f"{path.stem}.json"


def _is_smplerx(source: SourceInput) -> bool:
    tree = source.trees[0]
    return has(tree, *_SMPLERX_BODY, "betas") and (_meta(source.paths[0]).is_file() or _lacks_camera(source))


def _lacks_camera(source: SourceInput) -> bool:
    """Parameters named as SMPLer-X names its files, in a folder `smplx`, without a camera."""
    tree, path = source.trees[0], source.paths[0]
    cameras = ("focal_length", "focal", "K", "img_size", "camera_translation")
    return path.parent.name == "smplx" and "_" in path.stem and not any(name in tree for name in cameras)


def _read_smplerx(source: SourceInput) -> ImageEstimates:
    source = of_frame(source)
    people = []
    for path, tree in zip(source.paths, source.trees, strict=True):
        if not _meta(path).is_file():
            raise source.fail(f"a SMPLer-X person, whose camera is in {_meta(path)}: no such file")
        people.append((tree, read_tree(_meta(path))))
    return _one_camera(source, people, _SMPLERX_BODY)


def _read_osx(source: SourceInput) -> ImageEstimates:
    people = [(source.section(tree, "smplx_param"), source.section(tree, "cam_param")) for tree in source.trees]
    return _one_camera(source, people, _OSX_BODY)


def _one_camera(
    source: SourceInput, people: list[tuple[Mapping[str, Any], Mapping[str, Any]]], names: tuple[str, str, str]
) -> ImageEstimates:
    orient_name, body_name, transl_name = names
    size = source.image_size()
    focal, notes = source.assumed_focal(
        size, sixty_degrees(size), "60° over the longer side; the people had a camera each"
    )
    poses, roots = [], []
    for fields, camera in people:
        orient = source.array(fields, orient_name, (1, 3))
        body = source.array(fields, body_name, (21, 3))
        own = source.array(camera, "focal", (-1,))[0]
        pixel = source.array(camera, "princpt", (2,)).astype(np.float64)
        root = source.array(fields, transl_name, (3,)) + REST_PELVIS["smplx"]
        if not root[2] > 0 or not own > 0:
            raise source.fail(f"expected a person in front of its camera, found depth {root[2]:g} m, focal {own:g} px")
        pixel = own * root[:2] / root[2] + pixel
        depth = root[2] * focal[0] / own
        across = (pixel - size / 2) * depth / focal[0]
        poses.append(np.concatenate([orient, body]))
        roots.append(np.array([*across, depth]))
    return estimates(source, np.stack(poses), size, focal, root=np.stack(roots), model="smplx", notes=notes)


SMPLERX = Source("SMPLer-X", _is_smplerx, _read_smplerx, frames_by_name)
OSX = Source("OSX", lambda source: has(source.trees[0], "smplx_param", "cam_param"), _read_osx)
