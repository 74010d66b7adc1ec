"""Reads one cell of a table: which named parts it speaks of, which of them are choices, which are all meant."""

from __future__ import annotations

import dataclasses
import functools
import html
import re
import unicodedata

from prosepose_jax.contact.synonyms import (
    BACK_WORDS,
    BOTH_WORDS,
    DENIALS,
    FRONT_WORDS,
    IRREGULAR_PLURALS,
    NOTHING,
    ONE_A_SIDE,
    PASSED_OVER,
    REMARKS,
    SIDE_WORDS,
    SYNONYMS,
)
from prosepose_jax.contact.vocabulary import AMBIGUOUS_NAMES, GROUND_NAME, NAME_PARTS, UNSIDED_NAMES

_MAX_CELL = 160  # characters; a longer cell is prose
_MAX_ITEMS = 8


@dataclasses.dataclass(frozen=True)
class Item:
    """One thing that touches: any of the names; both of its sides when plural."""

    names: tuple[str, ...]
    plural: bool = False


@dataclasses.dataclass(frozen=True)
class Cell:
    """What a cell says. Without items, the reason tells why, or is empty when the cell says "nothing"."""

    items: tuple[Item, ...] = ()
    reason: str = ""
    person: int | None = None  # 0 or 1 when the cell itself names the person


class _Unreadable(Exception):
    """A cell that is not understood; the message is the reason."""


_Lexicon = dict[tuple[str, ...], tuple[tuple[str, ...], bool]]


def _lexicon(synonyms: bool) -> _Lexicon:
    """{words: (names, whether two sides are meant)} for all singulars and plurals."""
    table: dict[str, tuple[str, ...]] = {name: (name,) for name in (*AMBIGUOUS_NAMES, *UNSIDED_NAMES, GROUND_NAME)}
    if synonyms:
        table = {**table, **SYNONYMS}
    lexicon: _Lexicon = {}
    for phrase, names in table.items():
        words = tuple(phrase.replace("(", "").replace(")", "").split())
        if "(" in phrase:
            continue  # "shoulder (front)" is a noun with a qualifier, put together by `_read_phrase`
        lexicon[words] = (names, False)
        plural = IRREGULAR_PLURALS.get(phrase, phrase + "s").split()
        lexicon.setdefault(tuple(plural), (names, phrase in ONE_A_SIDE))
    return lexicon


_LEXICONS = {synonyms: _lexicon(synonyms) for synonyms in (False, True)}
_LONGEST = max(len(words) for words in _LEXICONS[True])

_PERSON = re.compile(
    r"\b(?:of |on )?(?:person|people|subject|individual|figure|p)[ _#]*(1|2|a|b|one|two)(?:'s?)?(?![a-z0-9])"
)
_POSSESSIVE = re.compile(r"\b[a-z]+'s?(?= )|\b(?:woman|man|boy|girl|child|adult)s(?= [a-z])")
_NOTHING = re.compile(
    r"(?:none|nothing|no (?:(?:visible|physical|direct|clear|actual|body) )*(?:contacts?|touch(?:ing)?|parts?|pairs?|"
    r"rows?))(?: (?:is |are |was )?(?:visible|detected|observed|identified|found|seen|present|"
    r"in contact|touching|at all|here|to report|applicable))*"
)
_NUMBERING = re.compile(r"^(?:#?\d+\s*[.):]\s*|[-•*]\s+)")
_PARENTHESES = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_EITHER_SIDE = re.compile(r"\b(?:left|right)\s*(?:/|,|\bor\b|\band/or\b)\s*(?:left|right)\b")
_BOTH_SIDES = re.compile(r"\b(?:left|right)\s*(?:&|\+|\band\b)\s*(?:left|right)\b")
_AND = re.compile(r"\s*[&+]\s*|\s+(?:and|plus|as well as)\s+|^and\s+")
_OR = re.compile(r"\s*[,;]\s*(?:or\s+)?|\s+or\s+|^or\s+")
_WORD = re.compile(r"[a-z']+|[0-9]+|[^\sa-z0-9']")


