"""How sensitive is the fit to its weights? Each weight of both stages times 1/4, 1/2, 2 and 4.

    prosepose ablate --config=configs/ablation_weights.py --workdir=DIR

64 generated two-person scenes. Weights are data to the compiled fit: one compilation serves all points.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import scaling, sweep, terms_of, variant
from prosepose_jax.config import load_config

FACTORS = (0.25, 0.5, 2.0, 4.0)


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    base = load_config("two_person")
    points: list[dict] = []
    for term in terms_of(base):
        group = term.replace("_", " ")
        points.append({"name": "default", "group": group, "x": 1.0})
        for factor in FACTORS:
            points.append({"name": f"× {factor:g}", "group": group, "x": factor, "config": scaling(base, factor, term)})
    scenes = {"noise_changes": {"second_table": 1.0}}  # told has something to say
    config = sweep("Weights", points, "default", scenes=scenes, x_label="factor of the weight", log_x=True)
    return variant(config, name)
