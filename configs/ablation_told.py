"""What does language beyond touch add? With the second table and without, at its error rates and at twice them.

    prosepose ablate --config=configs/ablation_told.py --workdir=DIR

128 generated two-person scenes of each family that the table is about, and of the middle level; the answers are the
same in both but for the table (docs/beyond_touch.md).
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant, without

FAMILIES = ("middle", "wide_statures", "children", "independent_depth", "half_right_answers")
FACTORS = {"": 1.0, ", twice the errors": 2.0}
COUNT = 128


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    groups = {
        f"{family}{words}": {"scenes": {"noise": family, "noise_changes": {"second_table": factor}}}
        for family in FAMILIES
        for words, factor in FACTORS.items()
    }
    points = [{"name": "touch alone", "config": without("told")}, {"name": "second table"}]
    config = sweep("Language beyond touch", grid(groups, points), "touch alone", scenes={"count": COUNT})
    return variant(config, name)
