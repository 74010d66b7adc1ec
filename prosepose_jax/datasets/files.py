"""The small files beside the pickles: JSON, `.npz` with pickled parts; keypoints put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body._files import read_fields
from prosepose_jax.datasets.pickles import Node
from prosepose_jax.errors import InputError
from prosepose_jax.importing.matching import DETECTOR_LIMIT, match_people, with_feet
from prosepose_jax.untrusted import read_json


def read_object(path: Path, what: str) -> dict[str, Any]:
    """A JSON file that holds an object; `what` says of what, for the error."""
    data = read_json(path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected an object {what}, found {type(data).__name__}")
    return data


def read_archive(path: Path) -> Node:
    """The fields of an `.npz`, also pickled ones; nothing in them is executed.

    Raises:
      InputError: the file is missing, damaged, or mentions anything but arrays and containers.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return Node(str(path), read_fields(path))


def clean_keypoints(keypoints: np.ndarray) -> np.ndarray:
    """Keypoints (25, 3) with confidences in [0, 1] and zeros where nothing was seen."""
    keypoints = np.where(np.isfinite(keypoints).all(axis=-1, keepdims=True), keypoints, 0.0).astype(np.float32)
    keypoints[:, 2] = np.clip(keypoints[:, 2], 0.0, 1.0)
    keypoints[keypoints[:, 2] == 0] = 0.0
    return keypoints


def merge_keypoints(seen: Sequence[np.ndarray]) -> np.ndarray | None:
    """One person's keypoints from detectors, the most trusted first; toes of a later one where ankles agree.

    Args:
      seen: (25, 3) each; who the person is has been decided by whoever made the file.
    """
    seen = [keypoints for keypoints in seen if (keypoints[:, 2] > 0).any()]
    if not seen:
        return None
    merged = seen[0]
    for other in seen[1:]:
        merged = with_feet(merged, other)
    return merged


def merge_people(detections: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 25, 3) the people of all detectors (n_d, 25, 3), the most trusted first; see `merge_keypoints`."""
    merged: list[np.ndarray] = []
    for people in detections:
        people = people[(people[..., 2] > 0).any(axis=1)] if len(people) else people
        known = match_people(people, np.array(merged).reshape(-1, 25, 3), DETECTOR_LIMIT)
        for later, earlier in known:
            merged[earlier] = with_feet(merged[earlier], people[later])
        taken = {later for later, _ in known}
        merged += [person for index, person in enumerate(people) if index not in taken]
    return np.array(merged, np.float32).reshape(-1, 25, 3)
