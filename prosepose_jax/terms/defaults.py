"""Weights and scales of the packaged terms, those of configs/two_person.py (docs/method.md, "Weights")."""

from __future__ import annotations

# Where each robust kernel begins to count less: pixels of the 512-px person box, metres, metres.
SCALES = {"keypoints": 50.0, "contact": 0.3, "penetration": 0.05, "self_penetration": 0.05}
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

# Standard deviations of what the terms compare, by the names of a config's section "errors" (docs/method.md, "Stated
# errors").
ERRORS = {
    "pose_deg": 9.0,  # a joint's rotation, typical; `estimate_pose.JOINT_SHARES` has each joint's share of it
    "orientation_deg": 7.0,  # global orientation
    "stature_share": 0.05,  # estimated stature, share of it
    "build_m": 0.01,  # rms of the surface besides the stature
    "depth_share": 0.08,  # depth of the pelvis, share of it
    "size_over_depth_share": 0.04,  # stature over depth: what a picture shows of both
    "across_m": 0.05,  # pelvis across the view, at its depth
    "population_stature_share": 0.07,  # of people about the mean stature
    "population_build_m": 0.02,
}
