"""Prompts: packaged ones ask for what the parsers understand, faulty files are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prosepose_jax.contact.parse import parse_published
from prosepose_jax.contact.parse_extended import parse_extended
from prosepose_jax.contact.vocabulary import AMBIGUOUS_NAMES, NAME_PARTS, PROMPT_NAMES
from prosepose_jax.errors import InputError
from prosepose_jax.language import QUESTIONS, parse_second_table
from prosepose_jax.lmm import load_prompt, parse_prompt, prompt_names

GOOD = """# a comment
id: mine
people: 2
input: image
columns: A | B
parts: hand, back
free: You choose.
marked: Red is first.

[system]
{who} Use {parts}.
{header}

[user]
Where do they touch?
"""


@pytest.mark.parametrize("name", prompt_names())
def test_packaged_prompts_are_filled_in(name: str) -> None:
    prompt = load_prompt(name)
    assert prompt.id == name
    told = prompt.told(False)
    left = set(re.findall(r"\{[a-z_]+\}", told.system + told.user))
    assert left == ({"{caption}"} if prompt.input == "caption" else set())
    assert prompt.columns == () or f"| {prompt.columns[0]} | {prompt.columns[1]} |\n|---|---|" in told.system
    for part in prompt.parts:
        assert re.search(rf"(?<![a-z]){re.escape(part)}(?![a-z])", told.system), part
    if prompt.people == 2 and prompt.input == "image":
        assert "red box" in prompt.told(True).system and "red box" not in told.system


@pytest.mark.parametrize("name", [name for name in prompt_names() if load_prompt(name).parts])
def test_a_model_that_does_as_told_is_understood_by_every_parser(name: str) -> None:
    """The prompt's own columns and every name it offers, as rows of a table."""
    prompt = load_prompt(name)
    mode = "self_contact" if prompt.people == 1 else "two_person"
    parts = [part for part in prompt.parts if part != "ground"]
    table = f"| {' | '.join(prompt.columns)} |\n|---|---|\n" + "".join(
        f"| {one} | {two} |\n" for one, two in zip(parts, reversed(parts), strict=True)
    )
    for parse in (parse_published, parse_extended):
        found = parse("I think.\n\n" + table, mode)
        assert len(found.rows) == len(parts) and not found.rejected
    assert set(parts) <= set(NAME_PARTS)


def test_the_list_of_parts_is_the_vocabulary() -> None:
    assert load_prompt("two_people").parts == PROMPT_NAMES
    assert load_prompt("yoga").parts == (*PROMPT_NAMES, "ground")
    sides = load_prompt("two_people_sides").parts
    assert {"left hand", "right shoulder (back)", "head"} <= set(sides)
    assert not set(sides) & set(AMBIGUOUS_NAMES)
    assert "hugging" in load_prompt("two_people_actions").system


def test_the_second_table_asks_for_what_its_parser_reads() -> None:
    system = load_prompt("two_people_beyond").told(False).system
    for question in QUESTIONS:
        assert f"- {question.name}: {', '.join(question.values)}" in system
    head = system[system.index("| Question |") :].splitlines()[:2]
    cells = [f"| {q.name} | {q.values[0]} | {(q.opposites or {}).get(q.values[0], q.values[0])} |" for q in QUESTIONS]
    assert not parse_second_table("\n".join([*head, *cells]), 2).rejected
    assert len(parse_second_table("\n".join([*head, *cells]), 2).rows) == len(QUESTIONS)


def test_own_prompt(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(GOOD, encoding="utf-8")
    prompt = load_prompt(str(file)).told(False)
    assert prompt.system == "You choose. Use hand, back.\n| A | B |\n|---|---|" and prompt.parts == ("hand", "back")
    assert prompt.user == "Where do they touch?"
    # The name changes with the text and only with it.
    again = parse_prompt(GOOD.replace("# a comment", "# another"), "x").told(False)
    assert again.name == prompt.name and prompt.name.startswith("mine@")
    names = {parse_prompt(GOOD, "x").told(True).name, parse_prompt(GOOD.replace("Where", "How"), "x").told(False).name}
    assert len({prompt.name, *names}) == 3


def test_json_in_a_prompt_is_no_placeholder() -> None:
    prompt = parse_prompt(GOOD.replace("Where do", 'Answer {"a": ["hand"]} {} or {A}. Where do'), "x")
    assert '{"a": ["hand"]} {} or {A}' in prompt.user


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("people: 2", "people: 3", ("field people", "1 or 2", "'3'")),
        ("people: 2\n", "", ("field people is missing",)),
        ("input: image", "input: sound", ("field input", "image, caption", "'sound'")),
        ("columns: A | B", "columns: A", ("field columns", "two headings")),
        ("parts: hand, back", "parts: hand, bakc", ("'bakc'", "did you mean back")),
        ("parts: hand, back", "parts: ground", ("'ground'", "vocabulary")),
        ("free:", "freee:", ("header line 'freee: You choose.'", "expected 'field: value'")),
        ("id: mine", "id: mine\nid: other", ("field id: given twice",)),
        ("{who}", "{whom}", ("[system]", "unknown placeholder {whom}", "{who}")),
        ("{who}", "{actions}", ("{actions} needs a line 'actions:'",)),
        ("[user]", "[person]", ("sections [system] and [user]",)),
        ("[user]", "[system]", ("sections [system] and [user]",)),
        ("Where do", "{caption} Where do", ("{caption} when, and only when",)),
        ("input: image", "input: caption", ("{caption} when, and only when",)),
        ("people: 2", "people: 2\nsides: maybe", ("field sides", "yes or no")),
    ],
)
def test_faults_are_named(old: str, new: str, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        parse_prompt(GOOD.replace(old, new, 1), "my/prompt.txt")
    assert str(error.value).startswith("my/prompt.txt: ") and all(word in str(error.value) for word in words)


def test_unknown_names_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean two_people"):
        load_prompt("two_poeple")
    (tmp_path / "latin").write_bytes(b"id: caf\xe9")
    with pytest.raises(InputError, match="UTF-8"):
        load_prompt(str(tmp_path / "latin"))
    with pytest.raises(InputError, match="'marked:'"):
        load_prompt("yoga").told(True)
