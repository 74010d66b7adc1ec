"""Does a setting hold under every kind of error? Every noise family, with answers and without.

    prosepose ablate --config=configs/ablation_families.py --workdir=DIR

128 generated two-person scenes a family (docs/synthetic.md, "Noise families"): the default, the published objective
and the default without answers. Choose by the worst family, on seeds that are not reported:
--config.scenes.seed=N.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant
from prosepose_jax.synthetic.families import NAMES

COUNT = 128


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points = [
        {"name": "default"},
        {"name": "published objective", "base": "parity_two_person"},
        {"name": "no answers", "config": {"contact.use_answers": False}},
    ]
    families = {family: {"scenes": {"noise": family}} for family in NAMES}
    return variant(sweep("Noise families", grid(families, points), "default", scenes={"count": COUNT}), name)
