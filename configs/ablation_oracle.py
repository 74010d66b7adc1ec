"""What would perfect answers bring? The annotated contacts in the place of the answers.

    prosepose ablate --config=configs/ablation_oracle.py --workdir=DIR

64 generated scenes each of two people and of one person, whose contacts are measured on the true meshes.
"""

from ml_collections import ConfigDict

from prosepose_jax.ablation.building import grid, sweep, variant


def get_config(name: str | None = None) -> ConfigDict:
    """The sweep."""
    points = [
        {"name": "answers"},
        {"name": "annotated contacts", "answers": {"oracle": "sides"}, "config": {"contact.min_count": 1}},
        {"name": "annotated, without sides", "answers": {"oracle": "no_sides"}, "config": {"contact.min_count": 1}},
        {"name": "no answers", "config": {"contact.use_answers": False}},
    ]
    groups = {
        "two people": {"scenes": {"kind": "two_person"}, "base": "two_person"},
        "self-contact": {"scenes": {"kind": "self_contact"}, "base": "self_contact"},
    }
    return variant(sweep("Annotated contacts", grid(groups, points), "answers"), name)
