"""Answers of the multimodal model: one `.json` or `.jsonl` file (docs/formats.md, "Answers")."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from absl import logging

from prosepose_jax.errors import InputError
from prosepose_jax.scene import Answer
from prosepose_jax.untrusted import budgets, parse_json, read_bytes
from prosepose_jax.untrusted.json_file import NotJson

ORDERS = ("free", "given")
_KNOWN_FIELDS = frozenset({"key", "text", "table_response", "pair", "order", "sample", "model", "prompt"})


class AnswerSet(Mapping[str, list[Answer]]):
    """Answers by the key they were stored under.

    Attributes:
      notes: remarks on the file that did not stop the reading (a torn last line).
    """

    def __init__(self, answers: Mapping[str, list[Answer]] | None = None, notes: tuple[str, ...] = ()):
        self._answers = {key: list(value) for key, value in (answers or {}).items()}
        self.notes = notes

    def __getitem__(self, key: str) -> list[Answer]:
        return self._answers[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def for_scene(self, key: str) -> list[Answer]:
        """A scene's answers: by its exact key, else with `_0` added, else with `_0` removed; else none."""
        for candidate in (key, f"{key}_0", key.removesuffix("_0")):
            if candidate in self._answers:
                return list(self._answers[candidate])
        return []

    def __repr__(self) -> str:
        return f"AnswerSet({len(self)} keys, {sum(map(len, self._answers.values()))} answers)"


def load_answers(file: str | os.PathLike[str]) -> AnswerSet:
    """Reads an answers file.

    `.json` holds `{key: [{"table_response": text, …}, …]}`; `.jsonl` one object a line with `key` and `text`.
    Both may give `pair` (null: not given), `order`, `model` and `prompt`; further fields are kept in `Answer.extra`.
    In a `.json` the position in the list is the sample and every entry counts. A `.jsonl` may give `sample`, and of
    lines with the same key, sample, pair, model and prompt the last counts (a line written again replaces the older
    one). A last line of a `.jsonl` that broke off in the middle is left out with a warning: its writer was stopped.
    Characters that no text can hold (a lone surrogate) become "?".

    Raises:
      InputError: no such file, not JSON, or a field of the wrong kind; names the file, the line or key and the field.
    """
    file = Path(file)
    if file.suffix not in (".json", ".jsonl"):
        raise InputError(f"{file}: expected an answers file that ends in .json or .jsonl")
    if not file.exists():
        raise InputError(f"{file}: no such answers file")
    try:
        text = read_bytes(file, budgets.JSON_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: expected UTF-8 text, found bytes that are none ({error.reason})") from error
    return _read_json(file, text) if file.suffix == ".json" else _read_lines(file, text)


def _parse(text: str, source: object) -> Any:
    """JSON whose texts can all be written as UTF-8 again: it may hold lone surrogates, which nothing can store."""
    return _clean(parse_json(text, source))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return value


def _read_json(file: Path, text: str) -> AnswerSet:
    try:
        data = _parse(text, file)
    except NotJson as error:
        raise InputError(f'{error}; expected {{key: [{{"table_response": text}}, …]}}') from error
    if not isinstance(data, dict):
        raise InputError(f'{file}: expected an object {{key: [{{"table_response": text}}, …]}}, found {_kind(data)}')
    by_key: dict[str, list[Answer]] = {}
    for key, entries in data.items():
        if isinstance(entries, dict) and isinstance(entries.get("table_response"), list):
            entries = [entries]  # one entry for all answers, without the list around it
        if not isinstance(entries, list):
            raise InputError(f"{file}: key {key!r}: expected a list of answers, found {_kind(entries)}")
        by_key[key] = [
            _answer(f"{file}: key {key!r}, answer {index}", entry, "table_response", index)
            for index, entry in enumerate(_each_text(file, key, entries))
        ]
    return AnswerSet(by_key)


def _each_text(file: Path, key: str, entries: list[Any]) -> list[Any]:
    """One entry a text: the release's program files have a single one whose table_response lists all N texts.

    The Python source that such files carry as `code` is dropped unread.
    """
    found: list[Any] = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            found.append(entry)
            continue
        fields = {name: value for name, value in entry.items() if name != "code"}
        texts = fields.get("table_response")
        if "code" in entry and "table_response" not in fields and "text" not in fields:
            raise InputError(
                f"{file}: key {key!r}, answer {index}: only 'code', a program made from the answer, and no text; "
                "programs are never run: give the answers' texts (table_response)"
            )
        found += [fields | {"table_response": text} for text in texts] if isinstance(texts, list) else [fields]
    return found


def _read_lines(file: Path, text: str) -> AnswerSet:
    by_key: dict[str, dict[tuple[Any, ...], Answer]] = {}
    notes: list[str] = []
    # Not str.splitlines: it would also split at separators that JSON strings may contain.
    lines = text.split("\n")
    counts: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = _parse(line, f"{file}: line {number}")
        except NotJson as error:
            if number == len(lines):  # no newline after it: the writer was stopped in the middle
                note = f"{file}: line {number} broke off in the middle and is left out"
                notes.append(note)
                logging.warning("%s", note)
                continue
            raise InputError(f"{file}: line {number} is not JSON: {error.reason}") from error
        where = f"{file}: line {number}"
        if not isinstance(entry, dict):
            raise InputError(f"{where}: expected an object with fields key and text, found {_kind(entry)}")
        key = entry.get("key")
        if not isinstance(key, str):
            raise InputError(f"{where}: field 'key': expected a string, found {_kind(key)}")
        sample = entry.get("sample", counts.get(key, 0))
        if not _is_int(sample) or sample < 0:
            raise InputError(f"{where}: field 'sample': expected an integer ≥ 0, found {sample!r}")
        answer = _answer(where, entry, "text", sample)
        by_key.setdefault(key, {})[(sample, answer.pair, answer.model, answer.prompt)] = answer
        counts[key] = counts.get(key, 0) + 1
    return AnswerSet({key: list(answers.values()) for key, answers in by_key.items()}, tuple(notes))


def _answer(where: str, entry: Any, text_field: str, sample: int) -> Answer:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: expected an object with field {text_field!r}, found {_kind(entry)}")
    other = "text" if text_field == "table_response" else "table_response"
    name = text_field if text_field in entry or other not in entry else other
    text = entry.get(name)
    if not isinstance(text, str):
        found = "nothing" if name not in entry else _kind(text)
        raise InputError(f"{where}: field {name!r}: expected the answer's text (a string), found {found}")
    pair = [0, 1] if entry.get("pair") is None else entry["pair"]
    if not isinstance(pair, list) or len(pair) != 2 or not all(_is_int(i) and i >= 0 for i in pair):
        raise InputError(f"{where}: field 'pair': expected two people of the scene as [i, j], found {pair!r}")
    order = entry.get("order", "free")
    if order not in ORDERS:
        raise InputError(f"{where}: field 'order': expected one of {', '.join(ORDERS)}, found {order!r}")
    return Answer(
        text=text,
        pair=(pair[0], pair[1]),
        order=order,
        sample=sample,
        model=str(entry.get("model") or ""),
        prompt=str(entry.get("prompt") or ""),
        extra={field: value for field, value in entry.items() if field not in _KNOWN_FIELDS},
    )


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
