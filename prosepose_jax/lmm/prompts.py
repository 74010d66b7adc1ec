"""Prompts: text files with a small header, filled from the vocabulary of the contact room.

docs/ask.md, "Prompts", describes the file. The list of allowed parts comes from `contact/vocabulary.py`,
which the parsers read too, so a prompt cannot offer a name that no parser knows.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import re
from pathlib import Path

from prosepose_jax.contact.vocabulary import AMBIGUOUS_NAMES, GROUND_NAME, NAME_PARTS, PROMPT_NAMES
from prosepose_jax.errors import InputError
from prosepose_jax.language import QUESTIONS, question_names
from prosepose_jax.untrusted import read_bytes

FOLDER = Path(__file__).resolve().parent / "prompts"
INPUTS = ("image", "caption")
_MOST_BYTES = 1 << 20
_FIELDS = ("id", "people", "input", "columns", "parts", "sides", "actions", "free", "marked")
_NEEDED = ("id", "people", "input", "columns", "parts")
_PLACEHOLDERS = ("who", "header", "parts", "actions", "questions", "caption")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_OF_TWO = " (than the other; the two cells are opposites)"
_SECTION = re.compile(r"^\[(system|user)\][ \t]*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A question to the model, with its list of parts filled in.

    `system` and `user` hold at most two placeholders: `{who}` until `told` has chosen and `{caption}` until a
    request is made.
    """

    id: str
    people: int  # 1 or 2
    input: str  # "image", or "caption" for a model that cannot see
    columns: tuple[str, ...]  # of the table; empty when the prompt asks for a text
    parts: tuple[str, ...]  # names the model may use
    sides: bool  # whether left and right are asked for
    system: str
    user: str
    free: str = ""  # what {who} says when the model chooses who is Person 1
    marked: str = ""  # and when the people are marked in the image

    def told(self, marked: bool) -> Prompt:
        """The prompt with `{who}` filled in.

        Raises:
          InputError: the people are marked, and the prompt has no words for it.
        """
        if marked and not (self.marked and "{who}" in self.system + self.user):
            raise InputError(
                f"prompt {self.id}: cannot be asked about marked people: its header needs a line 'marked:', its text "
                "the placeholder {who}"
            )
        who = self.marked if marked else self.free
        return dataclasses.replace(
            self, system=self.system.replace("{who}", who), user=self.user.replace("{who}", who), free="", marked=""
        )

    @property
    def name(self) -> str:
        """Id and a hash of the texts: what an answer records as its prompt."""
        digest = hashlib.sha256(f"{self.system}\0{self.user}".encode("utf-8", "replace")).hexdigest()
        return f"{self.id}@{digest[:8]}"


