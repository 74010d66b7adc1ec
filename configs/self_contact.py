"""One person who touches herself or himself (yoga): the default settings.

    prosepose fit --config=configs/self_contact.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

The published single-person terms (docs/method.md, "Weights"), solved as configs/two_person.py. Contact weighs 300, then
3000: under the published 10000 in both stages a hand that some answers misplace drags the body into another pose
(docs/results.md, "How the settings were chosen"). A scene without usable answers is fitted without contact.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config


def get_config() -> ConfigDict:
    """The default self-contact config."""
    config = load_config("two_person")
    config.mode = "self_contact"
    for stage in ("stage1", "stage2"):
        first = stage == "stage1"
        config[stage].weights = ConfigDict(
            {
                "keypoints": 0.04 if first else 0.1,
                "contact": 300.0 if first else 3000.0,
                "initial_pose": 400.0,
                "pose_prior": 0.0,
                "shape_prior": 40.0 if first else 0.0,
                "penetration": 0.0,
                "heuristic": 0.0,
            }
        )
        config[stage].fallback_weights = config[stage].weights.copy_and_resolve_references()
        config[stage].fallback_weights.contact = 0.0
    return config
