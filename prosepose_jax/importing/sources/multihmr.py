"""Multi-HMR: a list of SMPL-X people; `transl` is the place of the HEAD, `transl_pelvis` of the pelvis."""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import Source, SourceInput, estimates, first, has, sixty_degrees


def _read(source: SourceInput) -> ImageEstimates:
    people = source.parts()
    pose = np.stack([source.array(person, "rotvec", (-1, 3)) for person in people])
    if pose.shape[1] < 22:
        raise source.fail(f"field 'rotvec': expected rotations of 22 joints or more, found {pose.shape[1]}")
    if any("transl_pelvis" not in person for person in people):
        raise source.fail("field 'transl_pelvis' is missing ('transl' is the place of the head)")
    root = np.stack([source.array(person, "transl_pelvis", (3,)) for person in people])
    hands = (pose[:, 22:37], pose[:, 37:52]) if pose.shape[1] >= 52 else None
    size = source.image_size()
    if "K" in people[0] and source.focal is None:
        raise source.fail("Multi-HMR's `K` is of the padded square; give the photograph's focal length with --focal")
    focal, notes = source.assumed_focal(size, sixty_degrees(size), "60° over the longer side, Multi-HMR's default")
    return estimates(source, pose[:, :22], size, focal, root=root, model="smplx", hands=hands, notes=notes)


MULTIHMR = Source("Multi-HMR", lambda source: has(first(source), "rotvec"), _read)
