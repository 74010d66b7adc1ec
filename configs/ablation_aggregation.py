"""How should N answers become one loss? Every aggregation, at three noise levels.

    prosepose ablate --config=configs/ablation_aggregation.py --workdir=DIR

64 generated two-person scenes a level. "mean" is the published one; "soft choices" replaces the hard minimum over
sides and person orders; "vote" fits every answer alone and keeps the fit that all answers like best, which is most of
the sweep's work: ":no_vote" leaves it out.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant

LEVELS = ("low", "middle", "high")


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""

    def point(label: str, **contact: float | str) -> dict:
        return {"name": label, "config": {f"contact.{field}": value for field, value in contact.items()}}

    points = [
        point("mean", aggregation="mean"),
        point("threshold 0.2", aggregation="mean", min_share=0.2),
        point("threshold 0.4", aggregation="mean", min_share=0.4),
        point("frequency", aggregation="frequency"),
        point("frequency, squared", aggregation="frequency", aggregation_power=2.0),
        point("median", aggregation="median"),
        point("trimmed 0.25", aggregation="trimmed"),
        point("soft 0.1 m", aggregation="soft", aggregation_m=0.1),
        point("nearest", aggregation="nearest"),
        point("soft choices 0.02 m", aggregation="mean", choice_m=0.02),
        point("soft choices 0.1 m", aggregation="mean", choice_m=0.1),
        point("vote", aggregation="vote"),
    ]
    if name == "no_vote":
        points, name = points[:-1], None
    groups = {level: {"scenes": {"noise": level}} for level in LEVELS}
    return variant(sweep("Aggregation", grid(groups, points), "mean"), name)
