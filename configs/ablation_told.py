"""What does language beyond touch add? With the second table and without, at its error rates and at twice them.

    prosepose ablate --config=configs/ablation_told.py --workdir=DIR
    prosepose ablate --config=configs/ablation_told.py:questions --workdir=DIR   (question by question)

128 generated two-person scenes of each family that the table is about, and of the middle level; the answers are the
same in both but for the table (docs/beyond_touch.md). "questions" adds to statures and distances, which the default
fit uses, who is a child, whom people face and their posture, each alone and all together.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant, weighing

FAMILIES = ("middle", "wide_statures", "children", "independent_depth", "half_right_answers")
OF_QUESTIONS = ("middle", "wide_statures", "children", "large_orientation", "upright")
QUESTIONS = ("age", "faces", "posture")
FACTORS = {"": 1.0, ", twice the errors": 2.0}
COUNT = 128


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep; "questions": each question's prior on its own."""
    by_question = name == "questions"
    groups = {
        f"{family}{words}": {"scenes": {"noise": family, "noise_changes": {"second_table": factor}}}
        for family in (OF_QUESTIONS if by_question else FAMILIES)
        for words, factor in FACTORS.items()
        if not (by_question and words)
    }
    # Without the table: not only "told" reads it, so does the floor.
    points: list[dict] = [{"name": "touch alone", "scenes": {"noise_changes": {}}}, {"name": "second table"}]
    if by_question:
        points += [{"name": f"+ {question}", "config": weighing(0.5, f"told_{question}")} for question in QUESTIONS]
        points += [{"name": "all", "config": weighing(0.5, *(f"told_{question}" for question in QUESTIONS))}]
    reference = "second table" if by_question else "touch alone"
    config = sweep("Language beyond touch", grid(groups, points), reference, scenes={"count": COUNT})
    return variant(config, None if by_question else name)