_NOUNS = frozenset(word for words in _LEXICONS[True] for word in words if word not in PASSED_OVER)


def says_nothing(cell: str) -> bool:
    """Whether a cell says that there is no contact."""
    return bool(_NOTHING.fullmatch(cell.lower().strip(" .*_`()")))


def names_a_part(cell: str) -> bool:
    """Whether any word of a cell is a word for a body part."""
    return any(word in _NOUNS for word in re.findall(r"[a-z]+", cell[:_MAX_CELL].lower()))


def parts_named(sentence: str) -> frozenset[frozenset[str]]:
    """The names of every part that a sentence speaks of, without sides and plurals."""
    nouns, _ = _nouns(_WORD.findall(_plain(sentence).replace("-", " ")), _LEXICONS[True])
    return frozenset(frozenset(names) for names, _ in nouns)


@functools.lru_cache(maxsize=4096)
def read_cell(cell: str, synonyms: bool = True) -> Cell:
    """Reads one cell; see docs/contact.md for what is understood."""
    if len(cell) > _MAX_CELL:
        return Cell(reason="a sentence, not a part")
    text = _plain(cell)
    if text.strip(" .-–—:;!()[]") in NOTHING or _NOTHING.fullmatch(text.strip(" .!()[]")) or not text.strip(" .-–—_"):
        return Cell()
    person = None
    mention = _PERSON.search(text)
    if mention:
        person = 0 if mention.group(1) in ("1", "a", "one") else 1
        text = _PERSON.sub(" ", text)
    try:
        if any(denial in text for denial in DENIALS):
            raise _Unreadable("the answer says that there is no contact")
        text = _POSSESSIVE.sub(" ", _parentheses(text))
        text = _BOTH_SIDES.sub("both", _EITHER_SIDE.sub(" ", text.replace("and/or", "or")))
        items = tuple(_read_alternatives(part, synonyms) for part in _AND.split(text)[:_MAX_ITEMS] if part.strip(" ,"))
    except _Unreadable as problem:
        return Cell(reason=str(problem), person=person)
    return Cell(items=items, person=person, reason="" if items else "no part named")


def _plain(cell: str) -> str:
    """Lower case, without markup, typographic variants and numbering."""
    text = unicodedata.normalize("NFKC", html.unescape(cell)).lower()
    if not text.isascii():
        text = "".join(map(_plain_character, text))
    text = re.sub(r"<br\s*/?>", ", ", text).replace("’", "'").replace("‘", "'").replace("_", " ")
    text = re.sub(r"<[^<>]*>|\*+|`+|~~|[\"“”]|\[\d+\]", "", text)
    text = _NUMBERING.sub("", text.strip())
    return re.sub(r"\s+", " ", text).strip(" .:'")


def _plain_character(character: str) -> str:
    """Dashes of any length become hyphens; pictograms and invisible marks disappear."""
    category = unicodedata.category(character)
    return "-" if category == "Pd" else "" if category in _PICTOGRAMS else character


_PICTOGRAMS = ("So", "Sk", "Cf", "Mn", "Me")


def _parentheses(text: str) -> str:
    """Replaces notes in brackets by the words in them that place a part; other notes are passed over."""

    def keep(match: re.Match[str]) -> str:
        words = set(re.findall(r"[a-z]+", match.group(1) or match.group(2) or ""))
        kept = sorted(words & (FRONT_WORDS | {"back", "rear", "posterior"}))
        sides = sorted({SIDE_WORDS[word] for word in words & set(SIDE_WORDS)})
        if words & BOTH_WORDS or (len(sides) == 2 and "and" in words):
            kept.append("both")
        elif len(sides) == 1:
            kept += sides
        return " " + " ".join(kept) + " "

    return _PARENTHESES.sub(keep, text)


