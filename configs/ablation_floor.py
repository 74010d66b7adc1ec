"""What does the floor add? Without it and with it, on every level and family of errors.

    prosepose ablate --config=configs/ablation_floor.py --workdir=DIR

64 generated two-person scenes of each family, answers about touch alone. The generated people stand, kneel, sit and lie
on one floor, one is carried, and cameras look down by -4 to 20 degrees (in one family by 25 to 45, and askew):
photographs are less even (docs/method.md, "Floor").
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant, weighing
from prosepose_jax.synthetic.families import names_for


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    families = {family: {"scenes": {"noise": family}} for family in names_for("two_person")}
    points = [{"name": "no floor", "config": weighing(0.0, "floor")}, {"name": "floor"}]
    return variant(sweep("Floor", grid(families, points), "no floor"), name)
