"""Does it help to know who is Person 1, or to ask for left and right?

    prosepose ablate --config=configs/ablation_order_sides.py --workdir=DIR

64 generated two-person scenes at the middle noise. "Known order": the model was told who is Person 1 and mixes them up
in 5 % of the scenes' answers, and the fit believes it; "order forgotten" takes the same answers and minimises over both
orders. "Sides": every answer says left and right, one part in ten wrongly.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import sweep, variant


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""

    def noise(**changes: object) -> dict:
        return {"noise_changes": changes}

    points = [
        {"name": "neither"},
        {"name": "known order", "scenes": noise(order="given")},
        {"name": "order forgotten", "scenes": noise(order="given"), "answers": {"order": "free"}},
        {"name": "sides", "scenes": noise(sides=1.0)},
        {"name": "sides, one in four wrong", "scenes": noise(sides=[1.0, 0.25])},
        {"name": "known order and sides", "scenes": noise(order="given", sides=1.0)},
    ]
    return variant(sweep("Person order and sides", points, "neither"), name)
