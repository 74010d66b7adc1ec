"""Two people who touch: the default settings.

    prosepose fit --config=configs/two_person.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

The published method with an objective of stated errors (docs/method.md, "Stated errors"), solved by
Levenberg–Marquardt: what a regressor estimates holds as far as its errors are small, so that sizes and depths give way
to contacts before limbs do, and people are on one floor. Closest vertices are searched over whole regions, keypoints of
lost feet are left out and swapped sides exchanged back, large errors count less ("Robust terms"), answers are read by
the extended parser, and what they tell about statures, depths and what people rest on counts too.
configs/parity_two_person.py is the published objective; docs/results.md compares the two; README.md has the time and
metrics it reaches.
"""

from ml_collections import ConfigDict

# Of every stage: keypoints with 6 px of the 512-px person box, estimates and population with the errors below, and
# the mixture of poses, which the estimate knows already in part.
_ESTIMATE = {
    "keypoints": 0.014,
    "estimate_pose": 0.5,
    "estimate_shape": 0.5,
    "population_shape": 0.5,
    "estimate_place": 0.5,
    "pose_prior": 0.5,
    "told": 0.5,
    "floor": 0.5,
    # What answers tell of each person, of no use yet on generated scenes (docs/beyond_touch.md).
    "told_age": 0.0,
    "told_faces": 0.0,
    "told_posture": 0.0,
    # Of this stage or of the published objective alone.
    "contact": 0.0,
    "heuristic": 0.0,
    "penetration": 0.0,
    "self_penetration": 0.0,
    "initial_pose": 0.0,
    "shape_prior": 0.0,
}


def get_config() -> ConfigDict:
    """The default two-person config."""
    return ConfigDict(
        {
            "mode": "two_person",
            # Paths; empty: the embedded free body, and everything beside it computed from the body file.
            "body": {
                "path": "",
                "regions": "",
                "keypoints": "",
                "lowres": "",
                "kid_template": "",
                "joint_regressor": "",
                "flat_hands": False,
            },
            "prior": {"path": ""},
            "contact": {
                "use_answers": True,  # False: every scene takes the fallback
                "parser": "extended",  # "published": the release's semantics
                "min_count": 0,  # f, self-contact only; 0: half of the answers
                "min_share": 0.0,  # share of the answers that must name a contact, two people only
                "aggregation": "mean",  # published; or "frequency", "median", "trimmed", "soft", "nearest", "vote"
                "aggregation_power": 1.0,  # frequency: a row weighs its share of the answers to this power
                "aggregation_trim": 0.25,  # trimmed: share of the answers, the farthest, that do not count
                "aggregation_m": 0.05,  # soft: m by which an answer may be farther than the nearest and still count
                "choice_m": 0.0,  # the same for left/right choices and person orders; 0: the nearest one alone
                # Factors of stage 1's contact weight; of several, the fit with the lowest energy of stage 2 is kept.
                "starts": (1.0,),
                # Energy of penetration and estimate_shape above which both stages are done again from people put so
                # much farther apart in depth, and so much less; 0: never.
                "restart_strain": 16.0,
                "restart_depth_m": 0.2,
                "fallback_empty_answers": 0,  # t; 0: all answers
                "search": "cells",  # "exact": every vertex, "sample": sample_size random ones per region and search
                "sample_size": 80,
                "refresh_every": 10,  # Adam: steps for which the closest vertices are kept
                "robust_m": 0.4,  # farther parts pull less (an imagined contact should not win); 0: as published
            },
            "keypoints": {
                "lost_ankle": "leave_out",  # "initial": the initial estimate stands in
                "exchange_swapped": True,  # detections whose left and right look swapped are exchanged back
                "box": "whole",  # whose larger side is 512 px: the whole person's; "visible": that of the points found
                "edge_share": 0.02,  # so near to the image's edge, in boxes, a point may lie beyond it; 0: as published
                "robust_px": 50.0,  # px of the 512-px person box; errors beyond count no more; 0: plain squares
            },
            "penetration": {
                "refresh_every": 10,  # Adam: steps for which the set of inside vertices is kept
                "robust_m": 0.005,  # deeper vertices are pushed, not thrown; 0: as published
                # Energy of penetration above which stage 2 is done again from people drawn so far apart; 0: never.
                "restart_above": 20.0,
                "restart_gap_m": 0.02,
                "slots": 256,  # inside vertices per direction; of more, an even selection is weighted up
            },
            # Stated standard deviations of the estimates, and of people (docs/method.md, "Stated errors").
            "errors": {
                "pose_deg": 12.0,  # a joint's rotation, of people who hide each other
                "orientation_deg": 7.0,  # the whole person's
                "stature_share": 0.05,  # of the stature
                "child_stature_share": 0.08,  # of who has a child scale, besides
                "build_m": 0.01,  # rms of the surface besides the stature
                "depth_share": 0.08,  # of the pelvis depth
                "size_over_depth_share": 0.04,  # what a picture shows of both
                "across_m": 0.05,  # pelvis across the view
                "population_stature_share": 0.07,  # of people about the mean
                "population_build_m": 0.02,
                "floor_m": 0.03,  # height of what rests on the floor
                "floor_pitch_deg": 10.0,  # how far the camera looks down on it, about 8
                "floor_roll_deg": 3.0,
            },
            # Weights of the terms whose errors are stated are 0.5: negative log-likelihoods. Those of the others are
            # in the same unit.
            "stage1": {
                "steps": 1000,
                "learning_rate": 0.01,
                "move_betas": True,
                "move_global_orient": True,
                "tolerance": 3e-3,  # in place of lm.tolerance: where stage 2 starts need not be exact
                "scales": {"contact": 1.0},  # far from each other nobody is let go yet
                "weights": {**_ESTIMATE, "contact": 30.0},
                # Without usable answers: the contact heuristic.
                "fallback_weights": {**_ESTIMATE, "heuristic": 200.0},
            },
            "stage2": {
                "steps": 1000,
                "learning_rate": 0.001,
                "move_betas": True,
                "move_global_orient": True,
                "scales": {},
                "weights": {**_ESTIMATE, "contact": 60.0, "penetration": 1000.0, "self_penetration": 300.0},
                "fallback_weights": {
                    **_ESTIMATE,
                    "heuristic": 200.0,
                    "penetration": 1000.0,
                    "self_penetration": 300.0,
                },
            },
            "solver": "lm",  # Levenberg–Marquardt; "adam": the published optimiser; "lbfgs"
            "lm": {
                "steps": 60,  # most steps of a stage
                "damping": 0.01,  # at the first step
                "tolerance": 1e-3,  # a smaller relative gain is too little; of a stage that has none of its own
                "patience": 3,  # done after so many steps in a row with too little gain
            },
            "lbfgs": {"steps": 300, "refresh_every": 10, "tolerance": 1e-4, "memory": 10, "linesearch_steps": 10},
            # Adam only: a stage ends early when the line through the last `window` losses is flat within `slope`.
            "stop": {"window": 20, "slope": 1e-4, "relative": False},
            "batch_size": 8,  # scenes worked on at a time, on each device; a GPU wants more ("auto", docs/fit.md)
            "scenes_per_call": 64,  # handed over at once; waiting ones take the place of finished ones
            "seed": 0,
            "no_answers": False,  # also fit without the answers, for comparison
            "record": False,  # also keep the parameters at every accepted step, for films and the report
            "log": {"tensorboard": False},  # also write DIR/tensorboard (extra tensorboard)
        }
    )
