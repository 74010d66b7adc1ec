"""Tables that are drawn otherwise than with pipes, as Markdown: box characters, LaTeX, and values between commas."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from prosepose_jax.contact._phrases import names_a_part
from prosepose_jax.contact._tables import is_heading

_MOST_LINES = 400  # of one table
_FIRST_BOX, _LAST_BOX = 0x2500, 0x257F
_HORIZONTAL = "─━┄┅┈┉╌╍═╴╶╸╺╼╾"
_BARS = {ord(bar): "|" for bar in "｜￨❘∣⎪"}
_BOX = {code: "-" if chr(code) in _HORIZONTAL else "|" for code in range(_FIRST_BOX, _LAST_BOX + 1)}
_DRAWN = re.compile(r"[｜￨❘∣⎪│┃║]")
_TABULAR = re.compile(r"\\begin\{(tabular[xy*]?|array|longtable)\}(.{0,20000}?)\\end\{\1\}", re.DOTALL)
_COLUMNS = re.compile(r"\s*(?:\[[^\]]*\])?(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})*")
_LINE_COMMAND = re.compile(r"\\(?:hline|toprule|midrule|bottomrule|endhead|c(?:mid)?rule\{[^{}]*\}|cline\{[^{}]*\})")
_STYLE = re.compile(r"\\(?:text\w*|mathrm|emph|underline)\{([^{}]*)\}")
_PERSON = re.compile(r"\b(?:person|people|subject|individual|figure|man|woman)\b", re.IGNORECASE)


def as_markdown(text: str) -> str:
    """The text with such tables written with pipes; everything else as it is."""
    if _DRAWN.search(text):
        text = text.translate(_BOX | _BARS)
    if "\\begin{" in text:
        text = _TABULAR.sub(lambda found: _from_latex(found[2]), text)
    if "|" in text:
        return text
    for separator in ("\t", ";", ","):
        if separator in text:
            changed = _from_values(text, separator)
            if changed != text:
                return changed
    return text


def _from_latex(body: str) -> str:
    columns = _COLUMNS.match(body)
    rows = []
    for line in re.split(r"\\\\(?:\[[^\]]*\])?|\\tabularnewline", body[columns.end() if columns else 0 :])[
        :_MOST_LINES
    ]:
        line = _STYLE.sub(r"\1", _LINE_COMMAND.sub("", line)).strip()
        if line:
            rows.append([re.sub(r"\\([&%_#])", r"\1", cell).strip() for cell in re.split(r"(?<!\\)&", line)])
    return "\n" + _written(rows) + "\n" if rows else body


def _from_values(text: str, separator: str) -> str:
    """Lines of values under a heading that names people: "Person 1 Body Part,Person 2 Body Part"."""
    lines = text.split("\n")
    out: list[str] = []
    at = 0
    while at < len(lines):
        heading = _values(lines[at], separator)
        rows = [heading]
        if _is_head(heading):
            while at + len(rows) < len(lines) and len(rows) < _MOST_LINES:
                values = _values(lines[at + len(rows)], separator)
                if len(values) != len(heading):
                    break
                rows.append(values)
        if len(rows) > 1:
            out.append(_written(rows))
        else:
            out.append(lines[at])
        at += len(rows)
    return "\n".join(out)


def _is_head(values: Sequence[str]) -> bool:
    """Whether values are the headings of two people's columns, and no sentence about their parts."""
    named = sum(bool(_PERSON.search(value)) for value in values)
    short = all(len(value.split()) <= 5 for value in values)
    return len(values) > 1 and named > 1 and short and is_heading(values) and not any(map(names_a_part, values))


def _values(line: str, separator: str) -> list[str]:
    if separator not in line or len(line) > 2000:
        return [line]
    try:
        (values,) = csv.reader([line], delimiter=separator, skipinitialspace=True)
    except (csv.Error, ValueError):  # a quotation that never closes
        return [line]
    return [value.strip() for value in values]


def _written(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
