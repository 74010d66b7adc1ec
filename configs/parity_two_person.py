"""Two people as the method's own release does it, quirks included.

    prosepose fit --config=configs/parity_two_person.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

Adam with the published weights and terms, published parser, fixed global orientation, 80 random vertices per fine
region redrawn at every step, the inside test at every step, and the initial estimate in place of lost feet
(docs/method.md, "Quirks of the release").
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config


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
    config.penetration.slots = 1024  # of more inside vertices an even selection stands for all
    config.keypoints.exchange_swapped = False
    config.keypoints.robust_px = config.contact.robust_m = config.penetration.robust_m = 0.0
    config.solver = "adam"
    for stage in (config.stage1, config.stage2):
        stage.move_global_orient = False
        stage.weights.initial_pose = stage.fallback_weights.initial_pose = 200.0
    config.stop.window = 20
    config.stop.slope = 1e-4
    config.stop.relative = False
    return config
