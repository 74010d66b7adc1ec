"""SMPLify-X: a file a person, SMPL-X without a translation; camera = rotation about the origin, then translation."""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import REST_PELVIS, Source, SourceInput, all_have, estimates
from prosepose_jax.importing.sources.rotations import axis_angle, matrix

_FOCAL = 5000.0


def _read(source: SourceInput) -> ImageEstimates:
    poses, roots = [], []
    for fields in source.parts():
        body = source.array(fields, "body_pose")
        if body.size != 63:
            raise source.fail(
                f"'body_pose' has {body.size} numbers: a VPoser latent, which needs the VPoser decoder; fit with "
                "use_vposer: False, or decode it and save 63 axis-angle numbers"
            )
        orient = source.array(fields, "global_orient", (3,))
        own = source.array(fields, "transl", (3,)) if "transl" in fields else np.zeros(3, np.float32)
        root = REST_PELVIS["smplx"] + own
        if "camera_rotation" in fields:
            turn = source.array(fields, "camera_rotation", (3, 3)).astype(np.float64)
            if np.abs(turn - np.eye(3)).max() > 1e-6:
                orient, root = axis_angle(turn @ matrix(orient)), turn @ root
        poses.append(np.concatenate([orient[None], body.reshape(21, 3)]))
        roots.append(root + source.array(fields, "camera_translation", (3,)))
    size = source.image_size()
    focal, notes = source.assumed_focal(size, _FOCAL, "SMPLify-X's default")
    return estimates(source, np.stack(poses), size, focal, root=np.stack(roots), model="smplx", notes=notes)


SMPLIFYX = Source("SMPLify-X", lambda source: all_have(source.trees, "camera_translation", "body_pose"), _read)
