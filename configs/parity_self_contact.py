"""One person as the method's own release does it, quirks included.

    prosepose fit --config=configs/parity_self_contact.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

As configs/parity_two_person.py. The release's penetration term of a person with herself is always about 0
(docs/method.md, "Quirks of the release"), so it is left out here.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config


def get_config() -> ConfigDict:
    """The self-contact parity config."""
    published = load_config("parity_two_person")
    config = load_config("self_contact")
    config.contact = published.contact
    config.keypoints = published.keypoints
    config.penetration = published.penetration
    config.stop = published.stop
    config.solver = published.solver
    for stage in (config.stage1, config.stage2):
        stage.move_global_orient = False
        stage.weights.contact = 10000.0
    return config
