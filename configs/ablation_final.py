"""Does the default beat the published objective? Paired, at three noise levels, and self-contact besides.

    prosepose ablate --config=configs/ablation_final.py --workdir=DIR
    prosepose ablate --config=configs/ablation_final.py --config.scenes.body=BODY.npz --workdir=DIR2

64 generated scenes a group whose seed no setting was chosen on; the second command does the same on another body. Two
people: the reference is the published objective (configs/parity_two_person.py: terms, weights, parser, mean over the
answers, Adam, early stop) with closest and inside vertices searched exactly every ten steps instead of drawn anew at
every step; against it the default, the default without answers, and the default that keeps the best of three starts by
energy. Self-contact: the fit with answers, and the best of the same three starts, against the fit without.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import FEW, sweep, variant

LEVELS = ("low", "middle", "high")
STARTS = (1.0, 0.3, 3.0)  # factors of the contact weight in stage 1, chosen for two people (docs/results.md)
SEARCHED = {"contact.search": "cells", "contact.refresh_every": 10, "penetration.refresh_every": 10}


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points: list[dict] = []
    for level in LEVELS:
        common = {"group": f"two people, {level} noise", "scenes": {"noise": level}}
        points.append({"name": "reference", **common, "base": "parity_two_person", "config": SEARCHED})
        points.append({"name": "default", **common})
        points.append({"name": "no answers", **common, "config": {"contact.use_answers": False}})
        points.append({"name": "three starts", **common, "config": {"contact.starts": STARTS}})
    for level in LEVELS:
        common = {
            "group": f"self-contact, {level} noise",
            "base": "self_contact",
            "scenes": {"kind": "self_contact", "noise": level},
        }
        points.append({"name": "reference", **common, "config": {"contact.use_answers": False}})
        points.append({"name": "with answers", **common})
        points.append({"name": "three starts", **common, "config": {"contact.starts": STARTS}})
    return variant(sweep("The default against the reference", points, "reference", scenes={"count": FEW}), name)
