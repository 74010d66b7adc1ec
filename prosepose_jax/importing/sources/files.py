"""Tools that write a file a person and frame, `FRAME_PERSON`: the files of one frame are one image's people."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from prosepose_jax.importing.sources.common import SourceInput

_NUMBERED = re.compile(r"^(\d+)_")


def frame_name(path: Path) -> str:
    """The number before the first underscore of a file's name, as a frame's name; "" where there is none."""
    found = _NUMBERED.match(path.stem)
    return found[1] if found else ""


def frames_by_name(source: SourceInput, name: Callable[[Path], str] = frame_name) -> list[str]:
    """The frames of all files, in order; nothing where the names say no frame."""
    frames = [name(path) for path in source.paths]
    return sorted(set(frames)) if all(frames) else []


def of_frame(source: SourceInput, name: Callable[[Path], str] = frame_name) -> SourceInput:
    """The files of the chosen frame alone."""
    frames = frames_by_name(source, name)
    if not frames:
        return source
    wanted = frames[source.pick(_without_zeros(frames))]
    kept = [i for i, path in enumerate(source.paths) if name(path) == wanted]
    return dataclasses.replace(
        source, paths=tuple(source.paths[i] for i in kept), trees=tuple(source.trees[i] for i in kept)
    )


def _without_zeros(frames: list[str]) -> list[str]:
    """00005 is frame 5."""
    return [str(int(frame)) if frame.isdigit() else frame for frame in frames]
