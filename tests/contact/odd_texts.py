"""A corpus of texts that nobody should have to read: random, mutilated and hostile ones, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import reviewed

_PIECES = (
    "|", "||", "\n", "\n\n", "|---|---|", "| :-: |", "+---+", "hand", "left hand", "hands", "palm", "back", "L.", "/",
    ",", " and ", " or ", "(", ")", "[", "]", "{", "}", '"', "'", ":", "<table>", "<tr>", "<td>", "</td>", "<td",
    "<br>", "```",
    "```json", "**", "__", "~~", "`", ">", "- ", "1. ", "Person 1", "Person 2's", "Body Part", "none", "n/a",
    "not touching",
    "\\|", "&lt;td&gt;", "&amp;", "\\u007c", "\t", "\r", "\x0b", "\x00", "\u2028", "\u202e", "\ufeff", "\ud800", "é",
    "手",
    "👐", "ﬁ", "İ", "0", "9" * 30, "1e999", "NaN", "null", "true", "=", "#", "%s", "{0}", "$(x)", ";", "\\", "—",
)  # fmt: skip
_CODE = (
    "__import__('os').system('{command}')", "{{0.__class__.__mro__}}", "';{command};'", "$({command})", "`{command}`",
    "eval(compile('{command}','','exec'))", "!!python/object/apply:os.system ['{command}']", "{{{{7*7}}}}", "%n%n%s",
    "<script>{command}</script>", '{{"__reduce__": "{command}"}}',
)  # fmt: skip
_REPEATED = (
    "|", "||\n", "|-", "[", "{", '{"a":', '[["', "<td>", "<tr><td>", "<table", "hand/", "hand, ", " and hand", "left ",
    "(",
    "()", "**", "`", "&", "&#", "Person 1 ", "\\|", "| hand | back |\n", "|hand|", "-", " ", "\n", "|---|\n", '"', "\\",
    '"hand": "back",', '{"a":"hand","b":"back"}', "é", "not ", "/", ";",
)  # fmt: skip


def texts(count: int, seed: int, command: str = "true") -> Iterator[str]:
    """So many texts; the hostile ones would run `command` if anything ever executed them."""
    rng = random.Random(seed)
    honest = [answer.text for answer in reviewed.load()]
    makers = (_pieces, _characters, _mutilated, _repeated, _code, _nested)
    for index in range(count):
        yield makers[index % len(makers)](rng, honest, command)


def _pieces(rng: random.Random, honest: list[str], command: str) -> str:
    return "".join(rng.choices(_PIECES, k=rng.randint(0, 400)))


def _characters(rng: random.Random, honest: list[str], command: str) -> str:
    wide = rng.random() < 0.3
    return "".join(chr(rng.randint(0, 0x10FFFF if wide else 0x17F)) for _ in range(rng.randint(0, 1500)))


def _mutilated(rng: random.Random, honest: list[str], command: str) -> str:
    text = rng.choice(honest)
    for _ in range(rng.randint(1, 12)):
        at, to = sorted(rng.randint(0, len(text)) for _ in range(2))
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:at] + text[to:]
        elif kind == 1:
            text = text[:to] + text[at:]
        elif kind == 2:
            text = text[:at] + rng.choice(_PIECES) + text[at:]
        elif kind == 3:
            text = text[:at] + text[at:to][::-1] + text[to:]
        else:
            text = text + "\n" + rng.choice(honest)
        text = text[:6000]
    return text


def _repeated(rng: random.Random, honest: list[str], command: str) -> str:
    units = "".join(rng.choices(_REPEATED, k=rng.randint(1, 3)))
    size = rng.choice((500, 2000, 5000))
    return rng.choice(("", "| ", '"', "<table>")) + units * (size // len(units)) + rng.choice(("", "|", "}", "]", "x"))


def _code(rng: random.Random, honest: list[str], command: str) -> str:
    payload = rng.choice(_CODE).format(command=command)
    cells = [payload, rng.choice(("hand", "back", payload))]
    rng.shuffle(cells)
    return rng.choice(honest) + f"\n| {cells[0]} | {cells[1]} |\n" + rng.choice((payload, f'{{"a": "{payload}"}}'))


def _nested(rng: random.Random, honest: list[str], command: str) -> str:
    depth = rng.randint(1, 1500)
    opening, closing = rng.choice(
        (("[", "]"), ('{"a":', "}"), ("(", ")"), ("<table><tr><td>", "</td></tr></table>"), ("> ", ""))
    )
    depth = min(depth, 6000 // len(opening))
    inside = rng.choice(('"hand"', '{"a": "hand", "b": "back"}', "| hand | back |", ""))
    return f'"{opening * depth}{inside}{closing * rng.randint(0, depth)}'