def _read_alternatives(text: str, synonyms: bool) -> Item:
    """A choice of parts, "left hand/arm" or "head, neck or shoulder"."""
    names: list[str] = []
    plural = False
    for group in _OR.split(text):
        if not group.strip():
            continue
        side: str | None = None
        for phrase in group.split("/"):
            if not phrase.strip():
                continue
            found, both, own_side = _read_phrase(phrase, side, synonyms)
            side = own_side  # "left hand/arm": the side goes for both
            plural |= both
            names += found
    if not names:
        raise _Unreadable("no part named")
    if len(names) > _MAX_ITEMS:
        raise _Unreadable("too many alternatives")
    return Item(tuple(dict.fromkeys(names)), plural)


def _read_phrase(phrase: str, side: str | None, synonyms: bool) -> tuple[list[str], bool, str | None]:
    """One part: its names, whether both sides are meant, and the side that it names or was given."""
    words = _WORD.findall(phrase.replace("-", " ").replace("–", " ").replace(".", " "))
    nouns, rest = _nouns(_before_remark(words, _LEXICONS[synonyms]), _LEXICONS[synonyms])
    own_sides = {SIDE_WORDS[word] for word in rest if word in SIDE_WORDS}
    front, back = bool(FRONT_WORDS & set(rest)), bool(BACK_WORDS & set(rest))
    both = bool(BOTH_WORDS & set(rest)) or "2" in rest or len(own_sides) == 2
    known = PASSED_OVER | FRONT_WORDS | BACK_WORDS | BOTH_WORDS | set(SIDE_WORDS)
    unknown = [word for word in rest if word not in known and not word.isdigit() and word != "'"]
    if unknown:
        raise _Unreadable(f"unknown part {phrase.strip()!r}")
    if not nouns:
        raise _Unreadable(f"unknown part {phrase.strip()!r}")
    if len({names for names, _ in nouns}) > 1:
        raise _Unreadable(f"more than one part in {phrase.strip()!r}")
    names, plural = nouns[0][0], any(two for _, two in nouns) or both
    if len(own_sides) == 1:
        side = next(iter(own_sides))
        plural = False
    elif both or own_sides:
        side = None
    placed = [_placed(name, front, back) for name in names if not (_opposes(name, front, back, names))]
    sided = any(name in AMBIGUOUS_NAMES for name in placed)
    return [f"{side} {name}" if side and name in AMBIGUOUS_NAMES else name for name in placed], plural and sided, side


def _before_remark(words: list[str], lexicon: _Lexicon) -> list[str]:
    """Cuts off what is said about a part: "arm around the waist", "hand holding a phone"."""
    named = False
    for position, word in enumerate(words):
        if named and word in REMARKS:
            return words[:position]
        named = named or (word,) in lexicon
    return words


def _nouns(words: list[str], lexicon: _Lexicon) -> tuple[list[tuple[tuple[str, ...], bool]], list[str]]:
    """The part words of a phrase, longest match first, and the words between them."""
    found: list[tuple[tuple[str, ...], tuple[tuple[str, ...], bool]]] = []
    rest: list[str] = []
    position = 0
    while position < len(words):
        for length in range(min(_LONGEST, len(words) - position), 0, -1):
            key = tuple(words[position : position + length])
            if key in lexicon:
                found.append((key, lexicon[key]))
                position += length
                break
        else:
            rest.append(words[position])
            position += 1
    # "back of the hand", "bottom of the foot", "side of the head": these words name a part only when alone.
    if len(found) > 1:
        for key, entry in list(found):
            if key in _PLACES and len(found) > 1:
                found.remove((key, entry))
                rest += key
    return [entry for _, entry in found], rest


_PLACES = {("back",), ("side",), ("sides",), ("bottom",), ("behind",), ("surface",)}


def _placed(name: str, front: bool, back: bool) -> str:
    """The front or the back of a part, where the vocabulary knows one."""
    if front != back:
        half = f"{name} ({'front' if front else 'back'})"
        if half in NAME_PARTS or half in AMBIGUOUS_NAMES:
            return half
    return name


def _opposes(name: str, front: bool, back: bool, names: tuple[str, ...]) -> bool:
    """Whether a part of several ("torso") lies on the side that is not meant."""
    if len(names) == 1 or front == back:
        return False
    return name == "back" if front else name in ("chest", "stomach")
