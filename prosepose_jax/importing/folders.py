"""Which files of a folder belong to which image (docs/import.md, "A folder of images")."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from prosepose_jax.errors import InputError
from prosepose_jax.importing.images import ImageInputs

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif")
_ESTIMATE_ENDINGS = (".npz", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npy")
_KEYPOINT_ENDINGS = (".json", ".txt", ".npz")
# Folders of a layout by kind, the preferred one first.
_ESTIMATE_FOLDERS = ("bev", "hmr2", "smpl", "estimates")
_KEYPOINT_KINDS = ("vitpose", "openpose", "keypoints")
_MORE_KEYPOINT_KINDS = ("mmpose", "rtmpose", "rtmlib", "alphapose", "sapiens", "yolo", "detectron2", "mediapipe")
_IMAGE_FOLDERS = ("images", "image")
_PEOPLE_FOLDER = "smplx"  # SMPLer-X writes one beside `meta`
_ANNOTATION_PATTERN = "*contact*.json"
# What tools put behind an image's name (OpenPose and its like, BEV its threshold) and before it.
_ENDINGS = re.compile(r"(?:_keypoints|_results?|_\d+\.\d+)$")
_BEGINNINGS = re.compile(r"^(?:results_|HSMR-)")
_SURE_ENDING = "_keypoints"  # no image is called so
# File names that say what a file is, not whose it is.
_GENERIC_NAMES = frozenset(
    {"bev", "hmr2", "smpl", "smplx", "estimates", "results", "image", "params", "output", "outputs", "out", "pred"}
)


def default_name(estimates: Path, image: Path | None = None) -> str:
    """A name for the scenes of an image: that of the image or estimates, of their folder when those say nothing."""
    if image is not None and image.stem.lower() not in _GENERIC_NAMES:
        return image.stem
    if estimates.stem.lower() not in _GENERIC_NAMES and image is None:
        beside = {p.stem for p in estimates.parent.iterdir() if p != estimates} if estimates.parent.is_dir() else set()
        plain = (name for name in _shorter_names(estimates.stem) if name in beside)
        return next(plain, estimates.stem.removesuffix(_SURE_ENDING))
    return estimates.resolve().parent.name or "scene"


def find_images(folder: Path, annotations: Path | None = None) -> tuple[list[ImageInputs], dict[str, str]]:
    """The images of a folder and their files, in order of name.

    Two layouts are known: a sub-folder for each image, or a sub-folder for each kind of file (`bev`, `vitpose`,
    `openpose`, `images`) with files named after the image.

    Args:
      folder: the folder.
      annotations: one annotation file for all images; default: one found beside the images.

    Returns:
      The inputs of each image, and {name: reason} of images that lack a file or share their name.

    Raises:
      InputError: there is no such folder, or nothing to import in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of images, found {'a file' if folder.is_file() else 'nothing'}")
    by_kind = next((folder / name for name in _ESTIMATE_FOLDERS if (folder / name).is_dir()), None)
    images, failures = _by_kind(folder, by_kind) if by_kind is not None else _by_image(folder)
    if not images and not failures:
        raise InputError(
            f"{folder}: nothing to import; expected a sub-folder for each image with an estimates file (.npz, .pkl, "
            f".pt), or sub-folders {', '.join((*_ESTIMATE_FOLDERS[:1], *_KEYPOINT_KINDS[:2], _IMAGE_FOLDERS[0]))}"
        )
    shared = annotations or _first(folder.glob(_ANNOTATION_PATTERN))
    images = [
        ImageInputs(i.name, i.estimates, i.keypoints, i.image, annotations or i.annotations or shared, i.more_estimates)
        for i in images
    ]
    return images, failures


def _first(paths: Iterable[Path]) -> Path | None:
    return min(paths, default=None)


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in endings and not p.name.startswith(".")
    )


