"""Keypoint files in OpenPose's JSON layout (ViTPose's exports use it too): BODY_25 of each person."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing._foreign import read_json


def read_openpose(path: str | Path) -> np.ndarray:
    """Detected people, (n, 25, 3): x, y in pixels and confidence in [0, 1]; 0 = missing.

    Detectors write confidences slightly above 1 now and then; they are cut off there.

    Raises:
      InputError: not JSON, no `people`, or a person without 25 × (x, y, confidence).
    """
    path = Path(path)
    data = read_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("people"), list):
        raise InputError(f"{path}: field 'people': expected a list of detected people (OpenPose's JSON layout)")
    people = np.zeros((len(data["people"]), 25, 3), np.float32)
    for index, person in enumerate(data["people"]):
        field = f"people[{index}].pose_keypoints_2d"
        numbers = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
        if not isinstance(numbers, list) or len(numbers) != 75:
            found = f"{len(numbers)} numbers" if isinstance(numbers, list) else "none"
            raise InputError(f"{path}: field '{field}': expected 25 × (x, y, confidence) = 75 numbers, found {found}")
        try:
            values = np.array(numbers, dtype=np.float32).reshape(25, 3)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: field '{field}': expected numbers ({error})") from error
        if not np.isfinite(values).all():
            raise InputError(f"{path}: field '{field}': expected finite numbers, found NaN or infinite values")
        if (values[:, 2] < 0).any():
            raise InputError(f"{path}: field '{field}': expected confidences in [0, 1], found {values[:, 2].min():g}")
        values[:, 2] = np.minimum(values[:, 2], 1.0)
        values[values[:, 2] == 0] = 0.0
        people[index] = values
    return people
