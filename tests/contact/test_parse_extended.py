"""The extended parser: reviewed answers, and texts that nobody would write."""

from __future__ import annotations

import time

import pytest
import reviewed
from hypothesis import given, settings
from hypothesis import strategies as st

from prosepose_jax.contact._phrases import read_cell
from prosepose_jax.contact.parse import parse_published
from prosepose_jax.contact.parse_extended import parse_extended
from prosepose_jax.contact.synonyms import SYNONYMS
from prosepose_jax.contact.vocabulary import NAME_PARTS

ANSWERS = reviewed.load()

# Forms that hold no table, or one turned on its side: out of reach, and in the set to keep its figures honest.
NOT_READ = {
    "arrows, no table", "transposed", "json strings", "yaml", "list instead of a table",
}  # fmt: skip


@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.style not in NOT_READ], ids=lambda answer: answer.style)
def test_reviewed_answer_is_read_as_intended(answer):
    assert answer.found(parse_extended) == answer.intended()


def test_precision_and_recall_on_the_reviewed_answers():
    assert len(ANSWERS) >= 150
    published = reviewed.precision_recall(parse_published, ANSWERS)
    extended = reviewed.precision_recall(parse_extended, ANSWERS)
    print(f"published {published}, extended {extended}")
    assert extended[0] > 0.99 and extended[1] > 0.95
    assert published[0] < extended[0] and published[1] < 0.5


def test_synonyms_can_be_switched_off_and_name_known_parts():
    text = "| Person 1 | Person 2 |\n|---|---|\n| palm | back |\n| Hands | **back** |"
    assert len(parse_extended(text).rows) == 3
    without = parse_extended(text, synonyms=False)
    assert len(without.rows) == 2
    assert without.rejected == (("palm | back", "unknown part 'palm'"),)
    assert {name for names in SYNONYMS.values() for name in names} <= set(NAME_PARTS) | {"ground"}


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("backpack", "unknown part"),
        ("head neck", "more than one part"),
        ("hand (not touching)", "no contact"),
        ("almost the hand", "no contact"),
        ("left", "unknown part"),
        ("x" * 200, "a sentence"),
        ("hand/" * 30, "too many alternatives"),
    ],
)
def test_cells_that_are_not_understood_say_why(cell, reason):
    # One name repeated is one alternative; many different ones are too many.
    if "alternatives" in reason:
        cell = "hand/arm/leg/foot/head/neck/back/butt/chest/stomach"
    found = read_cell(cell)
    assert not found.items and reason in found.reason


def test_every_plain_table_reads_the_same_with_both_parsers():
    text = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n" + "\n".join(
        f"| {name} | {other} |" for name, other in zip(NAME_PARTS, reversed(NAME_PARTS), strict=True)
    )
    assert [row.options for row in parse_extended(text).rows] == [row.options for row in parse_published(text).rows]


ADVERSARIAL = {
    "pipes": "|" * 20_000,
    "rules": "|" + "-" * 20_000 + "x|",
    "brackets": '"' + "[" * 20_000,
    "objects": '{"a":' * 5_000 + '"',
    "open tags": "<td" * 5_000,
    "many tables": "<table><tr>" * 2_000,
    "slashes": "|" + "hand/" * 3_000 + "|" + "arm/" * 3_000 + "|",
    "rows": "\n".join(f"|h{k}|b{k}|" for k in range(2_000)),
    "parentheses": "| " + "(" * 150 + " | b |\n",
    "sides": ("| " + "left " * 30 + " | " + "right " * 26 + "|\n") * 50,
    "digits": '"' + "[" + "9" * 6_000 + "]",
    "surrogates": "\u202e|\u0000|\ud800|",
    "code": "| hand | __import__('os').abort() |\n| {0.__class__} | %s%n |",
    "broken json": '"' + '{"a":"hand","b":"back"}\n' * 300 + '{"a":',
}


@pytest.mark.parametrize("parse", [parse_published, parse_extended])
@pytest.mark.parametrize("mode", ["two_person", "self_contact"])
@pytest.mark.parametrize("text", ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_adversarial_texts_take_no_time(text, mode, parse):
    fastest = min(_seconds(parse, text, mode) for _ in range(3))
    assert fastest < 0.1  # about 10 ms on an idle machine; a quadratic pattern takes seconds


def _seconds(parse, text, mode) -> float:
    start = time.process_time()
    parse(text, mode)
    return time.process_time() - start


PIECE = st.one_of(
    st.sampled_from(
        ["|", "\n", "|---|", "hand", "left", "/", " and ", "{", "}", "[", "]", '"', ":", ",", "<tr>", "<td>",
         "</table>", "```", "(", ")", "Person 1", "front", "none", "*", "n/a", "1.", "\\|", "&amp;", "back", "both"]
    ),
    st.text(max_size=5),
)  # fmt: skip


@pytest.mark.heavy
@settings(max_examples=300, deadline=None)
@given(st.lists(PIECE, max_size=60).map("".join), st.sampled_from(["two_person", "self_contact"]))
def test_no_text_raises(text, mode):
    for parse in (parse_published, parse_extended):
        parsed = parse(text, mode)
        names = {name for row in parsed.rows for option in row.options for name in option}
        assert names <= set(NAME_PARTS)
        assert all(row.options for row in parsed.rows)
