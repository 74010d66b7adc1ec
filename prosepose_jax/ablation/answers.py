"""What a point does to the answers before they are read: fewer of them, or the annotated truth in their place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from prosepose_jax.contact.vocabulary import without_side
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Answer, Scene

ORACLES = ("", "sides", "no_sides")
ORDERS = ("", "free", "given")


@dataclasses.dataclass(frozen=True)
class AnswerChange:
    """Changes in the order of the fields."""

    oracle: str = ""  # "sides": one answer made of the annotated contacts; "no_sides": without left and right
    first: int = 0  # only so many answers; 0: all
    order: str = ""  # every answer's person order is taken for "given" or "free"; "": as the answer says

    def __post_init__(self) -> None:
        for name, value, known in (("oracle", self.oracle, ORACLES), ("order", self.order, ORDERS)):
            if value not in known:
                raise InputError(f"answers: {name}: expected one of {known}, found {value!r}")
        if self.first < 0:
            raise InputError(f"answers: first: expected at least 0, found {self.first}")


def changed(answers: Sequence[Answer], scene: Scene, change: AnswerChange) -> list[Answer]:
    """The answers that the fit reads.

    Raises:
      InputError: the annotated contacts are asked for and the scene has none.
    """
    found = list(answers)
    if change.oracle:
        found = [annotated_answer(scene, sides=change.oracle == "sides")]
    if change.first:
        found = found[: change.first]
    if change.order:
        found = [dataclasses.replace(answer, order=change.order) for answer in found]
    return found


def annotated_answer(scene: Scene, sides: bool) -> Answer:
    """A table of the scene's annotated contacts, who is Person 1 included.

    Without sides, contacts that differ in left and right alone stand once for every time they are annotated: a pair
    of hands that both touch stays two rows.
    """
    if scene.gt_contacts is None:
        raise InputError(f"scene {scene.key}: has no gt_contacts, which the oracle is made of")
    rows = [(a, b) if sides else (without_side(a), without_side(b)) for a, b in scene.gt_contacts]
    lines = ["| Person 1 Body Part | Person 2 Body Part |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    return Answer("\n".join(lines), order="given", model="annotated")
