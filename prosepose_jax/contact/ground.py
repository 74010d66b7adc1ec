"""Which parts the rows "… | ground" of answers name: no contacts of people, and what a floor is told by."""

from __future__ import annotations

from collections.abc import Sequence

from prosepose_jax.contact._phrases import read_cell
from prosepose_jax.contact.rows import NOT_WITH_GROUND, RejectedRow
from prosepose_jax.contact.vocabulary import GROUND_NAME
from prosepose_jax.scene import Answer

Grounded = tuple[tuple[int, frozenset[str]], ...]
"""(person of the scene, names of parts without a side) of every answer that names any of that person's."""


def grounded_parts(rejected: Sequence[RejectedRow], answers: Sequence[Answer], num_people: int) -> Grounded:
    """Reads the rows that a program left out because they are about the ground.

    Of two people a row counts where it is known who they are: the answer was told, and the row's cells or their
    order say whose part it is.

    Args:
      rejected: of the compiled program.
      answers: that it was compiled from.
      num_people: of the scene.
    """
    found: dict[tuple[int, int], set[str]] = {}
    for record in rejected:
        if record.reason != NOT_WITH_GROUND:
            continue
        answer = answers[record.answer]
        for column, cell in enumerate(map(read_cell, record.row.split("|"))):
            names = {
                name.removeprefix("left ").removeprefix("right ") for item in cell.items for name in item.names
            } - {GROUND_NAME}
            place = cell.person if cell.person is not None else column
            if names and (num_people == 1 or (place < 2 and answer.order != "free")):
                person = 0 if num_people == 1 else answer.pair[place]
                found.setdefault((record.answer, person), set()).update(names)
    return tuple((person, frozenset(names)) for (_, person), names in sorted(found.items()))
