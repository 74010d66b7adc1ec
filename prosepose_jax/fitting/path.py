"""The way of a fit, from what its stages recorded (docs/fit.md, "Recording")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from prosepose_jax.scene import FitPath

_NAMES = ("global_orient", "body_pose", "betas", "transl")


def recorded_path(
    stages: Sequence[tuple[Mapping[str, np.ndarray] | None, int]], steps_of_a_round: int
) -> FitPath | None:
    """Accepted steps alone: a round that left the parameters as they were has no row.

    Args:
      stages: for each stage (rounds, …) parameters after each round, None where nothing was recorded, and its steps.
      steps_of_a_round: the steps between two searches.

    Returns:
      The path; None when no stage was recorded.
    """
    rows: list[tuple[int, int, Mapping[str, np.ndarray]]] = []
    recorded = False
    for index, (moving, steps) in enumerate(stages):
        if moving is None:
            continue
        recorded = True
        for number in range(-(-steps // steps_of_a_round)):
            now = {name: np.asarray(moving[name][number]) for name in _NAMES}
            if rows and all(np.array_equal(now[name], rows[-1][2][name]) for name in _NAMES):
                continue
            rows.append((index, min(steps, (number + 1) * steps_of_a_round), now))
    if not recorded or not rows:
        return None
    return FitPath(
        stage=np.array([stage for stage, _, _ in rows], np.int32),
        step=np.array([step for _, step, _ in rows], np.int32),
        global_orient=np.stack([row["global_orient"] for _, _, row in rows]),
        body_pose=np.stack([row["body_pose"] for _, _, row in rows]),
        betas=np.stack([row["betas"] for _, _, row in rows]),
        transl=np.stack([row["transl"] for _, _, row in rows]),
    )
