"""Does the fit beat the published treatment of the answers? Paired, at three noise levels, and self-contact besides.

    prosepose ablate --config=configs/ablation_final.py --workdir=DIR
    prosepose ablate --config=configs/ablation_final.py --config.scenes.body=BODY.npz --workdir=DIR2

64 generated scenes a group whose seed no setting was chosen on; the second command does the same on another body. Two
people: "published mean" is one fit under the mean over answers; "several starts" keeps the best of three by energy.
Self-contact: the fit with answers against the fit without.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import FEW, SEED, sweep, variant

LEVELS = ("low", "middle", "high")
# Chosen on 48 scenes a level of seed 101 (docs/results.md).
PUBLISHED = {"contact.aggregation": "mean", "contact.choice_m": 0.0, "contact.min_share": 0.0, "contact.starts": (1.0,)}
CANDIDATE = {**PUBLISHED, "contact.starts": (1.0, 0.3, 3.0)}


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points: list[dict] = []
    for level in LEVELS:
        common = {"group": f"two people, {level} noise", "scenes": {"noise": level}}
        points.append({"name": "reference", **common, "config": PUBLISHED})
        points.append({"name": "several starts", **common, "config": CANDIDATE})
        points.append({"name": "contact heuristic", **common, "config": {"contact.use_answers": False}})
    for level in LEVELS:
        common = {
            "group": f"self-contact, {level} noise",
            "base": "self_contact",
            "scenes": {"kind": "self_contact", "noise": level},
        }
        points.append({"name": "reference", **common, "config": {"contact.use_answers": False}})
        points.append({"name": "with answers", **common})
    title = "Answers: published mean against several starts; self-contact without against with"
    config = sweep(title, points, "reference", scenes={"count": FEW, "seed": SEED + 1})
    return variant(config, name)
