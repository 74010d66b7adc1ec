"""Gives an answer its line breaks back: escaped ones, and tables that were put on one line.

Answers go through logs, CSV files and whitespace clean-ups before they get here. A text with its own line breaks
stays as it is. Everything is linear in the text's length.
"""

from __future__ import annotations

import re

_MAX_PIECES = 4000  # between the pipes of one line
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_ESCAPED = r"(?:\\{1,4}r)?\\{1,4}n|\\{1,4}r|\\{1,4}u000a|&#(?:10|x0*a);|[↵⏎␤]"
_ESCAPED_BREAK = re.compile(_ESCAPED, re.IGNORECASE)
_ESCAPED_BETWEEN_ROWS = re.compile(rf"(?<=\|)[ \t]*(?:(?:{_ESCAPED})[ \t]*)+(?=\|)", re.IGNORECASE)
_TAG_BETWEEN_ROWS = re.compile(r"(?<=\|)[ \t]*(?:<br[ \t]*/?>|</?p>|¶)[ \t]*(?=\|)", re.IGNORECASE)
_GRID_RULE = re.compile(r"(?:\+[-=]{2,})+\+")


def with_line_breaks(text: str) -> str:
    """The answer with every row of its Markdown tables on a line of its own."""
    text = _LINE_ENDS.sub("\n", text)
    if "|" not in text:
        return text
    if _ESCAPED_BREAK.search(text):
        between = _ESCAPED_BETWEEN_ROWS.sub("\n", text)
        # Without any line break of its own, the text was escaped as a whole.
        whole = "\n" not in text.strip() and between != text
        text = _ESCAPED_BREAK.sub("\n", text) if whole else between
    lines = text.split("\n")
    alone = sum("|" in line for line in lines) == 1
    return "\n".join(_unfolded(line, alone) if line.count("|") > 4 else line for line in lines)


def _unfolded(line: str, alone: bool) -> str:
    """A line that holds a whole table, as lines; any other line as it is."""
    if "+-" in line or "+=" in line:
        unfolded = _GRID_RULE.sub(lambda rule: f"\n{rule.group()}\n", line)
        if unfolded.strip().count("\n") > 2:
            return unfolded
    pieces = line.split("|")
    if len(pieces) > _MAX_PIECES:
        return line
    rules = _rules(pieces)
    if not rules:
        return _unfolded_without_rule(pieces, line) if alone else line
    if "<" in line or "¶" in line:
        unfolded = _TAG_BETWEEN_ROWS.sub("\n", line)
        if unfolded != line:
            return unfolded
    return _unfolded_at(pieces, rules) or line


def _rules(pieces: list[str]) -> list[tuple[int, int]]:
    """Where two or more neighbouring pieces are made of dashes: (first, one after the last)."""
    rules = []
    start = None
    for position, piece in enumerate([*pieces, ""]):
        if _is_dashes(piece):
            start = position if start is None else start
        elif start is not None:
            if position - start > 1:
                rules.append((start, position))
            start = None
    return rules


def _is_dashes(piece: str) -> bool:
    bare = piece.strip()
    return bool(bare) and not bare.strip("-–—:") and ("-" * 2 in bare or ":" in bare or bare.strip(":") in ("–", "—"))


def _unfolded_at(pieces: list[str], rules: list[tuple[int, int]]) -> str:
    """Lines for a table at every rule, whose number of dashes is the number of columns; nothing if there is no row."""
    heads = []
    begin = 0
    for start, end in rules:
        stop = start
        while stop > begin and not pieces[stop - 1].strip():
            stop -= 1
        if stop - (end - start) < begin:
            return ""  # a rule without a heading of its width: a row of empty cells
        heads.append(stop - (end - start))
        begin = end
    lines = ["|".join(pieces[: heads[0]])]
    rows = 0
    for (start, end), head, after in zip(rules, heads, [*heads[1:], len(pieces)], strict=True):
        width = end - start
        lines += [_row(pieces[head : head + width]), _row(["---"] * width)]
        position = end
        while position < after:
            position += not pieces[position].strip()  # what lies between the pipes of two rows
            if position + width > after:
                break
            lines.append(_row(pieces[position : position + width]))
            rows += 1
            position += width
        lines.append("|".join(pieces[position:after]))
    return "\n".join(lines) if rows else ""


def _unfolded_without_rule(pieces: list[str], line: str) -> str:
    """Rows of equal width that lie between empty pieces: "| hand | back | | arm | chest |"."""
    groups: list[list[str]] = [[]]
    for piece in pieces:
        if piece.strip():
            groups[-1].append(piece)
        elif groups[-1]:
            groups.append([])
    groups = [group for group in groups if group]
    widths = {len(group) for group in groups[1:]}
    if len(groups) < 2 or len(widths) != 1 or widths <= {1} or len(groups[0]) < max(widths):
        return line
    (width,) = widths
    lead, first = groups[0][:-width], groups[0][-width:]
    return "\n".join(["|".join(lead), *(_row(group) for group in [first, *groups[1:]])])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.strip() for cell in cells)} |"
