"""The extended parser: what models mean, in whatever form they write it.

Markdown, HTML and JSON tables, other words for parts, sides where given, choices and
conjunctions in a cell; the last table of an answer counts. docs/contact.md lists what is
understood, docs/method.md, "Answers and rows", what it means for the loss.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence

from prosepose_jax.contact._last_word import (
    heading_before,
    is_hedged_list,
    is_lesser_list,
    is_ruled_out,
    last_words,
    pairs_taken_back,
    rows_taken_back,
    says_none,
    takes_all_back,
)
from prosepose_jax.contact._layout import with_line_breaks
from prosepose_jax.contact._other_tables import as_markdown
from prosepose_jax.contact._people import people_of_rows
from prosepose_jax.contact._phrases import Cell, Item, read_cell
from prosepose_jax.contact._tables import MAX_TEXT, Table, find_tables
from prosepose_jax.contact._thoughts import answer_blocks, without_thoughts
from prosepose_jax.contact._verdicts import DENIED, STRUCK, denies, is_struck, strike_marks, without_strikes
from prosepose_jax.contact.parse import shorten
from prosepose_jax.contact.rows import NOT_WITH_GROUND, Pair, ParsedAnswer, Row
from prosepose_jax.contact.vocabulary import GROUND_NAME, without_side

_MAX_CELLS = 1000  # distinct cells read of one answer
_PERSON_HEADING = re.compile(
    r"(?<![a-z])(?:person|people|subject|individual|figure|p|part|parts|man|woman)[ _#]*([12ab])(?![a-z0-9])"
    r"|\b(first|second)\b"
    r"|(?<![a-z0-9])([12])(?:st|nd)?(?![a-z0-9])"
)
_NOTE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_RULED_OUT = "the answer rules it out"
_TAKEN_BACK = "taken back further down in the answer"
_ONLY_POSSIBLE = "listed as only possible, beside the table of contacts"


def parse_extended(text: str, mode: str = "two_person", synonyms: bool = True) -> ParsedAnswer:
    """Reads one answer of any style.

    Args:
      text: the model's answer.
      mode: "two_person" or "self_contact".
      synonyms: whether words outside the vocabulary are read through the table of synonyms.

    Returns:
      The rows of the last table that has any, unless a later table or sentence says "none"; without those that a later
      one denies. With them that table's rejected rows and what was denied; where no table has a usable row, the
      rejected rows of the last table.
    """
    reader = _Reader(mode, synonyms)
    answer = without_thoughts(text[:MAX_TEXT])
    marked = answer_blocks(answer)
    for part in (marked, answer) if marked is not None else (answer,):
        part = with_line_breaks(as_markdown(part))
        tables = find_tables(part)
        if tables or part is answer:
            break
    parsed = _last_word(reader, part, tables)
    if not tables and answer is not text and not parsed.rows:
        thought = [row for table in find_tables(with_line_breaks(text)) for row in reader.read(table).claims]
        return ParsedAnswer(
            (), tuple((claim.text, "in the model's thoughts, not in its answer") for claim in thought), parsed.says_none
        )
    return parsed


def _last_word(reader: _Reader, text: str, tables: list[Table]) -> ParsedAnswer:
    """From the last table back to the one that counts, taking along what is denied on the way."""
    denied: list[_Claim] = []
    rejected: list[tuple[str, str]] = []  # of tables that are ruled out
    passed_over: tuple[tuple[str, str], ...] = ()  # of the last table without a usable row
    on_ground: tuple[tuple[int, frozenset[str]], ...] = ()  # of the last table that names any such part
    prose: list[str] = []  # behind the table at hand, last first
    only_denied = True  # of tables without a usable row: they hold no row but those that the answer denies
    behind = len(text)
    hedged: ParsedAnswer | None = None  # of a last table of what is only possible: counts where no other does
    ends = list(itertools.accumulate((table.end for table in tables), max, initial=0))
    for table, end_before in zip(reversed(tables), reversed(ends[:-1]), strict=True):
        prose.append(text[min(table.end, behind) : behind])
        behind = table.start
        read = reader.read(table)
        if not (read.claims or read.rejected or read.says_none):
            continue
        title = table.title or heading_before(text[min(end_before, table.start) : table.start])
        if is_ruled_out(title) or any(is_ruled_out(heading) for heading in read.headings):
            denied += read.claims
            rejected += [(claim.text, claim.problem or _RULED_OUT) for claim in read.claims]
            continue
        usable = [claim for claim in read.claims if not claim.problem]
        sentences = last_words("\n".join(reversed(prose))) if usable else []
        if usable and not takes_all_back(sentences):
            gone = rows_taken_back(sentences, len(table.rows))
            denied_pairs = pairs_taken_back(sentences)
            denied_options = {option for claim in denied for option in claim.options}
            rows: list[Row] = []
            for claim in usable:
                if claim.index in gone or claim.parts in denied_pairs or set(claim.options) <= denied_options:
                    rejected.append((claim.text, _TAKEN_BACK))
                else:
                    rows += claim.rows
            on_ground = tuple(read.grounded) or on_ground
            parsed = ParsedAnswer(tuple(rows), tuple(read.rejected + rejected), grounded=on_ground)
            if hedged is not None or not rows or not is_hedged_list(title):
                return parsed
            hedged = parsed
            rejected += [(claim.text, _ONLY_POSSIBLE) for claim in usable]
            continue
        if usable:
            taken_back = [(claim.text, _TAKEN_BACK) for claim in usable]
            none = any(says_none(*sentence) for sentence in sentences)
            return ParsedAnswer((), tuple(read.rejected + taken_back + rejected), none)
        if read.says_none and not is_lesser_list(title):
            return ParsedAnswer((), tuple(read.rejected + rejected), says_none=True)
        denied += read.claims
        passed_over = passed_over or tuple(read.rejected)
        on_ground = on_ground or tuple(read.grounded)
        only_denied = only_denied and len(read.claims) == len(read.rejected)
    if hedged is not None:
        return hedged
    # Nothing is usable: every row is denied, or sentences say that nothing touches.
    prose.append(text[:behind])
    none = (bool(denied) and only_denied) or any(says_none(*one) for one in last_words("\n".join(reversed(prose))))
    return ParsedAnswer((), passed_over + tuple(rejected), none, on_ground)


@dataclasses.dataclass(frozen=True)
class _Claim:
    """One row about two parts; with a problem it is not used, and known only so that it can be taken back."""

    index: int  # of the row in its table
    text: str
    rows: tuple[Row, ...]
    problem: str = ""

    @property
    def options(self) -> tuple[Pair, ...]:
        return tuple(option for row in self.rows for option in row.options)

    @property
    def parts(self) -> frozenset[frozenset[str]]:
        return frozenset(frozenset(without_side(option[person]) for option in self.options) for person in (0, 1))


@dataclasses.dataclass
class _Read:
    """What stands in one table."""

    claims: list[_Claim] = dataclasses.field(default_factory=list)
    rejected: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    grounded: list[tuple[int, frozenset[str]]] = dataclasses.field(default_factory=list)  # as `ParsedAnswer` has it
    says_none: bool = False  # it has rows, and none of them speaks of a contact
    headings: tuple[str, ...] = ()  # of the columns of parts


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

    def read(self, table: Table) -> _Read:
        found = _Read()
        columns = self._columns(table)
        if columns is None:
            return found
        heads = table.header or []
        found.headings = tuple(heads[column] for column in columns if column < len(heads))
        people = people_of_rows(table, columns) if self.mode == "two_person" else [(None, None)] * len(table.rows)
        nothing = 0
        for index, (cells, who) in enumerate(zip(table.rows, people, strict=True)):
            text = shorten(" | ".join(cells))
            if len(cells) <= max(columns):
                if any(self.cell(cell).items for cell in cells):
                    found.rejected.append((text, "a column is missing"))
                else:
                    nothing += all(not self.cell(cell).reason for cell in cells)
                continue
            written = [cells[column] for column in columns]
            left = [without_strikes(cell) for cell in written]
            if any(is_struck(before, after) for before, after in zip(written, left, strict=True)):
                found.rejected.append((text, STRUCK))
                rows = self._claimed([strike_marks(cell).replace("~", "") for cell in written], who, text)
                found.claims += [_Claim(index, text, rows, STRUCK)] if rows else []
                continue
            first, second = (
                dataclasses.replace(cell, person=cell.person if cell.person is not None else person)
                for cell, person in zip(map(self.cell, left), who, strict=True)
            )
            reason = self._problem(table, cells, columns, first, second)
            if reason is None:
                nothing += 1
            elif reason:
                found.rejected.append((text, reason))
                if reason == NOT_WITH_GROUND and not self._is_denied(table, cells, columns, first, second):
                    found.grounded += _on_the_ground(first, second)
                if reason == DENIED:
                    rows = self._claimed([_NOTE.sub(" ", cell) for cell in left], who, text)
                    found.claims += [_Claim(index, text, rows, reason)] if rows else []
                    nothing += not rows
            else:
                found.claims.append(_Claim(index, text, self._claimed(left, who, text)))
        found.says_none = nothing > 0 and nothing == len(table.rows)
        return found

    def _claimed(self, cells: Sequence[str], people: tuple[int | None, int | None], text: str) -> tuple[Row, ...]:
        """The rows of two cells, whatever else the answer says about them."""
        first, second = map(self.cell, cells)
        who = tuple(
            cell.person if cell.person is not None else person
            for cell, person in zip((first, second), people, strict=True)
        )
        if who in ((1, 0), (1, None), (None, 0)) and self.mode == "two_person":
            first, second = second, first
        return tuple(row for one in first.items for two in second.items for row in self._rows(one, two, text))

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
            return NOT_WITH_GROUND
        if self.mode == "two_person" and -1 in (first.person, second.person):
            return "about a third person"
        if self.mode == "two_person" and first.person is not None and first.person == second.person:
            return "both parts of the same person"
        return DENIED if self._is_denied(table, cells, columns, first, second) else ""

    def _is_denied(self, table: Table, cells: list[str], columns: tuple[int, int], first: Cell, second: Cell) -> bool:
        """Whether another column says that the row is not so."""
        parts = _parts_of(first) | _parts_of(second)
        heads = table.header or []
        return any(
            column not in columns and denies(heads[column] if column < len(heads) else "", text, parts)
            for column, text in enumerate(cells)
        )

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
            if read[one] or read[two] or width == 2 or not any(read):
                return one, two
        best = sorted(sorted(range(width), key=lambda column: -read[column])[:2])
        if not any(read[column] for column in best):
            return (0, 1) if table.header or width == 2 else None
        return best[0], best[1]


def _parts_of(cell: Cell) -> frozenset[str]:
    """The names in a cell, without sides."""
    return frozenset(without_side(name) for item in cell.items for name in item.names)


def _on_the_ground(first: Cell, second: Cell) -> list[tuple[int, frozenset[str]]]:
    """Whose part a row "part | ground" names: of Person 1 or 2, as the cell says or its column does."""
    found = []
    for place, (cell, other) in enumerate(((first, second), (second, first))):
        person = place if cell.person is None else cell.person
        names = _parts_of(cell) - {GROUND_NAME}
        if names and GROUND_NAME in _parts_of(other) and person in (0, 1):
            found.append((person, names))
    return found


def _heading_person(heading: str) -> int | None:
    found = _PERSON_HEADING.search(heading.lower().replace("*", ""))
    if not found:
        return None
    which = found.group(1) or found.group(2) or found.group(3)
    return 0 if which in ("1", "a", "first") else 1
