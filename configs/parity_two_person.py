"""Two people as the method's own release does it, quirks included.

    prosepose fit --config=configs/parity_two_person.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

Adam with the published weights and terms, published parser, fixed global orientation, 80 random vertices per fine
region redrawn at every step, the inside test at every step, and the initial estimate in place of lost feet
(docs/method.md, "Quirks of the release").
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config

# Stage 1, stage 2 (docs/method.md, "Weights").
PUBLISHED_WEIGHTS = (
    {"keypoints": 0.04, "contact": 1000.0, "initial_pose": 200.0, "pose_prior": 4.0, "shape_prior": 40.0},
    {"keypoints": 0.1, "contact": 1000.0, "initial_pose": 200.0, "pose_prior": 4.0, "penetration": 1000.0},
)
PUBLISHED_FALLBACK = (
    {"keypoints": 0.02, "heuristic": 10000.0, "initial_pose": 200.0, "pose_prior": 2.0, "shape_prior": 40.0},
    {"keypoints": 0.1, "heuristic": 10000.0, "initial_pose": 200.0, "pose_prior": 2.0, "penetration": 0.1},
)


def get_config() -> ConfigDict:
    """The two-person parity config."""
    config = load_config("two_person")
    config.contact.parser = "published"
    config.contact.min_share = 0.0
    config.contact.aggregation = "mean"
    config.contact.choice_m = 0.0
    config.contact.starts = (1.0,)
    config.contact.search = "sample"
    config.contact.sample_size = 80
    config.contact.refresh_every = 1
    config.keypoints.lost_ankle = "initial"
    config.penetration.refresh_every = 1
    config.penetration.restart_above = config.contact.restart_strain = 0.0
    config.penetration.slots = 1024  # of more inside vertices an even selection stands for all
    config.keypoints.box, config.keypoints.edge_share = "visible", 0.0
    config.keypoints.exchange_swapped = False
    config.keypoints.robust_px = config.contact.robust_m = config.penetration.robust_m = 0.0
    config.solver = "adam"
    for stage, weights, fallback in zip(
        (config.stage1, config.stage2), PUBLISHED_WEIGHTS, PUBLISHED_FALLBACK, strict=True
    ):
        stage.move_global_orient = False
        stage.scales = ConfigDict()
        nothing = dict.fromkeys(stage.weights, 0.0)
        stage.weights, stage.fallback_weights = ConfigDict(nothing | weights), ConfigDict(nothing | fallback)
    config.stage2.move_betas = False
    config.lm.tolerance = 1e-4
    del config.stage1["tolerance"]  # lm.tolerance in both
    config.stop.window = 20
    config.stop.slope = 1e-4
    config.stop.relative = False
    return config
