"""The second table of an answer, strictly: known questions, known values, nothing guessed and nothing executed."""

from __future__ import annotations

import dataclasses
import re

from prosepose_jax.language.vocabulary import NOT_SAID, QUESTIONS, question_names

_PLACES = {question.name: place for place, question in enumerate(QUESTIONS)}
_MARKS = re.compile(r"[*_`]")
_SEPARATOR = re.compile(r"[\s:\-–—=]*\Z")
_MOST_LETTERS = 200  # of a row, kept in a record of what was rejected


@dataclasses.dataclass(frozen=True)
class TableRow:
    """What an answer says to one question."""

    question: int  # place in QUESTIONS
    values: tuple[int | None, ...]  # of each person, in the answer's order: places in the question's values


@dataclasses.dataclass(frozen=True)
class ParsedTable:
    """The second table of one answer; without rows where there is none."""

    rows: tuple[TableRow, ...]  # at most one a question
    rejected: tuple[tuple[str, str], ...]  # (row text, reason)


def parse_second_table(text: str, num_people: int = 2) -> ParsedTable:
    """Reads the table under a heading `| Question | Person 1 | Person 2 |` (`| Question | Person |` of one).

    Lines of other tables are not looked at, so the contacts of an answer are not this function's concern.

    Args:
      text: the model's answer.
      num_people: 1 or 2.
    """
    found: dict[int, list[tuple[str, TableRow]]] = {}
    rejected: list[tuple[str, str]] = []
    inside = False
    for line in text.split("\n"):
        cells = _cells(line)
        if cells is None:
            inside = False
        elif cells[0] == "question":
            inside = cells[1:] == _heading(num_people)
            if not inside:
                rejected.append((_short(line), f"expected the heading {' | '.join(_heading(num_people))}"))
        elif inside and not all(_SEPARATOR.match(cell) for cell in cells):
            row = _row(cells, num_people)
            if isinstance(row, str):
                rejected.append((_short(line), row))
            else:
                found.setdefault(row.question, []).append((_short(line), row))
    rows = []
    for place in sorted(found):
        if len({row for _, row in found[place]}) > 1:
            rejected += [(said, f"{QUESTIONS[place].name!r} is answered in two ways") for said, _ in found[place]]
        elif any(value is not None for value in found[place][0][1].values):
            rows.append(found[place][0][1])
    return ParsedTable(tuple(rows), tuple(rejected))


def _heading(num_people: int) -> list[str]:
    return ["person"] if num_people == 1 else [f"person {k + 1}" for k in range(num_people)]


def _cells(line: str) -> list[str] | None:
    """Cells of a table's line, without emphasis and in small letters; None: no line of a table."""
    line = line.strip()
    if not (line.startswith("|") and line.endswith("|") and len(line) > 1):
        return None
    return [" ".join(_MARKS.sub("", cell).lower().split()) for cell in line[1:-1].split("|")]


def _row(cells: list[str], num_people: int) -> TableRow | str:
    """The row, or why it is none."""
    if cells[0] not in question_names(num_people):
        return f"unknown question {_short(cells[0])!r}"
    if len(cells) != num_people + 1:
        return f"expected {num_people + 1} cells, found {len(cells)}"
    place = _PLACES[cells[0]]
    question = QUESTIONS[place]
    unknown = [cell for cell in cells[1:] if cell not in question.values and cell not in NOT_SAID]
    if unknown:
        return f"unknown value {_short(unknown[0])!r}, expected one of {', '.join(question.values)}"
    if question.opposites is not None and all(cell in question.values for cell in cells[1:]):
        first, second = cells[1:]
        if question.opposites[first] != second:
            return f"{first!r} and {second!r} contradict each other"
    return TableRow(place, tuple(None if cell in NOT_SAID else question.index(cell) for cell in cells[1:]))


def _short(text: str) -> str:
    return text.strip()[:_MOST_LETTERS]
