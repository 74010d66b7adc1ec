"""What does language beyond touch add? With the second table and without, at its error rates and at twice them.

    prosepose ablate --config=configs/ablation_told.py --workdir=DIR
    prosepose ablate --config=configs/ablation_told.py:questions --workdir=DIR   (question by question)
    prosepose ablate --config=configs/ablation_told.py:limits --workdir=DIR      (without errors, with other weights)
    prosepose ablate --config=configs/ablation_told.py:many --workdir=DIR        (1,000 scenes a family)

128 generated two-person scenes of each family that the table is about, and of the middle level; the answers are the
same in both but for the table (docs/beyond_touch.md). "questions" adds to statures and distances, which the default
fit uses, who is a child, whom people face and their posture, each alone and all together. "limits" asks what the table
could give: if it were never wrong, absent or unclear, and with other weights of what it says of statures and distances.
"many" measures the two families that it is about most on so many scenes that an effect of half a millimetre shows:
fits of one scene with the table and without differ by 8 mm (standard deviation), mostly in which minimum they end.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant, weighing

FAMILIES = ("middle", "wide_statures", "children", "independent_depth", "half_right_answers")
OF_VARIANT = {
    "questions": ("middle", "wide_statures", "children", "large_orientation", "upright"),
    "limits": ("wide_statures", "independent_depth"),
    "many": ("wide_statures", "independent_depth"),
}
QUESTIONS = ("age", "faces", "posture")
FACTORS = {"": 1.0, ", twice the errors": 2.0}
COUNT, MANY = 128, 1000


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep; "questions": each question's prior on its own; "limits": no errors, other weights; "many": scenes."""
    groups = {
        f"{family}{words}": {"scenes": {"noise": family, "noise_changes": {"second_table": factor}}}
        for family in OF_VARIANT.get(name or "", FAMILIES)
        for words, factor in FACTORS.items()
        if not (words and name in OF_VARIANT)
    }
    # Without the table: not only "told" reads it, so does the floor.
    points: list[dict] = [{"name": "touch alone", "scenes": {"noise_changes": {}}}, {"name": "second table"}]
    if name == "questions":
        points += [{"name": f"+ {question}", "config": weighing(0.5, f"told_{question}")} for question in QUESTIONS]
        points += [{"name": "all", "config": weighing(0.5, *(f"told_{question}" for question in QUESTIONS))}]
    if name == "limits":
        points += [{"name": "no errors", "scenes": {"noise_changes": {"second_table": 0.0}}}]
        points += [{"name": f"weight {weight:g}", "config": weighing(weight, "told")} for weight in (1.0, 2.0)]
    reference = "second table" if name == "questions" else "touch alone"
    scenes = {"count": MANY if name == "many" else COUNT}
    config = sweep("Language beyond touch", grid(groups, points), reference, scenes=scenes)
    return variant(config, None if name in OF_VARIANT else name)
