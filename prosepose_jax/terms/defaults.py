"""Weights and scales of the packaged terms, those of configs/two_person.py (docs/method.md, "Weights")."""

from __future__ import annotations

# Where each robust kernel begins to count less: pixels of the 512-px person box, metres, metres.
SCALES = {"keypoints": 50.0, "contact": 0.3, "penetration": 0.05}
_BOTH = {"initial_pose": 100.0}
STAGE_WEIGHTS = (
    _BOTH | {"keypoints": 0.04, "contact": 1000.0, "pose_prior": 4.0, "shape_prior": 40.0},
    _BOTH | {"keypoints": 0.1, "contact": 1000.0, "pose_prior": 4.0, "penetration": 1000.0},
)
# Of scenes whose answers cannot be used.
FALLBACK_WEIGHTS = (
    _BOTH | {"keypoints": 0.02, "heuristic": 1e4, "pose_prior": 2.0, "shape_prior": 40.0},
    _BOTH | {"keypoints": 0.1, "heuristic": 1e4, "pose_prior": 2.0, "penetration": 0.1},
)
