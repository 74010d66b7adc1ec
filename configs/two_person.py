"""Two people who touch: the default settings.

    prosepose fit --config=configs/two_person.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

The published stages and weights (docs/method.md, "Optimisation"), but for half the contact weight, which did
better on generated scenes (docs/results.md). Against the method's release, closest vertices
are searched over whole regions instead of redrawn samples, keypoints of lost feet are left out, answers are read by
the extended parser, and what a search found is held for some steps. README.md has the time and metrics it reaches.
"""

from ml_collections import ConfigDict


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
                "fallback_empty_answers": 0,  # t; 0: all answers
                "search": "cells",  # "exact": every vertex, "sample": sample_size random ones per region and search
                "sample_size": 80,
                "refresh_every": 10,  # steps for which the closest vertices are kept
            },
            "keypoints": {"lost_ankle": "leave_out"},  # "initial": the initial estimate stands in
            "penetration": {
                "refresh_every": 10,  # steps for which the set of inside vertices is kept
                "slots": 256,  # inside vertices per direction; of more, an even selection is weighted up
            },
            "stage1": {
                "steps": 1000,
                "learning_rate": 0.01,
                "move_betas": True,
                "weights": {
                    "keypoints": 0.04,
                    "contact": 500.0,
                    "initial_pose": 200.0,
                    "pose_prior": 4.0,
                    "shape_prior": 40.0,
                    "penetration": 0.0,
                    "heuristic": 0.0,
                },
                # Without usable answers: the contact heuristic.
                "fallback_weights": {
                    "keypoints": 0.02,
                    "contact": 0.0,
                    "heuristic": 10000.0,
                    "initial_pose": 200.0,
                    "pose_prior": 2.0,
                    "shape_prior": 40.0,
                    "penetration": 0.0,
                },
            },
            "stage2": {
                "steps": 1000,
                "learning_rate": 0.001,
                "move_betas": False,
                "weights": {
                    "keypoints": 0.1,
                    "contact": 500.0,
                    "initial_pose": 200.0,
                    "pose_prior": 4.0,
                    "shape_prior": 0.0,
                    "penetration": 1000.0,
                    "heuristic": 0.0,
                },
                "fallback_weights": {
                    "keypoints": 0.1,
                    "contact": 0.0,
                    "heuristic": 10000.0,
                    "initial_pose": 200.0,
                    "pose_prior": 2.0,
                    "shape_prior": 0.0,
                    "penetration": 0.1,
                },
            },
            # A stage ends early when the line through the last `window` losses is flat within `slope`.
            "stop": {"window": 20, "slope": 1e-4, "relative": False},
            "batch_size": 16,  # scenes fitted at once
            "seed": 0,
            "no_answers": False,  # also fit without the answers, for comparison
        }
    )
