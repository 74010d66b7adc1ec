"""Whose part a cell speaks of, where people stand in columns of their own: "Person 1 | hand | Person 2 | back"."""

from __future__ import annotations

import re

from prosepose_jax.contact._tables import Table

_LABEL = re.compile(
    r"(?:the\s+)?(?:person|people|subject|individual|figure|human|participant|character|p)[ _#-]*"
    r"(?P<after>[1-9]|[a-d]|one|two|three)\b(?:\s*[(\[,].*)?"
    r"|(?:the\s+)?(?P<before>first|second|third|left(?:most|-hand)?|right(?:most|-hand)?|other|man|woman|boy|girl|child|"
    r"adult|mother|father|male|female|kid|baby|lady|guy|attacker|defender|carrier|leader|follower)"
    r"(?:\s+(?:person|subject|individual|figure|one))?"
)
_BARE = re.compile(r"#?\s*([1-3]|[a-c])")
_WHO_HEADING = re.compile(
    r"person|people|subject|individual|figure|\bwho\b|\bwhose\b|owner|actor|\bfrom\b|\bto\b|human"
)
_ONE = frozenset({"1", "a", "one", "first", "left", "leftmost", "left-hand"})
_TWO = frozenset({"2", "b", "two", "second", "right", "rightmost", "right-hand"})

# Words at which columns that belong together are known: part_a goes with person_a, "From" with "From part".
_FIRST_MARKS = frozenset(
    {"1", "a", "one", "first", "from", "source", "subject", "toucher", "touching", "active", "actor"}
)
_SECOND_MARKS = frozenset(
    {"2", "b", "two", "second", "to", "target", "object", "touched", "passive", "other", "partner", "receiver"}
)


def people_of_rows(table: Table, columns: tuple[int, int]) -> list[tuple[int | None, int | None]]:
    """Who owns the two parts of every row, as its cells say.

    0 for Person 1, 1 for Person 2, None where nothing is said, -1 for a third person.

    Args:
      table: with rows of any width.
      columns: of the two parts.
    """
    heads = [heading.lower() for heading in table.header or ()]
    labels = {
        column: [_label(row[column], heads[column] if column < len(heads) else "") if column < len(row) else None
                 for row in table.rows]
        for column in range(max(map(len, table.rows), default=0)) if column not in columns
    }  # fmt: skip
    filled = {column: [label for label in found if label is not None] for column, found in labels.items()}
    who = [column for column, found in filled.items() if found and 2 * len(found) > len(table.rows)]
    owners = _owners(heads, who, columns)
    number = _numbers([label for column in who for label in filled[column]])
    return [
        tuple(number.get(labels[c][index] or "") if c is not None else None for c in owners)  # type: ignore[misc]
        for index in range(len(table.rows))
    ]


def _owners(heads: list[str], who: list[int], columns: tuple[int, int]) -> tuple[int | None, int | None]:
    """The column of people that goes with each of the two columns of parts."""
    if len(who) > 2:  # the nearest before each part
        before = [max((c for c in who if c < column), default=None) for column in columns]
        who = sorted({c for c in before if c is not None})
    if len(who) == 1:
        (only,) = who
        if only < columns[0]:
            return only, None
        return (None, only) if only < columns[1] else (None, None)
    if len(who) != 2:
        return None, None
    marks = [_mark(heads[c]) if c < len(heads) else None for c in (*who, *columns)]
    if set(marks[:2]) == set(marks[2:]) == {0, 1}:
        turned = marks[0] != marks[2]
    else:
        turned = False  # both orders of reading agree
    return (who[1], who[0]) if turned else (who[0], who[1])


def _mark(heading: str) -> int | None:
    words = set(re.findall(r"[a-z]+|[0-9]+", heading.replace("_", " ")))
    first, second = bool(words & _FIRST_MARKS), bool(words & _SECOND_MARKS)
    return None if first == second else int(second)


def _label(cell: str, heading: str) -> str | None:
    """The person that a cell names and nothing else, as a word; None for any other cell."""
    text = re.sub(r"[*_`\"]+", " ", cell[:80]).strip(" .:()").lower()
    text = re.sub(r"\s+", " ", text)
    bare = _BARE.fullmatch(text)
    if bare:
        return bare.group(1) if _WHO_HEADING.search(heading) and "part" not in heading else None
    found = _LABEL.fullmatch(text.removesuffix("'s").removesuffix("’s"))
    if not found or (found.group("after") and re.search(r"'s\b|’s\b|:", text)):
        return None
    return found.group("after") or found.group("before")


def _numbers(labels: list[str]) -> dict[str, int]:
    """{label: person}; labels that say no number are counted as they come, if they are of two people."""
    numbers = {label: 0 for label in labels if label in _ONE} | {label: 1 for label in labels if label in _TWO}
    if numbers:
        return {label: numbers.get(label, -1) for label in labels}
    distinct = list(dict.fromkeys(labels))
    return {label: index for index, label in enumerate(distinct)} if len(distinct) == 2 else {}
