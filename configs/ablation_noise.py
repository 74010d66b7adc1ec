"""Which errors hurt? Initial estimates, missed and imagined contacts, each at three levels or more.

    prosepose ablate --config=configs/ablation_noise.py --workdir=DIR

64 generated two-person scenes at the middle noise, with one kind of error changed: the regressor's errors by a factor,
the share of true contacts that an answer misses, the mean number of contacts imagined a scene. Each with the
answers and with the contact heuristic, which sees none of them.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import sweep, variant

CHANGES = {
    "initial_error": ("regressor's error ×", (0.5, 1.0, 1.5)),
    "misses": ("misses", (0.1, 0.3, 0.6)),
    "imagined": ("imagined contacts", (0.0, 1.2, 4.0)),
}


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points: list[dict] = []
    for change, (title, values) in CHANGES.items():
        points.append({"name": "level middle", "group": title})
        for value in values:
            noise = {"scenes": {"noise_changes": {change: value}}}
            points.append({"name": f"{title} {value:g}", "group": title, **noise})
            if change == "initial_error":
                heuristic = {"config": {"contact.use_answers": False}}
                points.append({"name": f"heuristic, error × {value:g}", "group": title, **noise, **heuristic})
    return variant(sweep("Noise", points, "level middle"), name)
