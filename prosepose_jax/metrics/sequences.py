"""Scenes that are frames of a sequence: how much a motion shakes against the true one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.metrics.pose import accelerations

_MM = 1000.0


class Sequences:
    """Joints of frames, collected scene by scene; only joints are kept.

    Args:
      pattern: a regular expression that a scene's whole key matches, with the groups "sequence" and "frame": scenes
        of one sequence are ordered by the frame's number. Which scenes are frames of one video is never guessed.

    Raises:
      InputError: no such expression.
    """

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise InputError(f"sequences: {pattern!r} is no regular expression ({error})") from error
        missing = {"sequence", "frame"} - set(self._pattern.groupindex)
        if missing:
            raise InputError(
                f"sequences: {pattern!r} lacks the group (?P<{min(missing)}>…); expected for example "
                r"'(?P<sequence>.+)_(?P<frame>\d+)_0'"
            )
        self._frames: dict[str, dict[str, dict[int, tuple[np.ndarray, np.ndarray]]]] = {}

    def add(self, key: str, part: str, joints: np.ndarray, truth: np.ndarray) -> None:
        """A frame's joints and the true ones (P, n, 3), m; `part` is "" for the fit, "initial", "no_answers".

        One that is not finite is left out.

        Raises:
          InputError: the key's frame is no number, or was there before.
        """
        match = self._pattern.fullmatch(key)
        if match is None:
            return
        if not match["frame"].isascii() or not match["frame"].isdigit():
            raise InputError(f"scene {key}: sequences: expected a number as frame, found {match['frame']!r}")
        if not (np.isfinite(joints).all() and np.isfinite(truth).all()):
            return  # a gap
        frames = self._frames.setdefault(match["sequence"], {}).setdefault(part, {})
        if frames.setdefault(int(match["frame"]), (joints, truth))[0] is not joints:
            raise InputError(f"scene {key}: sequences: frame {match['frame']} of {match['sequence']} is there twice")

    def figures(self) -> dict[str, Any]:
        """{sequence: {"frames", "accelerations", "acceleration_error_mm", "initial": {…}, …}} where three frames are
        at equal intervals, the smallest of the sequence."""
        found: dict[str, Any] = {}
        for name, parts in self._frames.items():
            of_parts = {part: one for part, frames in parts.items() if (one := _figures(frames))}
            entry = of_parts.pop("", {}) | of_parts
            if entry:
                found[name] = entry
        return found


def _figures(frames: dict[int, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    numbers = np.array(sorted(frames))
    if len(numbers) < 3:
        return {}
    step = int(np.diff(numbers).min())
    errors: list[np.ndarray] = []
    for number in numbers:
        three = [frames.get(int(number) + k * step) for k in range(3)]
        if any(one is None or one[0].shape != frames[int(number)][0].shape for one in three):
            continue
        joints, truth = (np.stack([one[k] for one in three if one is not None]) for k in (0, 1))
        errors.append(np.linalg.norm(accelerations(joints) - accelerations(truth), axis=-1).mean())
    if not errors:
        return {}
    return {"frames": len(numbers), "accelerations": len(errors), "acceleration_error_mm": _MM * float(np.mean(errors))}
