"""Which image of a file that holds several is meant: by its name, its number, its frame or its people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints._found import PICTURE_ENDINGS, Found, Picture
from prosepose_jax.importing.matching import ESTIMATE_LIMIT, keypoint_distance, match_people

AUTO = "auto"
# The people of the right image are at least this many times nearer to the estimates than those of any other.
_CLEARLY = 2.0


def choose(
    path: Path,
    found: Found,
    names: Sequence[str],
    image_id: str | None,
    frame: str | None,
    people_px: np.ndarray | None,
    keypoints_of: Callable[[Picture], np.ndarray],
) -> tuple[Picture, list[str]]:
    """The picture that is meant, and what is to be said about it.

    Args:
      path: the file, for messages.
      found: what is in it.
      names: names of the image, the surest first.
      image_id: `--image_id`.
      frame: `--frame`.
      people_px: (n, 25, 3) BODY_25 of the estimates; with `--image_id=auto` they tell what the name does not.
      keypoints_of: (m, 25, 3) BODY_25 of a picture's people.

    Raises:
      InputError: the file holds several images and none or more than one is meant.
    """
    pictures = found.pictures
    if not pictures:
        return Picture(()), []
    if any(picture.ids for picture in pictures):
        return _by_name(path, pictures, names, image_id, frame, people_px, keypoints_of)
    if len(pictures) == 1:
        only = pictures[0]
        if frame is not None and only.frame is not None and not _same(frame, only.frame):
            return only, [f"{path}: holds frame {only.frame} alone, and it is taken for frame {frame}"]
        return only, []
    wanted = frame if frame is not None else (None if image_id in (None, "", AUTO) else image_id)
    span = f"{len(pictures)} frames, {pictures[0].frame} to {pictures[-1].frame}"
    if wanted is None:
        raise InputError(f"{path}: holds {span}; say which with --frame")
    fits = [picture for picture in pictures if picture.frame is not None and _same(wanted, picture.frame)]
    if len(fits) != 1:
        raise InputError(f"{path}: has no frame {wanted!r}; it holds {span}")
    return fits[0], []


def _by_name(
    path: Path,
    pictures: Sequence[Picture],
    names: Sequence[str],
    image_id: str | None,
    frame: str | None,
    people_px: np.ndarray | None,
    keypoints_of: Callable[[Picture], np.ndarray],
) -> tuple[Picture, list[str]]:
    explicit = None if image_id in (None, "", AUTO) else image_id
    listed = ", ".join(" = ".join(p.ids) for p in pictures[:10]) + (", …" if len(pictures) > 10 else "")
    if explicit is not None:
        fit = _best(pictures, explicit)
        if fit is None:
            raise InputError(f"{path}: --image_id={explicit} names no image or several; it holds: {listed}")
        return fit, []
    for name in (*names, *((frame,) if frame is not None else ())):
        fit = _best(pictures, name)
        if fit is not None:
            return fit, []
    if image_id == AUTO and people_px is not None:
        return _by_people(path, pictures, people_px, keypoints_of, listed)
    if len(pictures) == 1:
        other = next((i for i in pictures[0].ids if PurePosixPath(i).suffix.lower() in PICTURE_ENDINGS), None)
        if other is None or not names:
            return pictures[0], [f"{path}: image {' = '.join(pictures[0].ids)}, its only one, is taken for this image"]
        raise InputError(f"{path}: is about {other}, not {names[0]}; --image_id={other} takes it all the same")
    named = f" and none is called {names[0]}" if names else ""
    raise InputError(
        f"{path}: holds {len(pictures)} images{named}; say which with --image_id (or --image_id=auto: by the people in "
        f"it), one of: {listed}"
    )


def _by_people(
    path: Path,
    pictures: Sequence[Picture],
    people_px: np.ndarray,
    keypoints_of: Callable[[Picture], np.ndarray],
    listed: str,
) -> tuple[Picture, list[str]]:
    ranked = []
    for index, picture in enumerate(pictures):
        people = keypoints_of(picture)
        pairs = match_people(people_px, people, ESTIMATE_LIMIT)
        if pairs:
            distance = float(np.mean([keypoint_distance(people_px[i], people[j]) for i, j in pairs]))
            ranked.append((-len(pairs), distance, index))
    ranked.sort()
    if not ranked:
        raise InputError(f"{path}: no image has people where the estimates are; it holds: {listed}")
    missing, distance, index = ranked[0]
    for others, farther, other in ranked[1:2]:
        if others == missing and farther < _CLEARLY * distance + 1e-3:
            both = " and ".join(" = ".join(pictures[i].ids) for i in (index, other))
            raise InputError(f"{path}: the estimates fit the people of {both}; say which with --image_id")
    return pictures[index], [f"{path}: image {' = '.join(pictures[index].ids)} is taken, by its people"]


def _best(pictures: Sequence[Picture], wanted: str) -> Picture | None:
    """The one picture that `wanted` names best; None where none or several do."""
    ranks = [min((_rank(wanted, name) for name in picture.ids), default=9) for picture in pictures]
    best = min(ranks, default=9)
    return pictures[ranks.index(best)] if best < 9 and ranks.count(best) == 1 else None


def _same(wanted: str, name: str) -> bool:
    return _rank(wanted, name) < 9


def _rank(wanted: str, name: str) -> int:
    """How well a name fits: 0 equal, 1 but for folders, 2 but for the ending, 3 equal as numbers, 9 not at all."""
    if wanted == name:
        return 0
    a, b = (PurePosixPath(text.replace("\\", "/")) for text in (wanted, name))
    if a.name == b.name:
        return 1
    if a.name in (b.name, b.stem) or b.name == a.stem or a.stem == b.stem:
        return 2
    x, y = (p.stem if p.suffix.lower() in PICTURE_ENDINGS else p.name for p in (a, b))
    return 3 if x.isdecimal() and y.isdecimal() and (x.lstrip("0") or "0") == (y.lstrip("0") or "0") else 9
