"""The published minimum over left and right, by enumeration (docs/method.md, "Contact loss").

Independent of the package's shortest path through a graph: here every choice of sides that the rules allow is
written down as a list of distances to add. The baseline adds them all and takes the smallest.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from prosepose_jax.contact.parse import parse_published
from prosepose_jax.contact.vocabulary import NAME_PARTS

Names = tuple[str, str]  # what Person 1 and Person 2 touch with
PartPair = tuple[int, int]  # a part of mesh 0, a part of mesh 1
# Above this many choices in one answer the enumeration is given up.
MAX_CHOICES = 1 << 20


class TooManyChoices(ValueError):
    """An answer couples so many rows that its choices cannot be written down."""


@dataclasses.dataclass(frozen=True)
class Choices:
    """All answers of a scene as sums over one list of distances.

    A *term* is one row whose sides nothing else depends on, or rows coupled by a part that occurs twice. Its value
    is the smallest of its choices; a choice adds distances.
    """

    pairs: np.ndarray  # (U, 2) parts whose distances are read
    members: np.ndarray  # (C, R) indices into pairs, U where a choice has fewer than R rows
    term: np.ndarray  # (C,) the term that a choice belongs to
    term_answer: np.ndarray  # (T,) answer · 2 + order that a term belongs to
    num_answers: int  # N, unusable ones included


def enumerate_choices(texts: Sequence[str]) -> Choices:
    """Reads the answers with the published parser and writes down every choice, for both person orders.

    Raises:
      TooManyChoices: one answer has more than MAX_CHOICES.
    """
    index: dict[PartPair, int] = {}
    members: list[tuple[int, ...]] = []
    term: list[int] = []
    term_answer: list[int] = []
    for number, text in enumerate(texts):
        rows = [tuple(row.options[0]) for row in parse_published(text, "two_person").rows]
        for order in range(2):
            turned = [(b, a) for a, b in rows] if order else rows
            for group in coupled_groups(turned):
                for choice in group_choices(group):
                    members.append(tuple(index.setdefault(pair, len(index)) for pair in choice))
                    term.append(len(term_answer))
                term_answer.append(2 * number + order)
    padded = np.full((len(members), max(map(len, members), default=1)), len(index), np.int64)
    for line, choice in zip(padded, members, strict=True):
        line[: len(choice)] = choice
    return Choices(
        pairs=np.array(list(index), np.int64).reshape(-1, 2),
        members=padded,
        term=np.array(term, np.int64),
        term_answer=np.array(term_answer, np.int64),
        num_answers=len(texts),
    )


def _repeated(rows: Sequence[Names]) -> set[tuple[int, str]]:
    """The (person, name) of ambiguous parts that occur more than once."""
    count = collections.Counter((p, name) for row in rows for p, name in enumerate(row) if len(NAME_PARTS[name]) > 1)
    return {occurrence for occurrence, times in count.items() if times > 1}


def coupled_groups(rows: Sequence[Names]) -> list[list[Names]]:
    """Rows that share a repeated part, directly or through others; a row by itself otherwise."""
    repeated = _repeated(rows)
    groups: list[tuple[set[tuple[int, str]], list[Names]]] = []
    for row in rows:
        parts = {(p, name) for p, name in enumerate(row)} & repeated
        touching = [group for group in groups if group[0] & parts]
        groups = [group for group in groups if not group[0] & parts]
        merged = parts.union(*(group[0] for group in touching))
        groups.append((merged, [line for group in touching for line in group[1]] + [row]))
    return [group for _, group in groups]


def group_choices(rows: Sequence[Names]) -> list[tuple[PartPair, ...]]:
    """Every choice of sides in which each repeated part uses both; choices that add the same distances count once."""
    repeated = _repeated(rows)
    states: set[tuple[frozenset[tuple[int, str, int]], tuple[PartPair, ...]]] = {(frozenset(), ())}
    for row in rows:
        following = set()
        for used, chosen in states:
            for sides in itertools.product(*(NAME_PARTS[name] for name in row)):
                new = {(p, row[p], sides[p]) for p in range(2) if (p, row[p]) in repeated}
                following.add((used | new, tuple(sorted((*chosen, sides)))))
        if len(following) > MAX_CHOICES:
            raise TooManyChoices(f"{len(rows)} coupled rows have more than {MAX_CHOICES} choices")
        states = following
    return sorted({chosen for used, chosen in states if len(used) == 2 * len(repeated)})
