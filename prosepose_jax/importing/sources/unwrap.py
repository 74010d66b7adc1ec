"""The user's own wrapping around what a tool returned, taken off: names, lists of one, people or pictures by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.sources.common import flat

# What users call the one thing they save; it says nothing about the tool.
_WRAPPERS = frozenset({"arr_0", "outputs", "output", "out", "humans", "people", "predictions", "pred", "data"})
_PATH = re.compile(r"[A-Za-z_]\w*([./][A-Za-z_]\w*)+")
_PERSON_NAME = re.compile(r"(?:[a-z]{0,12}[ _#-]?)\d{1,3}", re.IGNORECASE)
_FRAME_NAME = re.compile(r"(?:frame|image|img|photo|f)?[ _#-]?\d+", re.IGNORECASE)
_PICTURE = re.compile(r".*\.(?:jpe?g|png|webp|bmp|tiff?|heic|avif)", re.IGNORECASE)
_POSE = ("global_orient", "body_pose")
# Tools that file what they write by track or frame themselves have these; their readers know what the names mean.
_FILED_BY_THE_TOOL = ("frame_ids", "frames", "frame", "tid", "tracked_time", "smpl_thetas", "smplx_cam")


def unwrapped(tree: Any, path: Path, image: Path | None = None, frame: str | None = None) -> Any:
    """A file's contents as the tools' readers expect them.

    What was saved as the model's output beside its batch becomes one dictionary, lists of both become a list of
    batches, people by their ids a list, flattened names nested dictionaries. Of pictures by name the one at hand is
    taken.

    Args:
      tree: as read from the file.
      path: the file, for errors.
      image: the photograph.
      frame: the frame or picture that the user asks for.

    Raises:
      InputError: several pictures, and nothing tells which.
    """
    if isinstance(tree, Mapping) and len(tree) == 1:
        name, value = next(iter(tree.items()))
        if name in _WRAPPERS and isinstance(value, (Mapping, list)):
            return unwrapped(value, path, image, frame)
    if isinstance(tree, list) and len(tree) == 1 and (isinstance(tree[0], list) or _is_wrapped(tree[0])):
        return unwrapped(tree[0], path, image, frame)
    if isinstance(tree, list):
        together = _together(tree)
        if together is not None:
            return _nested(together)
        opened = [_together(entry) if isinstance(entry, list) else None for entry in tree]
        return tree if not opened or any(entry is None for entry in opened) else opened
    if not isinstance(tree, Mapping):
        return tree
    rows = _rows(tree)
    if rows is not None:
        return rows
    filed = _filed(tree, path, image, frame)
    return _nested(tree) if filed is None else filed


def _is_wrapped(entry: Any) -> bool:
    """A dictionary alone in a list is the list's content, unless the tool always writes lists."""
    return isinstance(entry, Mapping) and "Rh" not in entry


def _has_pose(entry: Any) -> bool:
    return isinstance(entry, Mapping) and all(name in flat(entry) for name in _POSE)


def _together(entries: list[Any]) -> dict[str, Any] | None:
    """One dictionary of (output, batch): several with different fields, one of them with the pose; None otherwise."""
    if len(entries) < 2 or not all(isinstance(entry, Mapping) for entry in entries):
        return None
    names = [name for entry in entries for name in entry]
    if len(set(names)) < len(names) or sum(map(_has_pose, entries)) != 1:
        return None
    return {name: value for entry in entries for name, value in entry.items()}


def _rows(tree: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Batches of {"out": [of each], "batch": [of each]}; None for anything else."""
    lists = list(tree.values())
    if len(lists) < 2 or not all(isinstance(one, list) and one and len(one) == len(lists[0]) for one in lists):
        return None
    rows = [_together(list(row)) for row in zip(*lists, strict=True)]
    return None if any(row is None for row in rows) else [row for row in rows if row is not None]


def _filed(tree: Mapping[str, Any], path: Path, image: Path | None, frame: str | None) -> Any:
    """People filed by their ids as a list; of pictures by their names the one at hand; None where it is neither."""
    parts = [flat(value) if isinstance(value, Mapping) else {} for value in tree.values()]
    if not parts or not all(name in part for part in parts for name in _POSE):
        return None
    if any(name in part for part in parts for name in _FILED_BY_THE_TOOL):
        return None
    names = [str(name) for name in tree]
    if all(map(_PERSON_NAME.fullmatch, names)) and all(map(_is_one, parts)):
        return [unwrapped(value, path, image, frame) for value in tree.values()]
    if not all(map(_PICTURE.fullmatch, names)) and not all(map(_FRAME_NAME.fullmatch, names)):
        return None
    chosen = _chosen(names, image, frame)
    if chosen is None:
        shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
        raise InputError(
            f"{path}: holds {len(names)} pictures ({shown}); name the one with --frame, or give the one with --image"
        )
    return unwrapped(list(tree.values())[chosen], path, image, frame)


def _is_one(part: Mapping[str, Any]) -> bool:
    """Whether fields are those of one person."""
    value = part["global_orient"]
    return isinstance(value, (np.ndarray, list)) and np.size(value) in (3, 9)


def _chosen(names: list[str], image: Path | None, frame: str | None) -> int | None:
    """Which of the pictures is meant: the frame asked for, the photograph's, or the only one."""
    wanted = [] if frame is None else [frame]
    wanted += [] if image is None or frame is not None else [image.name, image.stem]
    for name in wanted:
        for kind in (str, lambda n: Path(n).name, lambda n: Path(n).stem):
            found = [index for index, one in enumerate(names) if kind(one) == name]
            if len(found) == 1:
                return found[0]
    return 0 if len(names) == 1 else None


def _nested(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arrays under names such as `pred_smpl_params/betas` or `out.betas`, as nested dictionaries again."""
    paths = [name for name, value in tree.items() if _PATH.fullmatch(name) and not isinstance(value, (Mapping, list))]
    if not paths:
        return tree
    out: dict[str, Any] = {name: value for name, value in tree.items() if name not in paths}
    for name in paths:
        *above, last = re.split(r"[./]", name)
        inner = out
        for part in above:
            below = inner.setdefault(part, {})
            if not isinstance(below, dict):
                return tree  # a field and a section of one name: no flattened dictionary
            inner = below
        inner[last] = tree[name]
    return out
