"""What a parser makes of one answer: rows of named parts, and rows it could not use."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

NOT_WITH_GROUND = "contact with the ground is not used"
"""Why a row about the ground is no contact; `ParsedAnswer.grounded` has what it says of the floor."""


class Pair(NamedTuple):
    """Two names of the vocabulary that touch: on Person 1 and Person 2, or both on one person."""

    first: str
    second: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One contact. Several options mean that one of them holds (the nearest counts)."""

    options: tuple[Pair, ...]
    text: str  # what the answer said, for the lists of rejected rows


@dataclasses.dataclass(frozen=True)
class ParsedAnswer:
    """The rows of one answer; a contact wanted twice stands there twice."""

    rows: tuple[Row, ...]
    rejected: tuple[tuple[str, str], ...]  # (row text, reason)
    says_none: bool = False  # the answer's word is that nothing touches: not the same as an answer that says nothing
    # Of rows "part | ground": 0 or 1 for whose part, and its names without a side (the extended parser alone).
    grounded: tuple[tuple[int, frozenset[str]], ...] = ()


class RejectedRow(NamedTuple):
    """A row that is not used, and why."""

    answer: int
    row: str
    reason: str
