"""The extended parser: what models mean, in whatever form they write it.

Markdown, HTML and JSON tables, other words for parts, sides where given, choices and
conjunctions in a cell; the last table of an answer counts. docs/contact.md lists what is
understood, docs/method.md, "Answers and rows", what it means for the loss.
"""

from __future__ import annotations

import re

from prosepose_jax.contact._phrases import Cell, Item, read_cell
from prosepose_jax.contact._tables import Table, find_tables
from prosepose_jax.contact.parse import shorten
from prosepose_jax.contact.rows import Pair, ParsedAnswer, Row
from prosepose_jax.contact.vocabulary import GROUND_NAME

_MAX_CELLS = 1000  # distinct cells read of one answer
_PERSON_HEADING = re.compile(
    r"(?<![a-z])(?:person|people|subject|individual|figure|p|part|parts|man|woman)[ _#]*([12ab])(?![a-z0-9])"
    r"|\b(first|second)\b"
    r"|(?<![a-z0-9])([12])(?:st|nd)?(?![a-z0-9])"
)
_VERDICT_HEADING = re.compile(r"contact|touch|certain|confiden|sure", re.IGNORECASE)
_NO_VERDICT = re.compile(r"\W*(?:no|none|false|not touching|no contact)\b", re.IGNORECASE)


def parse_extended(text: str, mode: str = "two_person", synonyms: bool = True) -> ParsedAnswer:
    """Reads one answer of any style.

    Args:
      text: the model's answer.
      mode: "two_person" or "self_contact".
      synonyms: whether words outside the vocabulary are read through the table of synonyms.

    Returns:
      The rows of the last table that has any, and that table's rejected rows. Where no table has a
      usable row, the rejected rows of the last table.
    """
    reader = _Reader(mode, synonyms)
    last: ParsedAnswer | None = None
    for table in reversed(find_tables(text)):
        parsed = reader.read(table)
        if parsed.rows:
            return parsed
        if last is None and parsed.rejected:
            last = parsed
    return last or ParsedAnswer((), ())


class _Reader:
    """Reads the tables of one answer; counts cells so that no text takes long."""

    def __init__(self, mode: str, synonyms: bool) -> None:
        self.mode = mode
        self.synonyms = synonyms
        self.cells: dict[str, Cell] = {}

    def cell(self, text: str) -> Cell:
        if text not in self.cells:
            if len(self.cells) >= _MAX_CELLS:
                return Cell(reason="too many rows")
            self.cells[text] = read_cell(text, self.synonyms)
        return self.cells[text]

    def read(self, table: Table) -> ParsedAnswer:
        rows: list[Row] = []
        rejected: list[tuple[str, str]] = []
        columns = self._columns(table)
        if columns is None:
            return ParsedAnswer((), ())
        for cells in table.rows:
            text = shorten(" | ".join(cells))
            if len(cells) <= max(columns):
                if any(self.cell(cell).items for cell in cells):
                    rejected.append((text, "a column is missing"))
                continue
            first, second = (self.cell(cells[column]) for column in columns)
            reason = self._problem(table, cells, columns, first, second)
            if reason is None:
                continue
            if reason:
                rejected.append((text, reason))
                continue
            if (first.person, second.person) in ((1, 0), (1, None), (None, 0)) and self.mode == "two_person":
                first, second = second, first
            rows += [row for one in first.items for two in second.items for row in self._rows(one, two, text)]
        return ParsedAnswer(tuple(rows), tuple(rejected))

    def _problem(
        self, table: Table, cells: list[str], columns: tuple[int, int], first: Cell, second: Cell
    ) -> str | None:
        """Why a row is not used: None when it is no row at all, empty when it is used."""
        if any(not cell.items and not cell.reason for cell in (first, second)):
            return None  # "none", "n/a": understood, and says nothing
        for cell in (first, second):
            if cell.reason:
                return cell.reason
        if any(GROUND_NAME in item.names for cell in (first, second) for item in cell.items):
            return "contact with the ground is not used"
        if self.mode == "two_person" and first.person is not None and first.person == second.person:
            return "both parts of the same person"
        for column, heading in enumerate(table.header or ()):
            beside = column not in columns and column < len(cells)
            if beside and _VERDICT_HEADING.search(heading) and _NO_VERDICT.match(cells[column]):
                return "the answer says that there is no contact"
        return ""

    def _rows(self, one: Item, two: Item, text: str) -> list[Row]:
        row = Row(tuple(Pair(a, b) for a in one.names for b in two.names), text)
        twice = self.mode == "two_person" and (one.plural or two.plural)
        return [row, row] if twice else [row]

    def _columns(self, table: Table) -> tuple[int, int] | None:
        """Which columns hold the parts of Person 1 and of Person 2."""
        width = max([len(row) for row in table.rows] + [len(table.header or ())], default=0)
        if width < 2:
            return None
        read = [0] * width
        for row in table.rows:
            for column, cell in enumerate(row):
                read[column] += bool(self.cell(cell).items)
        people: dict[int, list[int]] = {0: [], 1: []}
        for column, heading in enumerate(table.header or ()):
            person = _heading_person(heading)
            if person is not None:
                people[person].append(column)
        if all(people.values()):
            # "Person 1" may head a name as well as a part: the column with more parts is meant.
            one, two = (max(people[person], key=lambda column: (read[column], column)) for person in (0, 1))
            if read[one] or read[two] or width == 2:
                return one, two
        best = sorted(sorted(range(width), key=lambda column: -read[column])[:2])
        if not any(read[column] for column in best):
            return (0, 1) if table.header or width == 2 else None
        return best[0], best[1]


def _heading_person(heading: str) -> int | None:
    found = _PERSON_HEADING.search(heading.lower().replace("*", ""))
    if not found:
        return None
    which = found.group(1) or found.group(2) or found.group(3)
    return 0 if which in ("1", "a", "first") else 1
