"""The default objectives before errors were stated, for comparisons with that time (`against_earlier.py`).

    benchmarks/earlier_default.py               two people
    benchmarks/earlier_default.py:self_contact  one person
    benchmarks/earlier_default.py:sooner        two people; both stages stop as today's do

Terms that it has not stand in the program with weight 0; penetration and contact have the scales of that time, and both
stages stop by lm.tolerance.
"""

from ml_collections import ConfigDict

from prosepose_jax.config import load_config

_TWO = {"contact": 1000.0, "initial_pose": 100.0, "pose_prior": 4.0}
_TWO_FALLBACK = {"heuristic": 10000.0, "initial_pose": 100.0, "pose_prior": 2.0}
_ONE = {"initial_pose": 400.0}
# Of each stage: weights of all, two people's own, those of two people without answers, one person's contact.
_STAGES = (
    ({"keypoints": 0.04, "shape_prior": 40.0}, {}, {"keypoints": 0.02}, 300.0),
    ({"keypoints": 0.1}, {"penetration": 1000.0}, {"penetration": 0.1}, 3000.0),
)


def get_config(name: str | None = None) -> ConfigDict:
    """The config of two people, or "self_contact"; "sooner": with today's tolerances."""
    one = name == "self_contact"
    config = load_config("self_contact" if one else "two_person")
    config.contact.robust_m, config.penetration.robust_m = 0.3, 0.05
    config.penetration.restart_above = config.contact.restart_strain = 0.0
    config.keypoints.box, config.keypoints.edge_share = "visible", 0.0
    config.stage2.move_betas = False
    nothing = dict.fromkeys(config.stage1.weights, 0.0)
    for stage, (both, two, fallback, contact) in zip((config.stage1, config.stage2), _STAGES, strict=True):
        stage.scales = ConfigDict()
        if one:
            stage.weights = ConfigDict(nothing | both | _ONE | {"contact": contact})
            stage.fallback_weights = ConfigDict(nothing | both | _ONE)
        else:
            stage.weights = ConfigDict(nothing | both | _TWO | two)
            stage.fallback_weights = ConfigDict(nothing | both | _TWO_FALLBACK | fallback)
    if name != "sooner":
        config.lm.tolerance = 1e-4
        del config.stage1["tolerance"]
    return config
