"""BUDDI, the diffusion prior over two people, as a baseline: no language model, no contact.

    prosepose fit --config=configs/buddi.py --config.buddi.checkpoint=FILE --scenes=SCENES --workdir=DIR

The published optimisation with the unconditional prior (buddi.yaml of its release): Adam, two stages, the prior's
pull redrawn at every step (docs/buddi.md). The checkpoint is not part of this package. For the conditional prior of
its release set conditional=True, timestep=10, relative_transl=10000, betas=10; its start from a sample of the prior is
not built, the fit starts at the estimate.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config

WEIGHTS = {"initial_pose": 200.0, "pose_prior": 2.0, "contact": 0.0, "heuristic": 0.0, "buddi": 1.0}
STAGES = {
    "stage1": {"keypoints": 0.02, "shape_prior": 40.0, "penetration": 0.0},
    "stage2": {"keypoints": 0.1, "shape_prior": 0.0, "penetration": 0.1},
}


def get_config() -> ConfigDict:
    """The BUDDI config."""
    config = load_config("parity_two_person")
    config.contact.use_answers = False
    config.buddi = ConfigDict(
        {
            "checkpoint": "",
            "conditional": False,  # guided by the estimate
            "timestep": 20,  # noise level
            # Weights of the norms: a person's body pose, the way from person to person, a person's betas.
            "pose": 100.0,
            "relative_transl": 1000.0,
            "betas": 0.0,
            "dropout": False,  # True: as the release, which never switches it off
            "draws": 0,  # 0: fresh noise at every search, for Adam; else the mean of so many that stay the same
            "refresh_every": 1,  # Adam: steps for which a draw of the prior is kept
        }
    )
    for name, weights in STAGES.items():
        stage = config[name]
        for given in (stage.weights, stage.fallback_weights):
            given.update(WEIGHTS | weights)
    return config