def prompt_names() -> tuple[str, ...]:
    """The packaged prompts."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.txt")))


def load_prompt(name: str) -> Prompt:
    """A packaged prompt by its name, or the user's own by its path.

    Raises:
      InputError: no such prompt, or a fault in the file; names the file, the field and what was expected.
    """
    file = Path(name)
    if not file.is_file():
        file = FOLDER / f"{name}.txt"
        if not file.is_file() or "/" in name:
            near = difflib.get_close_matches(name, prompt_names(), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(
                f"--prompt={name}: expected a file or one of the packaged prompts {', '.join(prompt_names())}{hint}"
            )
    try:
        text = read_bytes(file, _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: expected a prompt in UTF-8 text; {error}") from error
    return parse_prompt(text.replace("\r\n", "\n"), str(file))


def parse_prompt(text: str, where: str) -> Prompt:
    """Reads a prompt's text; `where` names it in error messages."""
    pieces = _SECTION.split(text)
    sections = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    if len(pieces) != 5 or set(sections) != {"system", "user"}:
        raise InputError(f"{where}: expected a header, then the sections [system] and [user], once each")
    header = _header(pieces[0], where)
    people = header["people"]
    if people not in ("1", "2"):
        raise InputError(f"{where}: field people: expected 1 or 2, found {people!r}")
    if header["input"] not in INPUTS:
        raise InputError(f"{where}: field input: expected one of {', '.join(INPUTS)}, found {header['input']!r}")
    sides = header.get("sides", "no")
    if sides not in ("yes", "no"):
        raise InputError(f"{where}: field sides: expected yes or no, found {sides!r}")
    columns = _columns(header["columns"], where)
    parts = _parts(header["parts"], sides == "yes", people == "1", where)
    filled = {
        "header": f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}",
        "parts": ", ".join(parts),
        "actions": header.get("actions", ""),
        "questions": _second_table(int(people)),
    }
    texts = {}
    for name, section in sections.items():
        for placeholder in _PLACEHOLDER.findall(section):
            if placeholder not in _PLACEHOLDERS:
                known = ", ".join(f"{{{known}}}" for known in _PLACEHOLDERS)
                raise InputError(f"{where}: [{name}]: unknown placeholder {{{placeholder}}}, expected one of {known}")
            if placeholder == "actions" and not filled["actions"]:
                raise InputError(f"{where}: [{name}]: {{actions}} needs a line 'actions:' in the header")
        texts[name] = _PLACEHOLDER.sub(lambda found: filled.get(found[1], found[0]), section)
    if (header["input"] == "caption") != any("{caption}" in text for text in texts.values()):
        raise InputError(f"{where}: expected the placeholder {{caption}} when, and only when, the input is a caption")
    return Prompt(
        id=header["id"],
        people=int(people),
        input=header["input"],
        columns=columns,
        parts=parts,
        sides=sides == "yes",
        system=texts["system"],
        user=texts["user"],
        free=header.get("free", ""),
        marked=header.get("marked", ""),
    )


def _second_table(people: int) -> str:
    """The head of the second table, and its questions with the values that are understood."""
    columns = ["Question", *(["Person"] if people == 1 else ["Person 1", "Person 2"])]
    names = question_names(people)
    lines = [f"- {q.name}: {', '.join(q.values)}{_OF_TWO if q.of_two else ''}" for q in QUESTIONS if q.name in names]
    head = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    return f"{head}\n\nQuestions, and the only values a cell may have:\n" + "\n".join(lines)


def _header(text: str, where: str) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = (piece.strip() for piece in line.partition(":"))
        if not colon or name not in _FIELDS:
            raise InputError(
                f"{where}: header line {line.strip()!r}: expected 'field: value', one of {', '.join(_FIELDS)}"
            )
        if name in header:
            raise InputError(f"{where}: field {name}: given twice")
        header[name] = value
    for name in _NEEDED:
        if not header.get(name):
            raise InputError(f"{where}: field {name} is missing from the header")
    return header


def _columns(value: str, where: str) -> tuple[str, ...]:
    if value == "none":
        return ()
    columns = tuple(column.strip() for column in value.strip("| ").split("|"))
    if len(columns) != 2 or not all(columns):
        raise InputError(f"{where}: field columns: expected two headings as 'one | other', or none; found {value!r}")
    return columns


def _parts(value: str, sides: bool, alone: bool, where: str) -> tuple[str, ...]:
    """The names a model may write; with sides, both sides of the parts that have two."""
    if value == "none":
        return ()
    known = set(NAME_PARTS) | ({GROUND_NAME} if alone else set())
    parts: list[str] = []
    for name in (piece.strip() for piece in value.split(",")):
        if name == "all":
            parts += PROMPT_NAMES
        elif name in known:
            parts.append(name)
        else:
            near = difflib.get_close_matches(name, sorted(known), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(f"{where}: field parts: {name!r} is no part of the vocabulary{hint}")
    if sides:
        parts = [side + name for name in parts for side in (("left ", "right ") if name in AMBIGUOUS_NAMES else ("",))]
    return tuple(dict.fromkeys(parts))
