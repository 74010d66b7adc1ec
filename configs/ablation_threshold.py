"""Self-contact: how many of the 20 answers must name a contact? The threshold f from 1 to 20.

    prosepose ablate --config=configs/ablation_threshold.py --workdir=DIR

300 generated scenes of one person. Thresholds that keep the same rows share a fit. "no answers" is the fit without
contact, "all 20" would be f = 20.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import MANY, sweep, variant


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points = [{"name": f"f = {f}", "x": f, "config": {"contact.min_count": f}} for f in range(1, 21)]
    # Beyond the last answer nothing is left: what the fit without contact reaches, at the end of the curve.
    points.append({"name": "no answers", "x": 21, "config": {"contact.use_answers": False}})
    scenes = {"kind": "self_contact", "count": MANY}
    config = sweep("Threshold f", points, "f = 10", base="self_contact", scenes=scenes, x_label="f (21: no answers)")
    return variant(config, name)
