"""How much do more answers help? The paper's Figure 5: joint PA-MPJPE and PCC against the number of answers N.

    prosepose ablate --config=configs/ablation_answers.py --workdir=DIR

300 generated two-person scenes with 40 simulated answers each, of which the first N are used; default config.
":smoke" is the small variant for tests, here as in every sweep.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import MANY, sweep, variant

NUMBERS = (1, 2, 3, 5, 10, 20, 40)


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points = [{"name": f"N = {n}", "x": n, "answers": {"first": n}} for n in NUMBERS]
    scenes = {"count": MANY, "num_answers": max(NUMBERS)}
    config = sweep("Number of answers", points, "N = 1", scenes=scenes, x_label="answers N", log_x=True)
    return variant(config, name)
