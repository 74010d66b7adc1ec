"""The baseline without a language model: the closest points of the two people are drawn together.

    prosepose fit --config=configs/heuristic.py --scenes=SCENES --workdir=DIR

Every scene takes the fallback of configs/two_person.py, whatever its answers say (docs/method.md, "Other terms").
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config


def get_config() -> ConfigDict:
    """The contact-heuristic config."""
    config = load_config("two_person")
    config.contact.use_answers = False
    return config
