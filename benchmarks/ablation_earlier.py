"""Today's default beside the one before errors were stated, on every level and family of errors.

    prosepose ablate --config=benchmarks/ablation_earlier.py --workdir=DIR
    prosepose ablate --config=benchmarks/ablation_earlier.py:self_contact --workdir=DIR   (of one person)

128 generated scenes of each.
"""

from pathlib import Path

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant
from prosepose_jax.synthetic.families import names_for

COUNT = 128
EARLIER = str(Path(__file__).with_name("earlier_default.py"))


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep, of two people or, named "self_contact", of one."""
    kind = "self_contact" if name == "self_contact" else "two_person"
    earlier = f"{EARLIER}:self_contact" if kind == "self_contact" else EARLIER
    points = [{"name": "default"}, {"name": "earlier default", "base": earlier}]
    families = {family: {"scenes": {"noise": family}} for family in names_for(kind)}
    config = sweep(
        "The earlier default", grid(families, points), "default", base=kind, scenes={"kind": kind, "count": COUNT}
    )
    return variant(config, None if name == "self_contact" else name)