def _by_image(folder: Path) -> tuple[list[ImageInputs], dict[str, str]]:
    images, failures = [], {}
    for inside in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        annotation = _first(inside.glob(_ANNOTATION_PATTERN))
        keypoints = _keypoint_files(inside, annotation)
        estimates = [p for p in _files(inside, _ESTIMATE_ENDINGS) if p not in keypoints]
        if not estimates and (inside / _PEOPLE_FOLDER).is_dir():
            estimates = [inside / _PEOPLE_FOLDER]
        pictures = _files(inside, _IMAGE_ENDINGS)
        if not estimates and not keypoints and not pictures:
            continue  # nothing of an image in it
        if not estimates:
            failures[inside.name] = f"{inside}: expected an estimates file (.npz, .pkl, .pt), found none"
            continue
        images.append(
            ImageInputs(
                name=inside.name,
                estimates=estimates[0],
                more_estimates=tuple(estimates[1:]),
                keypoints=tuple(keypoints),
                image=next((p for p in pictures if p.stem == "image"), pictures[0] if len(pictures) == 1 else None),
                annotations=annotation,
            )
        )
    return images, failures


def _keypoint_files(inside: Path, annotation: Path | None) -> list[Path]:
    """Detectors' files of an image's folder, those with a detector's name first, the preferred ones before others."""
    kinds = (*_KEYPOINT_KINDS, *_MORE_KEYPOINT_KINDS)
    named = [p for kind in kinds for p in _files(inside, _KEYPOINT_ENDINGS) if kind in p.name.lower()]
    others = [p for p in _files(inside, (".json",)) if p != annotation]
    return list(dict.fromkeys([*named, *others]))


def _by_kind(folder: Path, estimates_folder: Path) -> tuple[list[ImageInputs], dict[str, str]]:
    files = {estimates_folder.name: _files(estimates_folder, _ESTIMATE_ENDINGS)}
    files |= {kind: _files(folder / kind, _KEYPOINT_ENDINGS) for kind in (*_KEYPOINT_KINDS, *_MORE_KEYPOINT_KINDS)}
    pictures = [p for kind in _IMAGE_FOLDERS for p in _files(folder / kind, _IMAGE_ENDINGS)]
    names = _names(files, {p.stem for p in pictures})
    failures: dict[str, str] = {}

    def by_name(paths: list[Path]) -> dict[str, Path]:
        named: dict[str, Path] = {}
        for path in paths:
            name = names.get(path, path.stem)
            if name in named:
                failures[name] = f"{named[name]} and {path}: both would be called {name!r}; rename one"
            named.setdefault(name, path)
        return named

    estimates = by_name(files.pop(estimates_folder.name))
    keypoints = [by_name(paths) for paths in files.values()]
    shown = by_name(pictures)
    images = [
        ImageInputs(
            name=name,
            estimates=path,
            keypoints=tuple(found[name] for found in keypoints if name in found),
            image=shown.get(name),
        )
        for name, path in sorted(estimates.items())
        if name not in failures
    ]
    lost = sorted(set(shown) - set(estimates) - set(failures))
    failures |= {name: f"{estimates_folder}: no estimates file for the image {shown[name]}" for name in lost}
    return images, failures


def _names(files: Mapping[str, list[Path]], pictures: set[str]) -> dict[Path, str]:
    """The image that each file belongs to.

    What looks like a tool's ending may be part of the image's name (a time stamp): it is cut off only where the rest
    is the name of a picture or of another file, or what a file of another kind is called without its own ending.
    """
    stems = Counter(path.stem for paths in files.values() for path in paths)
    shorter = {kind: Counter(n for p in paths for n in _shorter_names(p.stem)) for kind, paths in files.items()}
    names = {}
    for kind, paths in files.items():
        for path in paths:
            possible = _shorter_names(path.stem)
            others = [counts for k, counts in shorter.items() if k != kind]
            of_pictures = [n for n in (path.stem, *possible) if n in pictures]
            of_files = [n for n in possible if stems[n]]
            of_kinds = [n for n in possible if shorter[kind][n] == 1 and any(counts[n] for counts in others)]
            names[path] = [*of_pictures, *of_files, *of_kinds, path.stem.removesuffix(_SURE_ENDING)][0]
    return names


def _shorter_names(stem: str) -> list[str]:
    """A file's name without one, two, … of the endings and beginnings that tools add."""
    found: list[str] = []
    for name in (stem, _BEGINNINGS.sub("", stem)):
        while True:
            if name and name != stem and name not in found:
                found.append(name)
            shorter = _ENDINGS.sub("", name)
            if shorter == name:
                break
            name = shorter
    return found
