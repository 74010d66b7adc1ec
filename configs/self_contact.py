"""One person who touches herself or himself (yoga): the default settings.

    prosepose fit --config=configs/self_contact.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

As configs/two_person.py, with smaller errors of the estimated pose (one person is seen whole) and without a floor. A
scene without usable answers is fitted without contact.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config


def get_config() -> ConfigDict:
    """The default self-contact config."""
    config = load_config("two_person")
    config.mode = "self_contact"
    config.errors.pose_deg = 9.0  # nobody else hides the person
    config.lm.tolerance = 1e-4
    for stage in (config.stage1, config.stage2):
        for weights in (stage.weights, stage.fallback_weights):
            weights.pose_prior = 0.25
            weights.told = weights.floor = weights.penetration = weights.heuristic = 0.0
    return config
