"""Does the solver matter for the result? Levenberg–Marquardt, Adam and L-BFGS on the same energy.

    prosepose ablate --config=configs/ablation_solvers.py --workdir=DIR

64 generated two-person scenes. Speed is the matter of benchmarks/solvers.py; here it is what they reach.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import sweep, variant


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points = [
        {"name": "Levenberg–Marquardt"},
        {"name": "LM, 15 steps", "config": {"lm.steps": 15}},
        {"name": "Adam, 200 steps", "config": {"solver": "adam", "stage1.steps": 200, "stage2.steps": 200}},
        {"name": "L-BFGS, 100 steps", "config": {"solver": "lbfgs", "lbfgs.steps": 100}},
    ]
    config = sweep("Solvers", points, "Levenberg–Marquardt")
    if name == "smoke":  # the solvers differ in what is compiled: one of them is enough
        config.points = config.points[:2]
    return variant(config, name)
