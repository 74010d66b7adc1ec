"""CLIFF: SMPL people of several images in one file, each with the translation for its whole image."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import Source, SourceInput, diagonal, estimates, has, rotations


def _images(source: SourceInput) -> list[str]:
    """The image of each row, by name; nothing where the file does not say."""
    named = source.trees[0].get("imgname", [])
    return [str(name) for name in (named.tolist() if isinstance(named, np.ndarray) else named)]


def _frames(source: SourceInput) -> list[str]:
    """The images of the file; nothing where there is one, or where the photograph's name tells which is meant."""
    names = sorted(set(_images(source)))
    return names if len(names) > 1 and _of_the_photograph(source, names) is None else []


def _of_the_photograph(source: SourceInput, names: list[str]) -> str | None:
    if source.image is None or source.frame is not None:
        return None
    found = [name for name in names if PurePath(name.replace("\\", "/")).name == source.image.name]
    return found[0] if len(found) == 1 else None


def _read(source: SourceInput) -> ImageEstimates:
    fields = source.trees[0]
    transl = source.array(fields, "global_t", (-1, 3))
    pose = rotations(source, fields, "pose", len(transl), 22)
    rows = np.arange(len(transl))
    images = _images(source)
    if images:
        if len(images) != len(transl):
            raise source.fail(f"field 'imgname': expected {len(transl)} names as there are people, found {len(images)}")
        names = sorted(set(images))
        wanted = _of_the_photograph(source, names) or names[source.pick(names, "image")]
        rows = np.flatnonzero(np.array(images) == wanted)
    size = source.image_size(fields.get("img_size"))
    if "focal_l" in fields and source.focal is None:
        lengths = source.array(fields, "focal_l").reshape(-1)
        lengths = lengths[rows] if len(lengths) == len(transl) else lengths
        focal: np.ndarray = np.full(2, source.number({"focal_l": lengths}, "focal_l"))
        notes: tuple[str, ...] = ()
    else:
        focal, notes = source.assumed_focal(size, diagonal(size), "the image's diagonal, CLIFF's default")
    return estimates(source, pose[rows], size, focal, transl=transl[rows], notes=notes)


CLIFF = Source("CLIFF", lambda source: has(source.trees[0], "pose", "global_t"), _read, _frames, many=False)
