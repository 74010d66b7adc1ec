"""Which tool wrote the files: one table of readers, each told by the fields of its files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers import read_tree
from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.aios import AIOS
from prosepose_jax.importing.sources.bev import BEV
from prosepose_jax.importing.sources.boxes import OSX, SMPLERX
from prosepose_jax.importing.sources.buddi import BUDDI
from prosepose_jax.importing.sources.camerahmr import CAMERAHMR
from prosepose_jax.importing.sources.cliff import CLIFF
from prosepose_jax.importing.sources.common import Source, SourceInput
from prosepose_jax.importing.sources.easymocap import EASYMOCAP
from prosepose_jax.importing.sources.gvhmr import GVHMR
from prosepose_jax.importing.sources.hmr2 import HMR2
from prosepose_jax.importing.sources.multihmr import MULTIHMR
from prosepose_jax.importing.sources.nlf import NLF
from prosepose_jax.importing.sources.phalp import PHALP
from prosepose_jax.importing.sources.prompthmr import PROMPTHMR, PROMPTHMR_VIDEO
from prosepose_jax.importing.sources.pymafx import PYMAFX
from prosepose_jax.importing.sources.refused import CHECKPOINT, HSMR, MOTION, SLAHMR
from prosepose_jax.importing.sources.sam3dbody import SAM3DBODY
from prosepose_jax.importing.sources.smpl import SMPL
from prosepose_jax.importing.sources.smplifyx import SMPLIFYX
from prosepose_jax.importing.sources.tram import TRAM
from prosepose_jax.importing.sources.unwrap import unwrapped
from prosepose_jax.importing.sources.vibe import VIBE
from prosepose_jax.importing.sources.wham import WHAM

# In order: the first that recognises the files reads them.
SOURCES: dict[str, Source] = {
    "bev": BEV,
    "phalp": PHALP,
    "prompthmr_video": PROMPTHMR_VIDEO,
    "prompthmr": PROMPTHMR,
    "multihmr": MULTIHMR,
    "nlf": NLF,
    "sam3dbody": SAM3DBODY,
    "smplerx": SMPLERX,
    "osx": OSX,
    "aios": AIOS,
    "pymafx": PYMAFX,
    "cliff": CLIFF,
    "vibe": VIBE,
    "wham": WHAM,
    "gvhmr": GVHMR,
    "tram": TRAM,
    "smplifyx": SMPLIFYX,
    "buddi": BUDDI,
    "hsmr": HSMR,
    "slahmr": SLAHMR,
    "checkpoint": CHECKPOINT,
    "motion": MOTION,
    "easymocap": EASYMOCAP,
    "camerahmr": CAMERAHMR,
    "hmr2": HMR2,
    "smpl": SMPL,
}
# Told apart also where the user says `smpl`: their fields look like other parameters and mean something else.
_TRAPS = ("hsmr", "slahmr", "checkpoint", "motion", "camerahmr", "hmr2")

# Any of these comes of fields that are there but hold something else than they do in the tool's files.
_FIELD_ERRORS = (
    TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class OpenedEstimates:
    """The files of one image, or of one video, read and recognised."""

    source: Source
    given: SourceInput

    def __post_init__(self) -> None:
        if len(self.given.paths) > 1 and not self.source.many:
            names = ", ".join(path.name for path in self.given.paths)
            raise self.given.fail(f"expected one file of {self.source.title} for an image, found {names}")

    def frames(self) -> list[str]:
        """Names of the frames that the files hold; nothing where they hold one image."""
        try:
            return [str(frame) for frame in self.source.frames(self.given)]
        except InputError:
            raise
        except _FIELD_ERRORS as error:
            raise self._unlike(error) from error

    def read(self, frame: str | None = None) -> ImageEstimates:
        """The people of the image, or of a frame.

        Args:
          frame: instead of the one that the files were opened for.

        Raises:
          InputError: nothing in the files can be used; the message says what they are.
        """
        given = self.given if frame is None else dataclasses.replace(self.given, frame=frame)
        try:
            with np.errstate(all="ignore"):  # readers look at what is finite
                found = self.source.read(given)
        except InputError:
            raise
        except _FIELD_ERRORS as error:
            raise self._unlike(error) from error
        return dataclasses.replace(found, tool=self.source.title)

    def _unlike(self, error: Exception) -> InputError:
        why = str(error) or type(error).__name__
        return InputError(f"{self.given.paths[0]}: looks like {self.source.title}, but cannot be read as such ({why})")


def open_estimates(
    paths: Sequence[Path],
    image: Path | None = None,
    source: str = "auto",
    frame: str | None = None,
    focal: float | None = None,
) -> OpenedEstimates:
    """Reads a tool's files and tells the tool.

    Args:
      paths: the files of one image, or their folder.
      image: the photograph.
      source: a name of `SOURCES`; "auto" recognises the tool by its fields. "smpl" takes rows for people.
      frame: which frame of a video's file.
      focal: focal length in pixels where the file has none.

    Raises:
      InputError: a file cannot be read.
    """
    files = [file for path in paths for file in (_inside(path) if path.is_dir() else [path])]
    given = SourceInput(
        tuple(files), tuple(unwrapped(read_tree(file), file, image, frame) for file in files), image, frame, focal
    )
    possible = list(SOURCES) if source == "auto" else [*_TRAPS, source] if source == "smpl" else [source]
    found = next((name for name in possible[:-1] if _recognised(SOURCES[name], given)), possible[-1])
    return OpenedEstimates(SOURCES[found], given)


def _recognised(tool: Source, given: SourceInput) -> bool:
    try:
        with np.errstate(all="ignore"):
            return tool.recognises(given)
    except (InputError, *_FIELD_ERRORS):
        return False  # fields of other kinds than the tool's


def _inside(folder: Path) -> list[Path]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: expected files of estimates, found none")
    return files
