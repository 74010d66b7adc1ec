"""EasyMocap: a list of people; the rotation is about the model's ORIGIN: pelvis = Th + Rh·(rest pelvis).

The frame is the world of `extri.yml`, the camera's where a single view has identity extrinsics.
"""

from __future__ import annotations

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import REST_PELVIS, Source, SourceInput, estimates, has, sixty_degrees
from prosepose_jax.importing.sources.rotations import matrix

_PERSON = ("Rh", "Th", "poses")


def _recognises(source: SourceInput) -> bool:
    tree = source.trees[0]
    return isinstance(tree, list) and bool(tree) and all(has(person, *_PERSON) for person in tree)


def _frames(source: SourceInput) -> list[str]:
    return [path.stem for path in source.paths] if len(source.paths) > 1 else []


def _read(source: SourceInput) -> ImageEstimates:
    """Each file is a frame."""
    chosen = source.pick(_frames(source)) if len(source.paths) > 1 else 0
    people = source.trees[chosen]
    poses, roots = [], []
    for person in people:
        if not has(person, *_PERSON):
            raise InputError(f"{source.paths[chosen]}: expected people with the fields {', '.join(_PERSON)}")
        full = source.array(person, "poses", (-1,))
        if full.size < 66:
            raise source.fail(f"field 'poses': expected 72, 78 or 87 numbers, found {full.size}")
        turn = source.array(person, "Rh", (3,))
        model = "smpl" if full.size == 72 else "smplx"
        poses.append(np.concatenate([turn[None], full[3:66].reshape(21, 3)]))
        roots.append(source.array(person, "Th", (3,)) + matrix(turn) @ REST_PELVIS[model])
    size = source.image_size()
    focal, notes = source.assumed_focal(size, sixty_degrees(size), "60°; EasyMocap's is in intri.yml")
    return estimates(source, np.stack(poses), size, focal, root=np.stack(roots), notes=notes)


EASYMOCAP = Source("EasyMocap", _recognises, _read, _frames)
