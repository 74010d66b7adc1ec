"""Which files of a folder belong to which image (docs/import.md, "A folder of images")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from prosepose_jax.errors import InputError
from prosepose_jax.importing.images import ImageInputs

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_ESTIMATE_ENDINGS = (".npz", ".pkl", ".pickle")
# Folders of a layout by kind, the preferred one first.
_ESTIMATE_FOLDERS = ("bev", "hmr2", "smpl", "estimates")
_KEYPOINT_KINDS = ("vitpose", "openpose", "keypoints")
_IMAGE_FOLDERS = ("images", "image")
_ANNOTATION_PATTERN = "*contact*.json"
# What tools append to an image's name: BEV its threshold, OpenPose "_keypoints".
_SUFFIX = re.compile(r"(_keypoints|_0\.\d+)+$")
# File names that say what a file is, not whose it is.
_GENERIC_NAMES = frozenset({"bev", "hmr2", "smpl", "smplx", "estimates", "results", "image", "params"})


def default_name(estimates: Path, image: Path | None = None) -> str:
    """A name for the scenes of an image: that of the image or estimates, of their folder when those say nothing."""
    for path in (image, estimates):
        if path is not None and path.stem.lower() not in _GENERIC_NAMES:
            return _SUFFIX.sub("", path.stem)
    return estimates.resolve().parent.name or "scene"


def find_images(folder: Path, annotations: Path | None = None) -> tuple[list[ImageInputs], dict[str, str]]:
    """The images of a folder and their files, in order of name.

    Two layouts are known: a sub-folder for each image, or a sub-folder for each kind of file (`bev`, `vitpose`,
    `openpose`, `images`) with files named after the image.

    Args:
      folder: the folder.
      annotations: one annotation file for all images; default: one found beside the images.

    Returns:
      The inputs of each image, and {name: reason} of images that lack a file.

    Raises:
      InputError: there is no such folder, or nothing to import in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of images, found {'a file' if folder.is_file() else 'nothing'}")
    by_kind = next((folder / name for name in _ESTIMATE_FOLDERS if (folder / name).is_dir()), None)
    images, failures = _by_kind(folder, by_kind) if by_kind is not None else _by_image(folder)
    if not images and not failures:
        raise InputError(
            f"{folder}: nothing to import; expected a sub-folder for each image with an estimates file (.npz, .pkl), "
            f"or sub-folders {', '.join((*_ESTIMATE_FOLDERS[:1], *_KEYPOINT_KINDS[:2], _IMAGE_FOLDERS[0]))}"
        )
    shared = annotations or _first(folder.glob(_ANNOTATION_PATTERN))
    images = [
        ImageInputs(i.name, i.estimates, i.keypoints, i.image, annotations or i.annotations or shared) for i in images
    ]
    return images, failures


def _first(paths: Iterable[Path]) -> Path | None:
    return min(paths, default=None)


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    return sorted(
        p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in endings and not p.name.startswith(".")
    )


def _by_image(folder: Path) -> tuple[list[ImageInputs], dict[str, str]]:
    images, failures = [], {}
    for inside in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        estimates = _files(inside, _ESTIMATE_ENDINGS)
        json_files = _files(inside, (".json",))
        pictures = _files(inside, _IMAGE_ENDINGS)
        if not estimates and not json_files and not pictures:
            continue  # nothing of an image in it
        if len(estimates) != 1:
            found = ", ".join(p.name for p in estimates) or "none"
            failures[inside.name] = f"{inside}: expected one estimates file (.npz or .pkl), found {found}"
            continue
        keypoints = tuple(p for kind in _KEYPOINT_KINDS for p in json_files if kind in p.name.lower())
        picture = next((p for p in pictures if p.stem == "image"), pictures[0] if len(pictures) == 1 else None)
        images.append(
            ImageInputs(
                name=inside.name,
                estimates=estimates[0],
                keypoints=tuple(dict.fromkeys(keypoints)),
                image=picture,
                annotations=_first(inside.glob(_ANNOTATION_PATTERN)),
            )
        )
    return images, failures


def _by_kind(folder: Path, estimates_folder: Path) -> tuple[list[ImageInputs], dict[str, str]]:
    def by_name(kind: str, endings: tuple[str, ...]) -> dict[str, Path]:
        inside = folder / kind
        return {_SUFFIX.sub("", p.stem): p for p in _files(inside, endings)} if inside.is_dir() else {}

    estimates = by_name(estimates_folder.name, _ESTIMATE_ENDINGS)
    keypoints = [by_name(kind, (".json",)) for kind in _KEYPOINT_KINDS]
    pictures = {name: path for kind in reversed(_IMAGE_FOLDERS) for name, path in by_name(kind, _IMAGE_ENDINGS).items()}
    images = [
        ImageInputs(
            name=name,
            estimates=path,
            keypoints=tuple(files[name] for files in keypoints if name in files),
            image=pictures.get(name),
        )
        for name, path in sorted(estimates.items())
    ]
    lost = sorted(set(pictures) - set(estimates))
    return images, {name: f"{estimates_folder}: no estimates file for the image {pictures[name]}" for name in lost}
