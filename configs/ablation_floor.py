"""What does the floor add? Without it and with it, with the second table of answers and without.

    prosepose ablate --config=configs/ablation_floor.py --workdir=DIR

64 generated two-person scenes of each family. The generated people stand, kneel, sit and lie on one floor, and cameras
look down by -4 to 20 degrees: photographs are less even (docs/method.md, "Floor").
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant, weighing

FAMILIES = ("middle", "children", "wide_statures", "independent_depth", "agreeing")
TABLES = {"": {}, ", second table": {"second_table": 1.0}}


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    groups = {
        f"{family}{words}": {"scenes": {"noise": family, "noise_changes": changes}}
        for family in FAMILIES
        for words, changes in TABLES.items()
    }
    points = [{"name": "no floor", "config": weighing(0.0, "floor")}, {"name": "floor"}]
    return variant(sweep("Floor", grid(groups, points), "no floor"), name)
