"""One person as the method's own release does it, quirks included.

    prosepose fit --config=configs/parity_self_contact.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

As configs/parity_two_person.py. The release's penetration term of a person with herself is always about 0
(docs/method.md, "Quirks of the release"), so it is left out here.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config


def get_config() -> ConfigDict:
    """The self-contact parity config."""
    published = load_config("parity_two_person")
    config = load_config("self_contact")
    config.contact = published.contact
    config.keypoints = published.keypoints
    config.penetration = published.penetration
    config.stop = published.stop
    config.solver = published.solver
    for number, stage in enumerate((config.stage1, config.stage2)):
        stage.move_global_orient = False
        stage.scales = ConfigDict()
        stage.weights = ConfigDict(
            dict.fromkeys(stage.weights, 0.0)
            | {
                "keypoints": 0.1 if number else 0.04,
                "contact": 10000.0,
                "initial_pose": 400.0,
                "shape_prior": 0.0 if number else 40.0,
            }
        )
        stage.fallback_weights = stage.weights.copy_and_resolve_references()
        stage.fallback_weights.contact = 0.0
    config.stage2.move_betas = False
    del config.stage1["tolerance"]
    return config
