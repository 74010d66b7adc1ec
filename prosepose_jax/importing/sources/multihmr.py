"""Multi-HMR: a list of SMPL-X people; `transl` is the place of the HEAD, `transl_pelvis` of the pelvis."""

from __future__ import annotations

from typing import Any

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import Source, SourceInput, estimates, first, has, sixty_degrees

_JOINTS = ("j3d", "j3d_smplx")  # of older versions


def _read(source: SourceInput) -> ImageEstimates:
    people = source.parts()
    pose = np.stack([source.array(person, "rotvec", (-1, 3)) for person in people])
    if pose.shape[1] < 22:
        raise source.fail(f"field 'rotvec': expected rotations of 22 joints or more, found {pose.shape[1]}")
    root = np.stack([_pelvis(source, person) for person in people])
    hands = (pose[:, 22:37], pose[:, 37:52]) if pose.shape[1] >= 52 else None
    size = source.image_size()
    if "K" in people[0] and source.focal is None:
        raise source.fail("Multi-HMR's `K` is of the padded square; give the photograph's focal length with --focal")
    focal, notes = source.assumed_focal(size, sixty_degrees(size), "60° over the longer side, Multi-HMR's default")
    return estimates(source, pose[:, :22], size, focal, root=root, model="smplx", hands=hands, notes=notes)


def _pelvis(source: SourceInput, person: dict[str, Any]) -> np.ndarray:
    """(3,) the pelvis: by itself, or the first of SMPL-X's joints in the camera frame."""
    if "transl_pelvis" in person:
        return source.array(person, "transl_pelvis", (3,))
    joints = next((name for name in _JOINTS if name in person), None)
    if joints is None:
        raise source.fail(
            "field 'transl_pelvis' is missing, and so are the joints (j3d); 'transl' is the place of the head"
        )
    return source.array(person, joints, (-1, 3))[0]


MULTIHMR = Source("Multi-HMR", lambda source: has(first(source), "rotvec"), _read)
