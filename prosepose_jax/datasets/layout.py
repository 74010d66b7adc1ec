"""Where the parts of a dataset lie, and what a reader counted on its way."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prosepose_jax.datasets.samples import Sample
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import as_input_error

IMAGE_ENDINGS = (".jpg", ".png", ".jpeg")


@dataclasses.dataclass
class Log:
    """What a reader found, counted and left out; filled while scenes are read.

    Attributes:
      counts: {what: how many}, in the order of the filters.
      notes: what a user should know, each once.
      failures: {scene: why it could not be used}.
    """

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def made(log: Log, key: str, make: Callable[..., Sample | str | None], *given: Any) -> Iterator[Sample]:
    """The one sample of a key, or none: what fails is recorded, what is dropped or kept is counted.

    Args:
      log: what is written to.
      key: of the scene.
      make: gives the sample; a text says why the published subset drops it, None that it isn't asked for.
      *given: arguments of `make`.
    """
    try:
        with as_input_error(key):
            sample = make(*given)
    except InputError as error:
        log.failures[key] = str(error)
        return
    if isinstance(sample, str):
        log.count(f"dropped: {sample}")
    elif sample is not None:
        log.count("kept")
        yield sample


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be read.

    Attributes:
      root: the folder given by the user.
      split: as the user names it.
      cameras: names of cameras; None: those of the published protocol.
      every: of Hi4D's contact frames, each how manyth.
      mocap_frames: MOYO: "published" (mocap frame = 2 × image number) or "toolkit" (one image earlier).
      truth_fits: FlickrCI3D: folder of pseudo ground truth; None: looked for in the dataset.
    """

    root: Path
    split: str
    cameras: tuple[str, ...] | None = None
    every: int = 5
    mocap_frames: str = "published"
    truth_fits: Path | None = None


def first_with(candidates: Iterable[Path], *patterns: str) -> Path | None:
    """The first folder that holds something of one of the patterns."""
    for folder in candidates:
        if folder.is_dir() and any(next(folder.glob(pattern), None) is not None for pattern in patterns):
            return folder
    return None


def existing(candidates: Iterable[Path]) -> Path | None:
    """The first of some files that is there."""
    return next((file for file in candidates if file.is_file()), None)


def nothing_found(dataset: str, root: Path, expected: Sequence[str]) -> InputError:
    """The error that says what was looked for and what lies there."""
    if not root.is_dir():
        return InputError(f"{root}: no such folder; --root is the folder of {dataset}")
    there = sorted(p.name + ("/" if p.is_dir() else "") for p in root.iterdir() if not p.name.startswith("."))
    shown = ", ".join(there[:12]) + (", …" if len(there) > 12 else "")
    return InputError(f"{root}: this is no {dataset}: expected {'; or '.join(expected)}; found {shown or 'nothing'}")


def numbered_images(folder: Path) -> dict[int, Path]:
    """{frame number: image} of a folder of images named by their frame; anything else in it is left out."""
    found = {}
    if folder.is_dir():
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() in IMAGE_ENDINGS and re.fullmatch(r"\d+", file.stem):
                found[int(file.stem)] = file
    return found


def find_image(folders: Iterable[Path], stem: str) -> Path | None:
    """An image by its name without ending."""
    for folder in folders:
        for ending in IMAGE_ENDINGS:
            if (folder / f"{stem}{ending}").is_file():
                return folder / f"{stem}{ending}"
    return None
