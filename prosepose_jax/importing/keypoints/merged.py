"""The people of one image out of all its keypoint files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.detections import Detections
from prosepose_jax.importing.keypoints.folder import file_of_image
from prosepose_jax.importing.keypoints.placing import placed
from prosepose_jax.importing.keypoints.read import read_keypoints
from prosepose_jax.importing.matching import merge_detections


def read_merged(
    files: Sequence[Path],
    *,
    layouts: Sequence[str] = (),
    names: Sequence[str] = (),
    image_id: str | None = None,
    frame: str | None = None,
    image_size: Sequence[float] | None = None,
    people_px: np.ndarray | None = None,
    image: Path | None = None,
) -> Detections:
    """One list of people from several detectors' files.

    Args:
      files: keypoint files, or folders with one for each image; the most trusted first.
      layouts: the points' layout, one for all files or one each; "" or "auto" is recognised.
      names: names of the image, the surest first.
      image_id: the image in files for many, see `read_keypoints`.
      frame: the frame in files for many.
      image_size: (width, height) px.
      people_px: (n, 25, 3) BODY_25 of the estimates; keypoints of the picture turned otherwise are brought to theirs.
      image: the photograph.

    Raises:
      InputError: a file cannot be used, or nobody is in any of them.
    """
    layouts = list(layouts) or ["auto"]
    if len(layouts) not in (1, len(files)):
        raise InputError(
            f"--keypoint_layout: expected one for all {len(files)} keypoint files or one each, found {len(layouts)}"
        )
    found = []
    for path, layout in zip(files, layouts * (len(files) // len(layouts)), strict=True):
        file = file_of_image(path, names, frame) if path.is_dir() else path
        one = read_keypoints(
            file,
            layout=layout,
            names=names,
            image_id=image_id,
            frame=frame,
            image_size=image_size,
            people_px=people_px,
        )
        found.append(one if people_px is None else placed(file, one, people_px, image))
    merged = merge_detections(found)
    if len(merged.keypoints) == 0:
        raise InputError(f"{', '.join(map(str, files))}: nobody was found in the image")
    return merged
