"""How should faulty keypoints be dealt with? Robust or plain squares, swapped sides, lost feet, people cut by the edge.

    prosepose ablate --config=configs/ablation_keypoints.py --workdir=DIR

64 generated two-person scenes at the middle and at the high noise level, and 64 of people whom the picture's edge cuts.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points = [
        {"name": "default"},
        {"name": "robust from 30 px", "config": {"keypoints.robust_px": 30.0}},
        {"name": "robust from 100 px", "config": {"keypoints.robust_px": 100.0}},
        {"name": "plain squares", "config": {"keypoints.robust_px": 0.0}},
        {"name": "swapped sides kept", "config": {"keypoints.exchange_swapped": False}},
        {"name": "edge points as they are", "config": {"keypoints.edge_share": 0.0}},
        {"name": "box of what is visible", "config": {"keypoints.box": "visible"}},
        {"name": "lost feet as estimated", "config": {"keypoints.lost_ankle": "initial"}},
        {
            "name": "as published",
            "config": {
                "keypoints.robust_px": 0.0,
                "keypoints.exchange_swapped": False,
                "keypoints.edge_share": 0.0,
                "keypoints.box": "visible",
                "keypoints.lost_ankle": "initial",
            },
        },
    ]
    groups = {level: {"scenes": {"noise": level}} for level in ("middle", "high", "edge_keypoints")}
    return variant(sweep("Keypoints", grid(groups, points), "default"), name)
