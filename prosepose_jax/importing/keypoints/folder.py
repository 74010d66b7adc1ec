"""The keypoint file of an image in a detector's output folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from prosepose_jax.errors import InputError

ENDINGS = (".json", ".txt", ".npz", ".npy", ".pkl", ".pickle", ".pt", ".pth")
# What detectors put around the image's name: OpenPose, easy_ViTPose and MMPose's demo; OpenPifPaf keeps its ending.
_AROUND = re.compile(
    r"^results_|(_keypoints|_result|_pose)$|(\.(jpe?g|png|bmp|webp|tiff?))?\.predictions$", re.IGNORECASE
)
# OpenPose numbers a video's frames with twelve digits.
_FRAME = re.compile(r"_(\d{12})_keypoints$")


def plain_name(path: Path) -> str:
    """A keypoint file's name without what its detector puts around the image's."""
    return _AROUND.sub("", path.stem)


def file_of_image(folder: Path, names: Sequence[str], frame: str | None = None) -> Path:
    """The file of an image, or the folder's only one.

    Args:
      folder: the folder.
      names: names of the image, the surest first, with or without their ending.
      frame: the frame of a video, for folders with a file a frame.

    Raises:
      InputError: no file is that image's, or several are.
    """
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file() and p.name[0] != ".")
    if not files:
        raise InputError(f"{folder}: no keypoint files; expected at least one of {', '.join(ENDINGS)}")
    for name in names:
        stem = Path(name).stem if Path(name).suffix else name
        fits = [p for p in files if plain_name(p) == stem or p.stem == stem]
        if len(fits) > 1:
            raise InputError(f"{folder}: {' and '.join(p.name for p in fits)} are both of {name}; give one of them")
        if fits:
            return fits[0]
    if frame is not None and frame.isdecimal():
        fits = [p for p in files if (found := _FRAME.search(p.stem)) and int(found[1]) == int(frame)]
        if len(fits) == 1:
            return fits[0]
    if len(files) == 1:
        return files[0]
    raise InputError(
        f"{folder}: none of its {len(files)} keypoint files is named after {' or '.join(names) or 'the image'}; "
        f"found {', '.join(p.name for p in files[:5])}{', …' if len(files) > 5 else ''}"
    )
