"""AiOS: a file a person and frame, SMPL-X; the focal length is 5000 px of the network's input, whose size is lost."""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import Source, SourceInput, all_have, estimates, has
from prosepose_jax.importing.sources.files import frames_by_name, of_frame


def _recognises(source: SourceInput) -> bool:
    return all_have(source.trees, "params") and all(
        has(tree["params"], "transl", "global_orient", "body_pose") for tree in source.trees
    )


def _read(source: SourceInput) -> ImageEstimates:
    source = of_frame(source)
    if source.focal is None:
        raise source.fail("an AiOS result: its focal length in the image is not stored; give it with --focal")
    people = [source.section(tree, "params") for tree in source.trees]
    orient = np.stack([source.array(p, "global_orient", (1, 3)) for p in people])
    body = np.stack([source.array(p, "body_pose", (21, 3)) for p in people])
    transl = np.stack([source.array(p, "transl", (3,)) for p in people])
    size = source.image_size()
    pose = np.concatenate([orient, body], axis=1)
    return estimates(source, pose, size, np.full(2, source.focal), transl=transl, model="smplx")


AIOS = Source("AiOS", _recognises, _read, frames_by_name)
