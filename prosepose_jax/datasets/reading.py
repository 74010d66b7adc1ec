"""The one entry: a dataset's name and folder to scenes of the body in use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType

from prosepose_jax.body.model import BodyModel
from prosepose_jax.datasets import chi3d, flickrci3d, hi4d, moyo
from prosepose_jax.datasets.layout import Log, Request
from prosepose_jax.datasets.samples import Sample
from prosepose_jax.datasets.scenes import is_smplx, to_scene
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Scene
from prosepose_jax.untrusted import as_input_error

DATASETS: MappingProxyType[str, Callable[[Request, Log], Iterator[Sample]]] = MappingProxyType(
    {"hi4d": hi4d.samples, "chi3d": chi3d.samples, "flickrci3d": flickrci3d.samples, "moyo": moyo.samples}
)


class Dataset:
    """The scenes of a split, made one at a time; counts, notes and failures fill while they are read.

    Attributes:
      name: of the dataset.
      split: as the user named it.
      counts: {what: how many}, in the order of the filters; the last line is what was kept.
      notes: what a user should know, each once.
      failures: {scene or part of the dataset: why it could not be used}.
    """

    def __init__(self, name: str, request: Request, body: BodyModel, keep_betas: bool) -> None:
        self.name, self.split = name, request.split
        self._request, self._body, self._keep = request, body, keep_betas
        self._log = Log()

    @property
    def counts(self) -> dict[str, int]:
        return self._log.counts

    @property
    def notes(self) -> list[str]:
        return self._log.notes

    @property
    def failures(self) -> dict[str, str]:
        return self._log.failures

    def __iter__(self) -> Iterator[Scene]:
        self._log = log = Log()
        without: dict[str, int] = {}
        for sample in DATASETS[self.name](self._request, log):
            try:
                with as_input_error(sample.key, "can't be made a scene"):
                    scene, notes = to_scene(self._body, sample, self._keep)
            except InputError as error:
                log.failures[sample.key] = str(error)
                continue
            for note in notes:
                without[note] = without.get(note, 0) + 1
            log.count("scenes")
            log.count("scenes with truth", int(scene.has_truth))
            log.count("scenes with annotated contacts", int(scene.gt_region_pairs is not None))
            yield scene
        for note, number in without.items():
            log.note(f"{self.name}: of {number} scenes: {note}")

    def summary(self) -> str:
        """The counts as lines, once the scenes have been read."""
        return "\n".join(f"{number:7d}  {what}" for what, number in self.counts.items())


def read_dataset(
    name: str,
    root: str | os.PathLike[str],
    split: str,
    body: BodyModel,
    *,
    keep_betas: bool | None = None,
    cameras: tuple[str, ...] | None = None,
    every: int = 5,
    mocap_frames: str = "published",
    truth_fits: str | os.PathLike[str] | None = None,
) -> Dataset:
    """A split of a dataset, from its download or from the files that the releases made of it (docs/datasets.md).

    Args:
      name: hi4d, chi3d, flickrci3d or moyo.
      root: the dataset's folder, or a folder with `original/` and `processed/` as the releases have them.
      split: of the dataset; "test" is the row of the published table.
      body: the body in use. On SMPL-X the dataset's parameters are taken as they are; on another body pose, shape
        and place are solved for from joints, where the dataset has joints.
      keep_betas: True: the parameters are this body's own; None: when it has SMPL-X's 10,475 vertices.
      cameras: names of cameras; None: those of the published table.
      every: of Hi4D's contact frames, each how manyth.
      mocap_frames: MOYO's mocap frame of an image: "published" (2 × number) or "toolkit" (one image earlier).
      truth_fits: FlickrCI3D: the folder of pseudo ground truth with its `bad_fits`.

    Returns:
      The scenes, to be iterated over once.

    Raises:
      InputError: an unknown dataset, or `every` below 1. Iterating raises where nothing can be read at all.
    """
    if name not in DATASETS:
        raise InputError(f"dataset {name!r}: expected one of {', '.join(DATASETS)}")
    if every < 1:
        raise InputError(f"every: expected 1 or more, found {every}")
    fits = None if truth_fits is None else Path(truth_fits)
    request = Request(Path(root), split, cameras, every, mocap_frames, fits)
    return Dataset(name, request, body, is_smplx(body) if keep_betas is None else keep_betas)
