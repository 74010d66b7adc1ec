"""Does a setting hold under every kind of error? Every noise level and family, with answers and without.

    prosepose ablate --config=configs/ablation_families.py --workdir=DIR
    prosepose ablate --config=configs/ablation_families.py:self_contact --workdir=DIR   (of one person)
    prosepose ablate --config=configs/ablation_families.py:lm --workdir=DIR   (two people, sooner)
    prosepose ablate --config=configs/ablation_families.py:self_contact_lm --workdir=DIR   (one person, sooner)

128 generated scenes a family (docs/synthetic.md, "Noise families"): the default, the published objective and the
default without answers. "lm" solves the published objective by Levenberg–Marquardt with the exact nearest vertices
instead of by Adam with random ones, in a small part of the time. Choose by the worst family, on seeds that are not
reported: --config.scenes.seed=N.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant
from prosepose_jax.synthetic.families import names_for

COUNT = 128


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep, of two people or, named "self_contact", of one; "lm": a quicker solver of the published objective."""
    kind = "self_contact" if name in ("self_contact", "self_contact_lm") else "two_person"
    published: dict = {"name": "published objective", "base": f"parity_{kind}"}
    if name in ("lm", "self_contact_lm"):
        published["config"] = {"solver": "lm", "contact.search": "cells"}
    points = [
        {"name": "default"},
        published,
        {"name": "no answers", "config": {"contact.use_answers": False}},
    ]
    families = {family: {"scenes": {"noise": family}} for family in names_for(kind)}
    scenes = {"kind": kind, "count": COUNT}
    config = sweep("Noise families", grid(families, points), "default", base=kind, scenes=scenes)
    return variant(config, None if name in ("self_contact", "lm", "self_contact_lm") else name)
