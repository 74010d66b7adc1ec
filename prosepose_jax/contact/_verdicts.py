"""What an answer says about a row of its own beside the parts: that it is no contact, or struck through."""

from __future__ import annotations

import re
import unicodedata

from prosepose_jax.contact.synonyms import SYNONYMS
from prosepose_jax.contact.vocabulary import AMBIGUOUS_NAMES, UNSIDED_NAMES

DENIED = "the answer says that there is no contact"
STRUCK = "struck through in the answer"

_MAX_CELL = 300  # characters read of a note

# A column that is about the contact itself, so that a bare "no" in it denies the row.
_VERDICT_HEADING = re.compile(
    r"contact|touch|certain|confiden|\bsure\b|status|verdict|interact|valid|confirm|\bcorrect|\bresult|"
    r"decision|\bkeep\b"
    r"|\baccept|\binclude|verif|probab|likel|final|\bagree|\bpresent\b|\breal\b",
    re.IGNORECASE,
)
# Headings under which "yes" denies: "Gap visible?", "Not touching", "Ruled out".
_REVERSED_HEADING = re.compile(
    r"\bgaps?\b|\bapart\b|separat|\bno[nt]?\b|ruled out|reject|discard|\bremove|\bexclude|retract|"
    r"false positive|denied",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\W*(?:no|none|false|not(?=\s*\Z|\s+(?:touch|in |a |contact|certain|confirm|sure|likely|valid|correct|"
    r"present|visible|"
    r"real|true|accept|kept|includ|possible|seen))|never|absent|negative|den(?:y|ied)|reject(?:ed)?|rul(?:e|ed|"
    r"ing) out|"
    r"discard(?:ed)?|remov(?:e|ed)|exclud(?:e|ed)|retract(?:ed)?|withdrawn|drop(?:ped)?|invalid|incorrect|wrong|"
    r"mistaken?|unconfirmed|unlikely|impossible|apart|separated?|0(?:[.,]0+)?\s*%?\s*\Z|n\s*\Z)(?![a-z])"
)
_YES = re.compile(r"\W*(?:yes|true|y\s*\Z|visible|clear)(?![a-z])")
_CROSSES = ("❌", "✗", "✘", "🚫", "⛔", "✖", "×")
_CHECKS = ("✅", "✓", "✔", "☑")

_SEEN = r"(?:small|clear|visible|slight|large|wide|narrow|noticeable|tiny|little|bit of)"
# In any column: words that deny the contact, whatever the heading says.
_DENIAL = re.compile(
    r"(?:\bno|\bnon|\bnot any|\bwithout(?: any)?|\bzero|\black(?:s|ing)?(?: of)?|\babsence of)[\s-]+"
    r"(?:(?:actual|real|physical|direct|visible|clear|true|body|apparent|evident|surface|skin)[\s-]+)*"
    r"(?:contact|touch(?:ing)?)\b"
    r"|\b(?:not|never|n't|isn't|aren't|cannot be|can't be)\s+(?:(?:actually|really|quite|physically|clearly|in fact|"
    r"yet|directly|truly|even)\s+)*(?:touch(?:ing|es|ed)?|contacting|in\s+(?:(?:physical|direct|actual|"
    r"real)\s+)?(?:contact|"
    r"touch)|making\s+contact|make\s+contact|a\s+contact)\b"
    r"|\b(?:do|does|did)(?:n't|\s+not)\s+(?:(?:actually|really|quite|physically)\s+)*(?:touch|make\s+contact|contact)\b"
    rf"|\b(?:a|an|some)\s+(?:{_SEEN}\s+)*(?:gap|space|distance|room)\s+(?:(?:is|can be|visible|seen|left)\s+)*between\b"
    r"|\b(?:clearly|visibly|well|slightly|widely)\s+(?:apart|separated)\b"
    rf"|^\W*(?:{_SEEN}\s+)*gaps?(?:\s+(?:is\s+)?(?:visible|seen))?\W*$"
    r"|\b(?:ruled|rules)\s+out\b|\bfalse\s+positive\b|\b(?:is|was)\s+(?:rejected|retracted|discarded|a\s+mistake)\b"
)
_UNDENIED = re.compile(
    r"\b(?:other|second|remaining|rest of)\b[^,;.]*$"
    r"|\b(?:cannot|can't|can not|not|never|without|isn't|hardly)\s+(?:be\s+)?$"
    r"|\bno longer\s+$|\bif\s+[^,;.]*$|\bwhether\b[^,;.]*$"
)
# What may be named behind a denial without being about something else than the row.
_TAIL = re.compile(
    r"\s*(?:with|to|between|of|by|the|his|her|their|its|a|an|any|each other|one another|other|at all|them|both|two|"
    r"people|person(?:'s)?|persons|[12ab](?:'s)?|'s|left|right|here|visible|seen|actually|there)\b"
)
_ELSEWHERE = re.compile(
    r"\s*(?:else|elsewhere|beyond|except|other than|apart from|but\b|ground|floor|mat\b|wall|chair|table|sofa|"
    r"bench|bed\b|clothes|clothing|skin\b|object|camera|ball\b)"
)
_NOUNS = {**{name: (name,) for name in (*AMBIGUOUS_NAMES, *UNSIDED_NAMES)}, **SYNONYMS}


def denies(heading: str, cell: str, parts: frozenset[str]) -> bool:
    """Whether a cell beside the parts says that they do not touch.

    Args:
      heading: of the cell's column; may be empty.
      cell: as written.
      parts: the row's own parts; a note about another part says nothing about the row.
    """
    mark = cell.strip().strip("*_` ")
    text = _plain(cell)
    if _REVERSED_HEADING.search(heading):
        if _YES.match(text) or mark.startswith(_CHECKS):
            return True
        if _NO.match(text) or mark.startswith(_CROSSES):
            return False
    elif mark.startswith(_CROSSES):
        return True
    elif _VERDICT_HEADING.search(heading) and not mark.startswith(_CHECKS) and _NO.match(text):
        return not _spares(text, parts)
    return any(
        not _UNDENIED.search(text[: found.start()][-60:]) and not _about_something_else(text[found.end() :], parts)
        for found in _DENIAL.finditer(text)
    )


def _spares(text: str, parts: frozenset[str]) -> bool:
    """Whether a "no …" in a verdict's column is a double negation or about something else."""
    doubly = re.match(r"\W*(?:no|not)\s+(?:doubt|question|gap|space|distance|only|separat|clear gap|visible gap)", text)
    if doubly is not None:
        return True
    rest = text.lstrip()
    found = _DENIAL.match(rest)
    return found is not None and _about_something_else(rest[found.end() :], parts)


def _about_something_else(tail: str, parts: frozenset[str]) -> bool:
    while found := _TAIL.match(tail):
        tail = tail[found.end() :]
    if _ELSEWHERE.match(tail):
        return True
    word = re.match(r"\s*([a-z]+)", tail)
    if not word:
        return False
    noun = word.group(1)
    names = _NOUNS.get(noun) or _NOUNS.get(noun.removesuffix("s")) or _NOUNS.get({"feet": "foot"}.get(noun, ""))
    return names is not None and not set(names) & parts


def _plain(cell: str) -> str:
    text = unicodedata.normalize("NFKC", cell[:_MAX_CELL]).lower().replace("’", "'").replace("_", " ")
    return re.sub(r"[*`~]+|<[^<>]*>", "", text).strip()


# Struck through ---------------------------------------------------------------------------------

_STRIKE_TAG = re.compile(r"</?\s*(?:s|del|strike)\b[^<>]*>", re.IGNORECASE)
_OVERLAYS = "\u0335\u0336\u0337\u0338"


def has_strikes(text: str) -> bool:
    """Whether any text may be struck through."""
    return "~" in text or "<" in text or any(mark in text for mark in _OVERLAYS)


def strike_marks(text: str) -> str:
    """The text with Markdown's marks in place of HTML's tags."""
    return _STRIKE_TAG.sub("~~", text) if "<" in text else text


def strike_each_cell(line: str) -> str:
    """A row whose struck pieces are struck cell by cell: "~~| a | b |~~" becomes "| ~~a~~ | ~~b~~ |"."""
    line = strike_marks(line)
    if line.count("~~") % 2 or "~~" not in line:
        return line  # "~~5 cm": one mark alone strikes nothing
    cells = []
    struck = False
    for cell in line.split("|"):
        kept = []
        for index, piece in enumerate(cell.split("~~")):
            struck ^= index > 0
            kept.append(f"~~{piece.strip()}~~" if struck and piece.strip() else piece)
        cells.append("".join(kept))
    return "|".join(cells)


def without_strikes(cell: str) -> str:
    """What is left of a cell without its struck pieces."""
    if not has_strikes(cell):
        return cell
    cell = re.sub(r"~~[^~]*~~", " ", strike_marks(cell))
    cell = re.sub(r"\A\s*~[^~]+~\s*\Z", " ", cell)
    if any(mark in cell for mark in _OVERLAYS):
        cell = re.sub(rf"(?:[^\s|][{_OVERLAYS}])+", " ", cell)
    return cell.strip()


def is_struck(before: str, after: str) -> bool:
    """Whether nothing was left of a cell (`without_strikes`)."""
    return bool(before.strip()) and not after
