"""The diffusion prior and the answers together: configs/buddi.py with the answers' contact term.

    prosepose fit --config=configs/buddi_answers.py --config.buddi.checkpoint=FILE --scenes=SCENES --answers=ANSWERS \\
        --workdir=DIR

The answers weigh as in configs/parity_two_person.py (the release has a config of this kind with ten times that weight
and no published figure). A scene without usable answers takes the prior alone.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config


def get_config() -> ConfigDict:
    """The config of BUDDI with answers."""
    config = load_config("buddi")
    config.contact.use_answers = True
    for stage in (config.stage1, config.stage2):
        stage.weights.contact = 1000.0
    return config
