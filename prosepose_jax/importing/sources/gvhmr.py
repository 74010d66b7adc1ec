"""GVHMR: one person over the frames of a video, SMPL-X in spite of the fields' names.

`smpl_params_incam` is in the camera's frame; `smpl_params_global` is in the world's and never used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import Source, SourceInput, diagonal, estimates, has

_CAMERA, _WORLD = "smpl_params_incam", "smpl_params_global"


def _section(tree: Any, name: str) -> Mapping[str, Any]:
    """A set of parameters: nested, or flattened into names that begin with the set's."""
    if not isinstance(tree, Mapping):
        return {}
    if isinstance(tree.get(name), Mapping):
        return tree[name]
    return {key[len(name) :].lstrip("._/"): value for key, value in tree.items() if key.startswith(name)}


def _incam(tree: Any) -> Mapping[str, Any]:
    found = _section(tree, _CAMERA)
    if not found and has(tree, "K_fullimg", "global_orient", "body_pose", "transl"):
        return tree
    return found


def _recognises(source: SourceInput) -> bool:
    tree = source.trees[0]
    return has(_incam(tree), "global_orient", "body_pose", "transl") or bool(_section(tree, _WORLD))


def _rows(source: SourceInput) -> range:
    fields = _incam(source.trees[0])
    return range(source.array(fields, "transl").size // 3 if "transl" in fields else 0)


def _person(source: SourceInput) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Pose (22, 3), translation and intrinsics of the chosen frame."""
    tree = source.trees[0]
    fields = _incam(tree)
    if not fields:
        raise source.fail(f"a GVHMR result with the world's frame alone ({_WORLD}); {_CAMERA} is needed")
    count = len(_rows(source))
    row = source.pick(range(count))
    orient = source.array(fields, "global_orient", (count, 1, 3))[row]
    body = source.array(fields, "body_pose", (count, -1, 3))[row, :21]
    transl = source.array(fields, "transl", (count, 3))[row]
    k = None
    if "K_fullimg" in tree:
        matrices = source.array(tree, "K_fullimg", (-1, 3, 3))
        k = matrices[row if len(matrices) == count else 0]
    return np.concatenate([orient, body]), transl, k


def _read(source: SourceInput) -> ImageEstimates:
    """Several files are several people of one video."""
    poses, translations, camera = [], [], None
    for path, tree in zip(source.paths, source.trees, strict=True):
        if not _incam(tree) and len(source.trees) > 1:
            raise InputError(f"{path}: expected a GVHMR result as in {source.paths[0]}")
        one = SourceInput((path,), (tree,), source.image, source.frame, source.focal)
        pose, transl, k = _person(one)
        if camera is not None and k is not None and np.abs(k - camera).max() > 1e-3 * np.abs(camera).max():
            raise InputError(f"{path}: field 'K_fullimg': another camera than in {source.paths[0]}")
        camera = k if camera is None else camera
        poses.append(pose)
        translations.append(transl)
    pose, transl = np.stack(poses), np.stack(translations)
    if camera is None:
        size = source.image_size()
        focal, notes = source.assumed_focal(size, diagonal(size), "the image's diagonal; GVHMR's is in K_fullimg")
        return estimates(source, pose, size, focal, transl=transl, model="smplx", notes=notes)
    size = source.image_size(np.round(2 * camera[:2, 2]), worked_out=True)
    return estimates(source, pose, size, camera[(0, 1), (0, 1)], transl=transl, model="smplx", principal=camera[:2, 2])


GVHMR = Source("GVHMR", _recognises, _read, _rows)
