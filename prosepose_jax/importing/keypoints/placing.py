"""Whether keypoints are of the picture that the estimates are of: turned as its tag says, or of another size.

Detectors read a photograph as shown or as stored, and nothing in their files says which. The estimates tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.detections import Detections
from prosepose_jax.importing.matching import ESTIMATE_LIMIT, keypoint_distance, match_people
from prosepose_jax.io.pictures import MIRRORED, PictureHeader, read_header, shown_to_stored, stored_to_shown

_Turn = Callable[[np.ndarray, int, tuple[float, float]], np.ndarray]

# Mean distances as shares of a person's size. Nothing is asked of keypoints that are nearer than the first.
_NEAR = 0.12
_CLEARLY = 3.0
_OTHER_SIZE = 1.1
_LEFT_RIGHT = np.array([0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21])


def placed(path: Path, found: Detections, people_px: np.ndarray, image: Path | None) -> Detections:
    """The detections in the picture of the estimates.

    Args:
      path: the keypoint file, for messages.
      found: what it holds.
      people_px: (n, 25, 3) BODY_25 of the estimates.
      image: the photograph.

    Returns:
      The detections, turned where the photograph's orientation tag brings them clearly nearer to the estimates; a note
      says so, or that they would fit at another size.

    Raises:
      InputError: somebody matches at another size only, as people of a resized image do.
    """
    now = _agreement(people_px, found.keypoints)
    if now.distance <= _NEAR:
        return found
    header = None if image is None else read_header(image)
    if header is not None and header.orientation != 1:
        turns: tuple[tuple[str, _Turn], ...] = (("as stored", stored_to_shown), ("as shown", shown_to_stored))
        for meaning, turn in turns:
            turned = _turned(found, header, turn)
            if _agreement(people_px, turned.keypoints).clearly_better(now, 2 * _NEAR):
                note = f"{path}: the keypoints are of the picture {meaning}; turned as its orientation tag says"
                return dataclasses.replace(turned, notes=(*found.notes, note))
    scale = _scale(people_px, found.keypoints)
    if scale is not None and not 1 / _OTHER_SIZE < scale < _OTHER_SIZE:
        resized = _agreement(people_px, found.keypoints * np.array([scale, scale, 1.0]))
        if resized.clearly_better(now, _NEAR):
            said = (
                f"{path}: the keypoints fit the estimates at {scale:.2f} times their size, as if made on a resized "
                "image; expected pixels of the image of the estimates"
            )
            if resized.people > now.people:
                raise InputError(said)
            return dataclasses.replace(found, notes=(*found.notes, said))  # how far they are apart decides
    return found


@dataclasses.dataclass(frozen=True)
class _Agreement:
    """How many people match, and their mean distance; infinite where nobody does."""

    people: int
    distance: float

    def clearly_better(self, other: _Agreement, near: float) -> bool:
        """Whether at least as many people match, nearer than `near`, and either more or much nearer."""
        if self.people < max(other.people, 1) or self.distance >= near:
            return False
        return self.people > other.people or _CLEARLY * self.distance < other.distance


def _agreement(people_px: np.ndarray, keypoints: np.ndarray) -> _Agreement:
    pairs = match_people(people_px, keypoints, ESTIMATE_LIMIT)
    distances = [keypoint_distance(people_px[i], keypoints[j]) for i, j in pairs]
    return _Agreement(len(pairs), float(np.mean(distances)) if distances else float("inf"))


def _scale(people_px: np.ndarray, keypoints: np.ndarray) -> float | None:
    """The factor about the image's origin that brings some person of the keypoints nearest to one of the estimates."""
    best: tuple[float, float] | None = None
    for own in people_px:
        for person in keypoints:
            weight = person[:, 2] * (own[:, 2] > 0)
            square = float((weight[:, None] * person[:, :2] ** 2).sum())
            factor = float((weight[:, None] * own[:, :2] * person[:, :2]).sum()) / square if square > 0 else 0.0
            if factor > 0:
                distance = keypoint_distance(own, person * np.array([factor, factor, 1.0]))
                best = min(best or (distance, factor), (distance, factor))
    return None if best is None else best[1]


def _turned(found: Detections, header: PictureHeader, turn: _Turn) -> Detections:
    """The points turned; those of mirrored people change names, for a mirrored left hand looks like a right one."""

    keypoints = turn(found.keypoints, header.orientation, header.stored_size)
    hands = None if found.hands is None else turn(found.hands, header.orientation, header.stored_size)
    if header.orientation in MIRRORED:
        keypoints, hands = keypoints[:, _LEFT_RIGHT], None if hands is None else hands[:, ::-1]
    return dataclasses.replace(found, keypoints=keypoints, hands=hands)
