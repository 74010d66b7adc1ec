"""Rows coupled by "both sides must be used", as a shortest-path problem.

An answer's rows fall into groups that share no repeated ambiguous part, so the minimum
of the answer's sum is the sum of the groups' minima. Within a group, rows are taken one
after the other; the state is what each *open* repeated part (seen, and to be seen again)
has used so far. The minimum over all left/right choices is then the shortest path through
a layered graph whose size grows with the number of parts open at once (at most a handful)
and not with the number of rows. docs/method.md, "Contact loss".

Host side, plain Python; `program` runs the result on the device.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from prosepose_jax.contact.rows import Pair
from prosepose_jax.contact.vocabulary import NAME_PARTS, is_ambiguous

Options = tuple[Pair, ...]  # one row: any of these


class Weighted(NamedTuple):
    """A row and how much its distance counts."""

    options: Options
    weight: float


PartPair = tuple[int, int]  # indices into PARTS, on the first and on the second person
Class = tuple[int, str]  # (person 0 or 1, ambiguous name)

SOURCE = -1

# What a repeated part has used so far: nothing yet, once left, once right, twice or more only left,
# twice or more only right, both. An occurrence on a side moves along _AFTER[state][side]; a part may be
# left behind in any state but the two one-sided repeats.
_FRESH, _BOTH = 0, 5
_AFTER = ((1, 2), (3, 5), (5, 4), (3, 5), (5, 4), (5, 5))
_ONE_SIDED = (3, 4)

# Answers with alternatives can couple many parts at once; beyond this many states a level the caller
# lets the alternatives' parts go free.
MAX_STATES = 1_500


class TooManyStates(Exception):
    """A group of rows couples too many parts."""


class Work:
    """A limit on the steps (one way into one state) that graphs may take; no text may take long to compile."""

    def __init__(self, limit: int) -> None:
        self.limit, self.done = limit, 0

    def add(self, steps: int) -> None:
        """Raises TooManyStates beyond the limit."""
        self.done += steps
        if self.done > self.limit:
            raise TooManyStates


@dataclasses.dataclass(frozen=True)
class Node:
    """A state after some row: the ways into it, each (node of the level before or SOURCE, part pairs)."""

    edges: tuple[tuple[int, tuple[PartPair, ...]], ...]
    weight: float  # of the row


Trellis = tuple[tuple[Node, ...], ...]  # one level per row; the last has a single node


def couple(
    rows: Sequence[Weighted], hedges_count: bool = True, free: frozenset[Class] = frozenset()
) -> list[tuple[frozenset[Class], list[Weighted]]]:
    """Splits an answer's rows into groups that can be minimised alone.

    Args:
      rows: the answer's rows.
      hedges_count: whether an ambiguous part that is only one of a row's alternatives is an occurrence.
      free: ambiguous parts that need not use both sides, however often they occur.

    Returns:
      (repeated ambiguous parts of the group, its rows) per group.
    """
    classes = [_classes(row.options, hedges_count) - free for row in rows]
    counts = collections.Counter(itertools.chain.from_iterable(classes))
    repeated = [frozenset(c for c in found if counts[c] > 1) for found in classes]
    group_of: dict[Class, int] = {}
    groups: dict[int, tuple[set[Class], list[Weighted]]] = {}
    for index, (row, found) in enumerate(zip(rows, repeated, strict=True)):
        merged: tuple[set[Class], list[Weighted]] = (set(found), [row])
        for old in sorted({group_of[c] for c in found if c in group_of}):
            members, old_rows = groups.pop(old)
            merged = (merged[0] | members, old_rows + merged[1])
        groups[index] = merged
        for c in merged[0]:
            group_of[c] = index
    return [(frozenset(members), group_rows) for members, group_rows in groups.values()]


def row_entries(options: Options) -> tuple[PartPair, ...]:
    """Every part pair a row may mean when nothing couples it to others, sorted."""
    pairs: set[PartPair] = set()
    for first, second in options:
        pairs.update(itertools.product(NAME_PARTS[first], NAME_PARTS[second]))
    return tuple(sorted(pairs))


def parts_to_free(rows: Sequence[Weighted], limit: int) -> frozenset[Class]:
    """The fewest ambiguous parts to let go so that an answer's graphs take at most so many steps.

    The most frequent ones first: of many occurrences some use the other side by themselves.

    Args:
      rows: the answer's rows; their alternatives are taken as free (`hedges_count` False).
      limit: steps; 0 lets all go.
    """
    kinds = collections.Counter(_classes(row.options, False) for row in rows)
    counts: collections.Counter[Class] = collections.Counter()
    for kind, number in kinds.items():
        counts.update(dict.fromkeys(kind, number))
    by_count = sorted((c for c in counts if counts[c] > 1), key=lambda c: (-counts[c], c))
    for number in range(len(by_count)):
        free = frozenset(by_count[:number])
        if _steps(kinds, free) <= limit:
            return free
    return frozenset(by_count)


def most_steps(rows: Sequence[Weighted]) -> int:
    """No fewer steps than an answer's graphs take whose alternatives are free."""
    return _steps(collections.Counter(_classes(row.options, False) for row in rows), frozenset())


def _steps(kinds: Mapping[frozenset[Class], int], free: frozenset[Class]) -> int:
    """No fewer steps than the graphs take of rows of which so many touch the same parts."""
    counts: collections.Counter[Class] = collections.Counter()
    for kind, number in kinds.items():
        counts.update(dict.fromkeys(kind - free, number))
    touched: collections.Counter[frozenset[Class]] = collections.Counter()
    for kind, number in kinds.items():
        touched[frozenset(c for c in kind - free if counts[c] > 1)] += number
    touched.pop(frozenset(), None)
    return sum(_steps_of_group({kind: touched[kind] for kind in group}, counts) for group in _connected(touched))


