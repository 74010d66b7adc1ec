"""People over the frames of a video: each a track with the numbers of its frames. Frames never become people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prosepose_jax.importing.sources.common import SourceInput


def frames_of(source: SourceInput, tracks: Sequence[Mapping[str, Any]], name: str) -> list[int]:
    """The numbers of all frames in which somebody is, in order.

    Args:
      source: for messages.
      tracks: the people.
      name: the field with the numbers of a track's frames.
    """
    return sorted({frame for track in tracks for frame in _numbers(source, track, name)})


def rows_at(source: SourceInput, tracks: Sequence[Mapping[str, Any]], name: str) -> list[tuple[Mapping[str, Any], int]]:
    """Each person of the chosen frame with the row of the frame in its arrays."""
    frames = frames_of(source, tracks, name)
    frame = frames[source.pick(frames)]
    found = []
    for track in tracks:
        numbers = _numbers(source, track, name)
        if frame in numbers:
            found.append((track, numbers.index(frame)))
    return found


def _numbers(source: SourceInput, track: Mapping[str, Any], name: str) -> list[int]:
    return [int(n) for n in source.array(track, name).reshape(-1)]
