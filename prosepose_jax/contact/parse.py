"""The published parser: Markdown tables read exactly as the method's release reads them.

docs/method.md, "Answers and rows". The quirks are kept on purpose ("/" adds rows, a
leading pipe is needed, all tables count): a program compiled with this parser is the
parity target. `parse_extended` is the parser to use on real answers.
"""

from __future__ import annotations

import itertools
import re

from prosepose_jax.contact.rows import NOT_WITH_GROUND, Pair, ParsedAnswer, Row
from prosepose_jax.contact.vocabulary import ALL_PLURALS, GROUND_NAME, NAME_PARTS, SIDED_PLURALS

MODES = ("two_person", "self_contact")

_SEPARATOR_CELL = re.compile(r"[\s:\-–—=_]*\Z")
_HEADER_WORDS = re.compile(r"\bbody ?parts?\b|\bparts?\b|\bpersons? ?[12ab]\b|\b(?:first|second) person\b")
_MAX_COMBINATIONS = 256  # of one row's alternatives: 23 parts leave no honest row with more
_MAX_REPORTED = 200  # characters of a row kept in a rejection record


def parse_published(text: str, mode: str = "two_person") -> ParsedAnswer:
    """Reads one answer as the published parser does.

    Args:
      text: the model's answer.
      mode: "two_person" or "self_contact".

    Returns:
      The rows in reading order (twice where a plural doubles them) and the rejected
      rows. Headings and separator lines are neither.
    """
    rows: list[Row] = []
    rejected: list[tuple[str, str]] = []
    for line in text.split("\n"):
        cells = line.split("|")
        if len(cells) < 3:
            continue
        first, second = cells[1].strip().lower(), cells[2].strip().lower()
        if mode == "self_contact":
            _read_self_contact(first, second, rows, rejected)
        else:
            _read_two_person(first, second, rows, rejected)
    return ParsedAnswer(tuple(rows), tuple(rejected))


def _read_two_person(first: str, second: str, rows: list[Row], rejected: list[tuple[str, str]]) -> None:
    ones, twos = _alternatives(first), _alternatives(second)
    if len(ones) * len(twos) > _MAX_COMBINATIONS:
        rejected.append((shorten(f"{first} | {second}"), "too many alternatives"))
        return
    for one, two in itertools.product(ones, twos):
        names = [SIDED_PLURALS.get(name, name) for name in (one, two)]
        unknown = [name for name in names if name not in NAME_PARTS]
        text = shorten(f"{one} | {two}")
        if unknown:
            if not is_layout(first, second):
                rejected.append((text, f"unknown part {shorten(unknown[0])!r}"))
            continue
        row = Row((Pair(*names),), text)
        plural = one in SIDED_PLURALS or two in SIDED_PLURALS
        rows.extend([row, row] if plural else [row])


def _read_self_contact(first: str, second: str, rows: list[Row], rejected: list[tuple[str, str]]) -> None:
    names = [ALL_PLURALS.get(name, name) for name in (first, second)]
    unknown = [name for name in names if name not in NAME_PARTS]
    text = shorten(f"{first} | {second}")
    if not unknown:
        rows.append(Row((Pair(*names),), text))
    elif GROUND_NAME in unknown and all(name == GROUND_NAME for name in unknown):
        rejected.append((text, NOT_WITH_GROUND))
    elif not is_layout(first, second):
        rejected.append((text, f"unknown part {shorten(unknown[0])!r}"))


def _alternatives(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("/")]


def is_layout(first: str, second: str) -> bool:
    """Whether a line of lower-case cells is a separator, an empty line or a heading rather than a row."""
    if _SEPARATOR_CELL.match(first) and _SEPARATOR_CELL.match(second):
        return True
    return bool(_HEADER_WORDS.search(first) and _HEADER_WORDS.search(second))


def shorten(text: str) -> str:
    """A row's text as kept in reports."""
    return text if len(text) <= _MAX_REPORTED else text[: _MAX_REPORTED - 1] + "…"
