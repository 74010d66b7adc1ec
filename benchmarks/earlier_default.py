"""The default two-person objective before errors were stated, for comparisons with that time (`against_earlier.py`).

Terms that it has not stand in the program with weight 0; penetration and contact have the scales of that time.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config

_WEIGHTS = {"contact": 1000.0, "initial_pose": 100.0, "pose_prior": 4.0}
_FALLBACK = {"heuristic": 10000.0, "initial_pose": 100.0, "pose_prior": 2.0}


def get_config() -> ConfigDict:
    """The config."""
    config = load_config("two_person")
    config.contact.robust_m, config.penetration.robust_m = 0.3, 0.05
    config.penetration.restart_above = 0.0
    config.keypoints.box, config.keypoints.edge_share = "visible", 0.0
    config.stage2.move_betas = False
    nothing = dict.fromkeys(config.stage1.weights, 0.0)
    for stage, own, fallback in (
        (config.stage1, {"keypoints": 0.04, "shape_prior": 40.0}, {"keypoints": 0.02, "shape_prior": 40.0}),
        (config.stage2, {"keypoints": 0.1, "penetration": 1000.0}, {"keypoints": 0.1, "penetration": 0.1}),
    ):
        stage.scales = ConfigDict()
        stage.weights = ConfigDict(nothing | _WEIGHTS | own)
        stage.fallback_weights = ConfigDict(nothing | _FALLBACK | fallback)
    return config
