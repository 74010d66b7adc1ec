"""What is the free prior over two people worth? The same fits with it and without it.

    prosepose ablate --config=configs/ablation_prior.py --workdir=DIR
    prosepose ablate --config=configs/ablation_prior.py:buddi --workdir=DIR

64 generated scenes of a seed that no pair of the prior's training comes from: the default with answers and without;
"buddi": both published configs of BUDDI (configs/buddi.py, configs/buddi_answers.py), solved by Levenberg–Marquardt
with fixed draws (docs/buddi.md, "In the fit"). The reference of each is the same fit with the prior's weight at 0.
Another prior: --config.config.buddi.checkpoint=FILE.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import FEW, grid, sweep, variant, weighing

PRIOR = {"buddi": {"checkpoint": "free"}}
QUICK = {"buddi.draws": 8, "solver": "lm", "contact.search": "cells"}
POINTS = [
    {"name": "without the prior", "config": weighing(0.0, "buddi")},
    {"name": "with the prior"},
    {"name": "three times its weight", "config": weighing(1.0, "buddi")},
]
FITS: dict[str, dict] = {
    "default": {"base": "two_person_prior"},
    "default without answers": {"base": "two_person_prior", "config": {"contact.use_answers": False}},
}
BUDDI: dict[str, dict] = {
    "BUDDI": {"base": "buddi", "config": QUICK},
    "BUDDI with answers": {"base": "buddi_answers", "config": QUICK},
}


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep: of the default or, named "buddi", of BUDDI's configs."""
    fits = grid(BUDDI, POINTS[:2]) if name == "buddi" else grid(FITS, POINTS)
    config = sweep("The free prior", fits, "without the prior", base="two_person_prior", config=PRIOR,
                   scenes={"count": FEW})  # fmt: skip
    return variant(config, None if name == "buddi" else name)
