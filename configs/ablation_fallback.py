"""When should a scene do without its answers? The threshold t of unusable answers, at which the heuristic takes over.

    prosepose ablate --config=configs/ablation_fallback.py --workdir=DIR

64 generated two-person scenes at the high noise level, where answers fail most. Every point decides between the same
two fits of a scene, so they are made once.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import sweep, variant


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points = [
        {"name": f"t = {t}", "x": t, "config": {"contact.fallback_empty_answers": t}}
        for t in (1, 2, 3, 4, 5, 8, 12, 20)
    ]
    return variant(sweep("Fallback", points, "t = 20", scenes={"noise": "high"}, x_label="unusable answers t"), name)
