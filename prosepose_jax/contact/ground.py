"""Which parts the rows "… | ground" of answers name: no contacts of people, and what a floor is told by."""

from __future__ import annotations

from collections.abc import Sequence

from prosepose_jax.contact.parse_extended import parse_extended
from prosepose_jax.scene import Answer

Grounded = tuple[tuple[int, frozenset[str]], ...]
"""(person of the scene, names of parts without a side) of every answer that names any of that person's."""


def grounded_parts(answers: Sequence[Answer], num_people: int) -> Grounded:
    """Reads the rows about the ground of answers, by the extended parser whatever the contacts are read by.

    Of two people an answer's rows count where it was told who is its Person 1.

    Args:
      answers: about one scene.
      num_people: of the scene.
    """
    found = []
    for answer in answers:
        if num_people > 1 and answer.order == "free":
            continue
        mine: dict[int, frozenset[str]] = {}
        for place, names in parse_extended(answer.text, "self_contact" if num_people == 1 else "two_person").grounded:
            person = 0 if num_people == 1 else answer.pair[place]
            mine[person] = mine.get(person, frozenset()) | names
        found += sorted(mine.items())
    return tuple(found)
