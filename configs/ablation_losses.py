"""What does each loss contribute? The fit with one term removed at a time (the paper's loss ablation).

    prosepose ablate --config=configs/ablation_losses.py --workdir=DIR

300 generated two-person scenes; "no contact" leaves the language model's term out and puts nothing in its place,
"contact heuristic" is the paper's baseline without answers.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import MANY, sweep, variant

TERMS = (
    "contact",
    "keypoints",
    "estimate_pose",
    "estimate_shape",
    "estimate_place",
    "population_shape",
    "pose_prior",
    "penetration",
)


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points = [{"name": "full"}]
    for term in TERMS:
        removed = {f"{stage}.weights.{term}": 0.0 for stage in ("stage1", "stage2")}
        points.append({"name": f"no {term.replace('_', ' ')}", "config": removed})
    points.append({"name": "contact heuristic", "config": {"contact.use_answers": False}})
    return variant(sweep("Losses", points, "full", scenes={"count": MANY}), name)
