"""Weights and scales of the packaged terms, those of configs/two_person.py (docs/method.md, "Weights")."""

from __future__ import annotations

# Where each robust kernel begins to count less: pixels of the 512-px person box, metres, metres.
SCALES = {"keypoints": 50.0, "contact": 0.4, "penetration": 0.005, "self_penetration": 0.005}
STAGE_SCALES: tuple[dict[str, float], ...] = ({"contact": 1.0}, {})  # of a stage, in place of those
_ESTIMATE = {
    "keypoints": 0.014,
    "estimate_pose": 0.5,
    "estimate_shape": 0.5,
    "population_shape": 0.5,
    "estimate_place": 0.5,
    "pose_prior": 0.5,
    "told": 0.5,
    "floor": 0.5,
}
_INSIDE = {"penetration": 1000.0, "self_penetration": 300.0}
STAGE_WEIGHTS = (_ESTIMATE | {"contact": 30.0}, _ESTIMATE | _INSIDE | {"contact": 60.0})
# Of scenes whose answers cannot be used.
FALLBACK_WEIGHTS = (_ESTIMATE | {"heuristic": 200.0}, _ESTIMATE | _INSIDE | {"heuristic": 200.0})

# Standard deviations of what the terms compare, by the names of a config's section "errors" (docs/method.md, "Stated
# errors").
ERRORS = {
    "pose_deg": 12.0,  # a joint's rotation, typical; `estimate_pose.JOINT_SHARES` has each joint's share of it
    "orientation_deg": 7.0,  # global orientation
    "stature_share": 0.05,  # estimated stature, share of it
    "child_stature_share": 0.08,  # of who has a child scale, which is an estimate too; besides
    "build_m": 0.01,  # rms of the surface besides the stature
    "depth_share": 0.08,  # depth of the pelvis, share of it
    "size_over_depth_share": 0.04,  # stature over depth: what a picture shows of both
    "across_m": 0.05,  # pelvis across the view, at its depth
    "population_stature_share": 0.07,  # of people about the mean stature
    "population_build_m": 0.02,
    "floor_m": 0.03,  # height of a support over the floor
    "floor_pitch_deg": 10.0,  # of the camera over the floor, about `floor.MEAN_PITCH_DEG`
    "floor_roll_deg": 3.0,
}
