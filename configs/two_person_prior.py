"""The default with the packaged free prior over two people as one more term (docs/buddi.md, "The free prior").

    prosepose fit --config=configs/two_person_prior.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

configs/two_person.py and score distillation with fixed draws, so that Levenberg–Marquardt can judge it. The prior was
trained on generated pairs alone; docs/buddi.md has what it is worth on interactions that it knows, and on others.
Another prior: --config.buddi.checkpoint=FILE.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config

# 1 is best on interactions that the prior knows and harms on others; at a third no harm could be measured.
WEIGHT = 1.0 / 3.0


def get_config() -> ConfigDict:
    """The default two-person config with the free prior."""
    config = load_config("two_person")
    config.buddi = ConfigDict(
        {
            "checkpoint": "free",  # the packaged one, or a file
            "conditional": False,
            "timestep": 100,  # noise of the size of an estimate's errors
            "pose": 30.0,  # a person's body pose, a rad
            "relative_transl": 0.0,  # the way from person to person, a metre: the fit's own is nearer to the truth
            "betas": 0.0,
            "dropout": False,
            "draws": 8,
            "refresh_every": 1,
        }
    )
    for stage in (config.stage1, config.stage2):
        stage.weights.buddi = stage.fallback_weights.buddi = WEIGHT
    return config
