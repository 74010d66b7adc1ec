"""Finds the tables of an answer, whatever they are written in: Markdown, HTML or JSON.

Everything is linear in the text's length and bounded: models (and attackers) write anything.
"""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Iterable
from typing import Any

from prosepose_jax.contact._phrases import names_a_part, says_nothing
from prosepose_jax.contact._verdicts import has_strikes, strike_each_cell, strike_marks
from prosepose_jax.contact.synonyms import NOTHING

MAX_COLUMNS = 16
MAX_ROWS = 200  # of one table; an answer of 500 tokens holds fewer
MAX_TEXT = 100_000  # characters read of one answer
_MAX_JSON_TRIES = 20
_MAX_JSON_DEPTH = 12


@dataclasses.dataclass
class Table:
    """Cells as written. `start` and `end` are places in the text; `start` orders an answer's tables."""

    start: int
    rows: list[list[str]]
    header: list[str] | None = None
    end: int = 0
    title: str = ""  # what the table itself says that it is: a caption, the name of a field


_LIST_MARK = re.compile(r"(?:>\s*)*(?:[-*+•]\s+)?(?=\|)")
_HEADING_CELL = re.compile(
    r"\bbody\s*parts?\b|\bparts?\b|\b(?:person|subject|individual|people|figure)s?\b|\bfirst\b|\bsecond\b|\bcontact\b"
    r"|\bconfidence\b|\bnotes?\b|\bdescription\b|\brow\b|^#$|^no\.?$",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[*_`]+")


def find_tables(text: str) -> list[Table]:
    """All tables of an answer, in reading order."""
    text = text[:MAX_TEXT]
    tables = _markdown_tables(text)
    if "<t" in text.lower():
        tables += _html_tables(text)
    if ('"' in text and ("{" in text or "[" in text)) or _EMPTY_LIST.search(text):
        tables += _json_tables(text)
    return sorted(tables, key=lambda table: table.start)


_EMPTY_LIST = re.compile(r"^[ \t]*\[[ \t]*\][ \t]*\r?$", re.MULTILINE)


def _is_rule(line: str) -> bool:
    """Whether a line is a separator such as |:---|---:| or +----+."""
    return not line.strip(" \t\r|:+-–—=") and any(dash in line for dash in "-–—=")


# Markdown ---------------------------------------------------------------------------------------


def _markdown_tables(text: str) -> list[Table]:
    tables: list[Table] = []
    open_table: Table | None = None
    ruled: Table | None = None  # the last table that has had a rule
    interrupted = False  # by prose, since the last line of the open table
    position = 0
    for line in text.split("\n"):
        start, position = position, position + len(line) + 1
        stripped = line.strip()
        if "|" not in stripped or stripped.startswith(("{", "[", "<")):
            # A rule of dashes inside a table that is drawn with "+---+---+" is no end; nor is a blank line.
            if stripped and not (_is_rule(stripped) and open_table):
                interrupted = True
            continue
        if _is_rule(stripped):
            # The row above a rule is a heading, unless the table has begun already.
            if open_table and not interrupted and open_table.header is None and len(open_table.rows) == 1:
                open_table.header = open_table.rows.pop()
            elif open_table is None or interrupted:
                open_table = Table(start, [])
                tables.append(open_table)
            elif (
                open_table.header and not open_table.rows and len(open_table.header) == len(_split_cells(stripped)) + 1
            ):
                del open_table.header[0]  # prose on the heading's line
            elif open_table.header and not open_table.rows and ruled is open_table:
                open_table.rows.append(["-"] * len(open_table.header))  # "| - | - |" below a rule: nothing
            interrupted = False
            open_table.end = position
            ruled = open_table
            continue
        if open_table and len(open_table.rows) >= MAX_ROWS and not _begins_table(text, position):
            continue
        cells = _split_cells(stripped)
        if len(cells) < 2:
            continue
        heading = is_heading(cells)
        heading = heading and (_begins_table(text, position) or not any(map(names_a_part, cells)))
        if open_table is None or heading or (interrupted and _begins_table(text, position)):
            open_table = Table(start, [], cells if heading else None)
            tables.append(open_table)
            if not heading:
                open_table.rows.append(cells)
        elif len(open_table.rows) < MAX_ROWS:
            open_table.rows.append(cells)
        open_table.end = position
        interrupted = False
    return tables


def _begins_table(text: str, position: int) -> bool:
    """Whether the line at a position is a rule, so that the line before it is a table's heading."""
    end = text.find("\n", position)
    line = text[position : end if end >= 0 else len(text)].strip()
    return "|" in line and _is_rule(line)


def _split_cells(line: str) -> list[str]:
    if has_strikes(line):
        line = strike_each_cell(line)
    line = _LIST_MARK.sub("", line, count=1).replace("\\|", "/")
    cells = line.split("|", MAX_COLUMNS + 1)
    if cells and not cells[0].strip():
        cells = cells[1:]
    if cells and not cells[-1].strip():
        cells = cells[:-1]
    return [cell.strip() for cell in cells[:MAX_COLUMNS]]


def is_heading(cells: Iterable[str]) -> bool:
    """Whether most cells are the words of a heading ("Person 1 Body Part")."""
    cells = [cell for cell in cells if cell.strip()]
    shown = [_MARKUP.sub("", cell[:80]).strip() for cell in cells]
    alike = sum(bool(_HEADING_CELL.search(cell)) and not says_nothing(cell) for cell in shown)
    return alike >= 2 and 2 * alike > len(cells)


# HTML -------------------------------------------------------------------------------------------

_TAG = re.compile(r"<(/?)(table|tr|td|th|caption)\b([^<>]*)>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^<>]*>")


def _html_tables(text: str) -> list[Table]:
    tables: list[Table] = []
    table: Table | None = None
    row: list[str] = []
    is_header = struck = False
    cell_start = caption_start = -1

    def end_cell(until: int) -> None:
        nonlocal cell_start
        if cell_start >= 0:
            row.append(_html_text(text[cell_start:until]))
        cell_start = -1

    def end_row(until: int) -> None:
        nonlocal row, is_header
        end_cell(until)
        if struck:
            row = [f"~~{cell}~~" for cell in row]
        if table is not None and row:
            table.end = until
            if (
                (is_header or (is_heading(row) and not any(map(names_a_part, row))))
                and table.header is None
                and not table.rows
            ):
                table.header = row[:MAX_COLUMNS]
            elif len(table.rows) < MAX_ROWS:
                table.rows.append(row[:MAX_COLUMNS])
        row, is_header = [], False

    for tag in _TAG.finditer(text):
        closing, name = bool(tag.group(1)), tag.group(2).lower()
        if name == "caption":
            if closing and table is not None and caption_start >= 0:
                table.title = _html_text(text[caption_start : tag.start()])
            caption_start = -1 if closing else tag.end()
            continue
        if name in ("td", "th"):
            end_cell(tag.start())
            if not closing:
                cell_start = tag.end()
                is_header |= name == "th"
            continue
        end_row(tag.start())
        struck = name == "tr" and not closing and "line-through" in tag.group(3).lower()
        if name == "table" and closing:
            if table is not None:
                table.end = tag.end()
            table = None
        elif table is None or name == "table":
            table = Table(tag.start(), [])
            tables.append(table)
    end_row(len(text))
    return tables


_BREAK = re.compile(r"<br\s*/?>|\n", re.IGNORECASE)


def _html_text(content: str) -> str:
    if not content:  # the cells around nested tables
        return ""
    return html.unescape(_ANY_TAG.sub(" ", _BREAK.sub(", ", strike_marks(content)))).strip()


# JSON -------------------------------------------------------------------------------------------


def _json_tables(text: str) -> list[Table]:
    decoder = json.JSONDecoder()
    tables: list[Table] = []
    position, failures = 0, 0
    loose: Table | None = None  # single rows outside any list: what is left of a list that was cut off
    while failures < _MAX_JSON_TRIES:
        found = _OPENING.search(text, position)
        if not found:
            break
        too_deep = _depth_exceeded(text, found.start())
        if too_deep:
            position = too_deep
            continue
        try:
            value, end = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            failures += 1
            position = found.end()
            continue
        position = end
        inner = _tables_of(value, found.start(), 0) or _empty_tables(value, text, found.start(), end)
        for table in inner:
            table.end = end
        if inner:
            tables += inner
            loose = None
        elif isinstance(value, dict) and _flat_row(value):
            if loose is None:
                loose = Table(found.start(), [], list(value))
                tables.append(loose)
            _append_dict(loose, value)
            loose.end = end
    return tables


_CONTACTS_FIELD = re.compile(r"contact|touch|pair|rows?\b|table|constraint", re.IGNORECASE)


def _empty_tables(value: Any, text: str, start: int, end: int) -> list[Table]:
    """A table of one row "none" for JSON that says so: {"contacts": []}, or [] on a line of its own."""
    empty = False
    if isinstance(value, dict) and not _flat_row(value):
        listed = [item for key, item in value.items() if _CONTACTS_FIELD.search(str(key))]
        empty = bool(listed) and all(_says_none(item) for item in listed)
    elif value == []:
        line = text[text.rfind("\n", 0, start) + 1 : (text + "\n").find("\n", end)].strip(" \t\r`")
        empty = line.removeprefix("json").strip() == text[start:end]
    return [Table(start, [["none", "none"]])] if empty else []


def _says_none(item: Any) -> bool:
    return not item or (isinstance(item, str) and item.strip(" .").lower() in NOTHING)


_OPENING = re.compile(r"[\[{]")
_BRACKET = re.compile(r"[\[{}\]]")


def _depth_exceeded(text: str, start: int) -> int:
    """The place where brackets from a start on are nested too deeply to be an answer, else 0."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > _MAX_JSON_DEPTH:
            return bracket.end()
        if depth <= 0:
            return 0
    return 0


def _tables_of(value: Any, start: int, depth: int) -> list[Table]:
    """Lists of rows anywhere inside a JSON value."""
    if depth > _MAX_JSON_DEPTH:
        return []
    if isinstance(value, list):
        if value and all(isinstance(row, dict) and _flat_row(row) for row in value):
            table = Table(
                start, [], list(dict.fromkeys(str(key) for row in value[:MAX_ROWS] for key in row))[:MAX_COLUMNS]
            )
            for row in value[:MAX_ROWS]:
                _append_dict(table, row)
            return [table]
        if value and all(isinstance(row, list) and len(row) >= 2 and all(map(_is_cell, row)) for row in value):
            cells = [[_as_cell(cell) for cell in row[:MAX_COLUMNS]] for row in value[:MAX_ROWS]]
            headed = is_heading(cells[0]) and not any(map(names_a_part, cells[0]))
            header = cells.pop(0) if headed else None
            return [Table(start, cells, header)]
        return [table for item in value[:MAX_ROWS] for table in _tables_of(item, start, depth + 1)]
    if isinstance(value, dict):
        tables = []
        for key, item in list(value.items())[:MAX_ROWS]:
            for table in _tables_of(item, start, depth + 1):
                table.title = table.title or str(key)
                tables.append(table)
        return tables
    return []


def _append_dict(table: Table, row: dict[str, Any]) -> None:
    if len(table.rows) < MAX_ROWS:
        table.rows.append([_as_cell(row.get(key, "")) for key in table.header or ()])


def _flat_row(row: dict[str, Any]) -> bool:
    return len(row) >= 2 and all(map(_is_cell, row.values())) and sum(bool(_as_cell(v)) for v in row.values()) >= 2


def _is_cell(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    if isinstance(value, dict):
        return all(item is None or isinstance(item, str) for item in value.values())
    return value is None or isinstance(value, str | int | float | bool)


def _as_cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return " ".join(item for item in value.values() if item)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
