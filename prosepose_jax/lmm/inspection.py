"""What the answers of a file say: constraints by scene, what was not understood, coverage."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from prosepose_jax.contact import compile_answers
from prosepose_jax.scene import Answer

_MAX_REJECTED = 40  # kinds of rejected rows that are listed
_MAX_REASONS = 12


@dataclasses.dataclass(frozen=True)
class Inspected:
    """The answers about one pair of people of one scene."""

    key: str
    pair: tuple[int, int]
    alone: bool
    answers: int
    usable: int  # with at least one row that is used
    refused: int
    empty: int
    none: int  # say that nothing touches
    constraints: tuple[tuple[str, str, int], ...]  # part, part, answers that name the two
    rejected: tuple[tuple[str, str], ...]  # row, reason

    @property
    def needed(self) -> int:
        """How many rows must name a pair of one person's parts for the fit to use it."""
        return -(-self.answers // 2) if self.alone else 1


def inspect_answers(
    answers: Mapping[str, Sequence[Answer]], parser: str = "extended", people: Mapping[str, int] | None = None
) -> Iterator[Inspected]:
    """Reads every answer as a fit would, scene by scene.

    Args:
      answers: by key, as from `load_answers`.
      parser: "extended" or "published".
      people: how many people a scene has, by key; without it an answer is about one person when its pair names the
        same person twice or its table is headed as the one-person prompt asks for.
    """
    for key, given in answers.items():
        by_pair: dict[tuple[int, int], list[Answer]] = collections.defaultdict(list)
        for answer in given:
            low, high = sorted(answer.pair)
            by_pair[low, high].append(answer)
        for pair, some in by_pair.items():
            alone = _alone(key, pair, some, people)
            # Pairs are numbered anew, so that no answer names people whom a program of two lacks.
            swapped = {True: (1, 0), False: (0, 1)}
            own = [
                dataclasses.replace(answer, pair=(0, 0) if alone else swapped[answer.pair[0] > answer.pair[1]])
                for answer in some
            ]
            used = program = compile_answers(own, num_people=1 if alone else 2, parser=parser)
            if alone:  # what too few answers name is shown as such, not left out
                program = compile_answers(own, num_people=1, parser=parser, min_count=1)
            yield Inspected(
                key=key,
                pair=pair,
                alone=alone,
                answers=len(some),
                usable=used.num_usable,
                refused=sum(bool(answer.extra.get("refused")) for answer in some),
                empty=sum(not answer.text.strip() and not answer.extra.get("refused") for answer in some),
                none=used.num_none,
                constraints=program.constraints,
                rejected=tuple((record.row, record.reason) for record in program.rejected),
            )


def _alone(key: str, pair: tuple[int, int], answers: Sequence[Answer], people: Mapping[str, int] | None) -> bool:
    if people is not None:
        for candidate in (key, f"{key}_0", key.removesuffix("_0")):
            if candidate in people:
                return people[candidate] == 1
    if pair[0] == pair[1]:
        return True
    headed = sum("body part 1" in answer.text.lower() for answer in answers)
    return pair == (0, 1) and 2 * headed > len(answers)


def format_inspection(inspected: Sequence[Inspected]) -> str:
    """A text for people: one block a scene, then all rejected rows by frequency, then the coverage."""
    lines: list[str] = []
    pairs_of = collections.Counter(one.key for one in inspected)
    rejected: collections.Counter[tuple[str, str]] = collections.Counter()
    for one in inspected:
        rejected.update(one.rejected)
        what = "one person" if one.alone else "two people"
        if pairs_of[one.key] > 1:
            what = f"people {one.pair[0]} and {one.pair[1]}"
        counts = f"{one.answers} {'answer' if one.answers == 1 else 'answers'}, {one.usable} usable"
        for number, name in (
            (one.none, "saying that nothing touches"),
            (one.refused, "refused"),
            (one.empty, "empty"),
            (len(one.rejected), "rows rejected"),
        ):
            counts += f", {number} {name}" if number else ""
        lines.append(f"{one.key}: {what}, {counts}")
        rare = False
        for first, second, count in one.constraints:  # the most frequent first
            if count < one.needed and not rare:
                rare = True
                lines.append(f"  named in fewer than {one.needed} answers and not used:")
            lines.append(f"  {'  ' if rare else ''}{first} – {second} ({count} of {one.answers})")
        if not one.constraints:
            lines.append("  no constraint")
        lines.append("")
    if rejected:
        lines.append(f"rejected rows ({rejected.total()}), the most frequent first")
        lines += [f"  {count:4d} × {row!r}: {reason}" for (row, reason), count in rejected.most_common(_MAX_REJECTED)]
        if len(rejected) > _MAX_REJECTED:
            rest = rejected.total() - sum(count for _, count in rejected.most_common(_MAX_REJECTED))
            lines.append(f"  {rest:4d} × others ({len(rejected) - _MAX_REJECTED} kinds)")
        reasons = collections.Counter[str]()
        for (_, reason), count in rejected.items():
            reasons[reason] += count
        lines += [
            "",
            "reasons",
            *(f"  {count:4d} × {reason}" for reason, count in reasons.most_common(_MAX_REASONS)),
            "",
        ]
    answers, usable = sum(one.answers for one in inspected), sum(one.usable for one in inspected)
    covered = sum(one.usable > 0 for one in inspected)
    share = f" ({100 * usable / answers:.1f} %)" if answers else ""
    lines.append(
        f"coverage: {covered} of {len(inspected)} scenes or pairs have a usable answer; "
        f"{usable} of {answers} answers{share} have a row that is used"
    )
    return "\n".join(lines)