def _connected(kinds: Iterable[frozenset[Class]]) -> list[list[frozenset[Class]]]:
    """Kinds of rows, together where they share parts."""
    groups: list[tuple[frozenset[Class], list[frozenset[Class]]]] = []
    for kind in kinds:
        apart = [group for group in groups if not group[0] & kind]
        joined = [group for group in groups if group[0] & kind]
        parts = kind.union(*(group[0] for group in joined))
        groups = [*apart, (parts, [*itertools.chain.from_iterable(group[1] for group in joined), kind])]
    return [group for _, group in groups]


def _steps_of_group(touched: Mapping[frozenset[Class], int], counts: Mapping[Class, int]) -> int:
    kinds = list(touched)
    seen = collections.Counter[Class]()
    steps, states = 0, 1
    for index in _row_order(kinds):
        kind = kinds[index]
        number = touched[kind]
        for rows in (1, 1, number - 2) if number > 1 else (1,):  # a third occurrence adds no states
            steps += rows * states * 2 ** len(kind)
            seen.update(dict.fromkeys(kind, rows))
            # A part has used left or right after its first occurrence, later left, right or both.
            states = math.prod(min(1 + so_far, 3) for c, so_far in seen.items() if so_far < counts[c])
    return steps


def build_trellis(
    classes: frozenset[Class], rows: Sequence[Weighted], hedges_count: bool = True, work: Work | None = None
) -> Trellis:
    """The layered graph of one group, rows in an order that keeps few parts open.

    Args:
      classes: the group's repeated ambiguous parts.
      rows: the group's rows.
      hedges_count: as in `couple`.
      work: the limit on steps.

    Raises:
      TooManyStates: rows couple too many parts at once.
    """
    work = work or Work(sys.maxsize)
    touched = [_classes(row.options, hedges_count) & classes for row in rows]
    order = _row_order(touched)
    slots = sorted(classes)
    slot_of = {c: slot for slot, c in enumerate(slots)}
    last_use = {c: step for step, index in enumerate(order) for c in touched[index]}
    hedged = hedges_count and any(len(row.options) > 1 for row in rows)

    levels: list[tuple[Node, ...]] = []
    states: dict[tuple[int, ...], int] = {(_FRESH,) * len(slots): SOURCE}
    for step, index in enumerate(order):
        choices = _row_choices(rows[index].options, slot_of, touched[index])
        closing = [slot_of[c] for c in touched[index] if last_use[c] == step]
        reached: dict[tuple[int, ...], dict[int, set[PartPair]]] = {}
        work.add(len(states) * len(choices))
        for state, node in states.items():
            for uses, pairs in choices.items():
                after = list(state)
                for slot, side in uses:
                    after[slot] = _AFTER[after[slot]][side]
                if any(after[slot] in _ONE_SIDED for slot in closing):
                    continue
                for slot in closing:
                    after[slot] = _FRESH
                reached.setdefault(tuple(after), {}).setdefault(node, set()).update(pairs)
            if hedged and len(reached) > MAX_STATES:
                raise TooManyStates
        states = {state: position for position, state in enumerate(reached)}
        levels.append(
            tuple(
                Node(tuple((node, tuple(sorted(pairs))) for node, pairs in into.items()), rows[index].weight)
                for into in reached.values()
            )
        )
    return tuple(levels)


def _classes(options: Options, hedges_count: bool) -> frozenset[Class]:
    """The ambiguous parts that occur in a row."""
    found: set[Class] = set()
    for person in (0, 1):
        names = {option[person] for option in options}
        if len(names) > 1 and not hedges_count:
            continue
        found.update((person, name) for name in names if is_ambiguous(name))
    return frozenset(found)


def _row_choices(
    options: Options, slot_of: dict[Class, int], touched: frozenset[Class]
) -> dict[tuple[tuple[int, int], ...], set[PartPair]]:
    """A row's choices by what they use: {((slot, side), …): part pairs}."""
    choices: dict[tuple[tuple[int, int], ...], set[PartPair]] = {}
    for option in options:
        sides = [
            [
                (((slot_of[person, name], side),) if (person, name) in touched else (), part)
                for side, part in enumerate(NAME_PARTS[name])
            ]
            for person, name in enumerate(option)
        ]
        for (use_a, part_a), (use_b, part_b) in itertools.product(*sides):
            choices.setdefault(use_a + use_b, set()).add((part_a, part_b))
    return choices


def _row_order(touched: Sequence[frozenset[Class]]) -> list[int]:
    """Greedy order: next the row that opens the fewest parts, then the one that closes the most."""
    # Rows that touch the same parts are interchangeable: order the kinds, then expand.
    kinds: dict[frozenset[Class], list[int]] = {}
    for index, found in enumerate(touched):
        kinds.setdefault(found, []).append(index)
    waiting = collections.Counter(itertools.chain.from_iterable(kinds))
    opened: set[Class] = set()
    order: list[int] = []
    left = sorted(kinds, key=sorted)
    while left:
        best = min(
            left,
            key=lambda kind: (
                len(kind - opened) - sum(waiting[c] == 1 for c in kind),
                len(kind - opened),
                min(waiting[c] for c in kind) if kind else 0,
            ),
        )
        left.remove(best)
        order.extend(kinds[best])
        opened |= best
        waiting.subtract(best)
    return order
