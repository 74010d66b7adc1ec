"""The questions of the second table and the values that answer them; nothing else is understood."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Question:
    """One row of the second table. Every person has a cell of its own."""

    name: str
    values: tuple[str, ...]
    opposites: Mapping[str, str] | None = None  # of a relation: what the other person must then have

    @property
    def of_two(self) -> bool:
        """Whether it compares two people, so that there is nothing to say about one."""
        return self.opposites is not None

    def index(self, value: str) -> int:
        """Place of a value.

        Raises:
          ValueError: another word.
        """
        return self.values.index(value)


# No cell that answers a question is the name of a part, so no parser of contacts takes one for a contact.
QUESTIONS: tuple[Question, ...] = (
    Question("age", ("child", "adult")),
    Question(
        "height",
        ("much shorter", "shorter", "same", "taller", "much taller"),
        {"much shorter": "much taller", "shorter": "taller", "same": "same", "taller": "shorter",
         "much taller": "much shorter"},
    ),
    Question(
        "distance to the camera",
        ("nearer", "same", "farther"),
        {"nearer": "farther", "same": "same", "farther": "nearer"},
    ),
    *(Question(f"rests on {part}", ("yes", "no")) for part in ("feet", "knees", "seat", "back", "hands")),
    Question("carried by", ("floor", "furniture", "other person", "nothing")),
    Question("faces", ("towards the other", "sideways", "away from the other")),
    Question("posture", ("standing", "crouching", "kneeling", "sitting", "lying")),
)  # fmt: skip
MOST_VALUES = max(len(question.values) for question in QUESTIONS)
NOT_SAID = ("", "-", "–", "unclear", "unknown")
"""Cells that leave a question open."""


def question_place(name: str) -> int:
    """Place of a question in `QUESTIONS`."""
    return next(k for k, question in enumerate(QUESTIONS) if question.name == name)


def question_names(num_people: int) -> tuple[str, ...]:
    """The questions that can be asked about so many people."""
    return tuple(q.name for q in QUESTIONS if num_people > 1 or not (q.of_two or q.name == "faces"))
