"""What does each loss contribute? The fit with one term removed at a time (the paper's loss ablation).

    prosepose ablate --config=configs/ablation_losses.py --workdir=DIR
    prosepose ablate --config=configs/ablation_losses.py:families --workdir=DIR
    prosepose ablate --config=configs/ablation_losses.py:self_contact --workdir=DIR   (of one person)

300 generated two-person scenes, or 64 of each of the families whose errors the terms are about; "no contact" leaves
the language model's term out and puts nothing in its place, "contact heuristic" is the paper's baseline without
answers. The answers have a second table (docs/beyond_touch.md), so that "told" has something to say.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import FEW, MANY, grid, sweep, terms_of, variant, weighing
from prosepose_jax.config import load_config

FAMILIES = ("middle", "wide_statures", "children", "independent_depth", "edge_keypoints", "half_right_answers")


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep; "families": over families instead of at the middle level; "self_contact": of one person."""
    kind = "self_contact" if name == "self_contact" else "two_person"
    told = {"second_table": 1.0} if kind == "two_person" else {}
    points: list[dict] = [{"name": "full"}]
    for term in terms_of(load_config(kind)):
        if kind == "two_person" or term != "told":  # what one person is told about nobody reads
            points.append({"name": f"no {term.replace('_', ' ')}", "config": weighing(0.0, term)})
    points.append({"name": "contact heuristic", "config": {"contact.use_answers": False}})
    scenes = {"kind": kind, "count": FEW if name == "families" else MANY, "noise_changes": told}
    if name == "families":
        points = grid({family: {"scenes": {"noise": family}} for family in FAMILIES}, points)
    config = sweep("Losses", points, "full", base=kind, scenes=scenes)
    return variant(config, None if name in ("families", "self_contact") else name)
