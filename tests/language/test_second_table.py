"""The second table: known words alone are read, contacts are left alone, votes count whom they are about."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.contact.compile import PARSERS
from prosepose_jax.language import QUESTIONS, Votes, aligned, compile_votes, count_votes, parse_second_table
from prosepose_jax.language.vocabulary import MOST_VALUES
from prosepose_jax.scene import Answer

_CONTACTS = """They hug.

| Person 1 Body Part | Person 2 Body Part |
|---|---|
| left hand | back |
| chest | chest |
"""
_TABLE = """
| Question | Person 1 | Person 2 |
|---|---|---|
| age | adult | child |
| height | much taller | much shorter |
| distance to the camera | same | same |
| rests on feet | yes | no |
| rests on knees | no | yes |
| rests on seat | no | no |
| rests on back | no | no |
| rests on hands | no | yes |
| carried by | floor | unclear |
| faces | towards the other | sideways |
| posture | standing | kneeling |
"""
_PLACE = {question.name: place for place, question in enumerate(QUESTIONS)}


def _value(question: str, value: str) -> tuple[int, int]:
    return _PLACE[question], QUESTIONS[_PLACE[question]].index(value)


def _with(row: str, head: str = "| Question | Person 1 | Person 2 |") -> str:
    return f"{head}\n|---|---|---|\n{row}\n"


def test_a_table_is_read_whole():
    parsed = parse_second_table(_CONTACTS + _TABLE)
    assert not parsed.rejected and len(parsed.rows) == len(QUESTIONS)
    said = {QUESTIONS[row.question].name: row.values for row in parsed.rows}
    assert said["rests on hands"] == (1, 0) and said["carried by"] == (0, None)


@pytest.mark.parametrize("parser", sorted(PARSERS))
@pytest.mark.parametrize("mode", ["two_person", "self_contact"])
def test_contacts_are_read_as_without_the_second_table(parser, mode):
    head = _CONTACTS if mode == "two_person" else _CONTACTS.replace("Person 1 Body Part", "Body Part 1")
    alone = ("rests on feet | yes", "rests on hands | yes", "carried by | floor", "age | child")
    one = "\n| Question | Person |\n|---|---|\n" + "".join(f"| {row} |\n" for row in alone)
    table = _TABLE if mode == "two_person" else one
    assert PARSERS[parser](head + table, mode).rows == PARSERS[parser](head, mode).rows


def test_old_answers_say_nothing():
    assert parse_second_table(_CONTACTS) == parse_second_table("") == parse_second_table("I cannot tell.")
    votes = compile_votes([Answer(_CONTACTS)] * 3, 2)
    assert votes.said.shape == (3, 2, len(QUESTIONS), MOST_VALUES) and not votes.said.any()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("| shoe size | 44 | 38 |", "unknown question 'shoe size'"),
        ("| age | adult | 7 |", "unknown value '7', expected one of child, adult"),
        ("| age | adult |", "expected 3 cells, found 2"),
        ("| height | taller | taller |", "'taller' and 'taller' contradict"),
        ("| posture | standing, sitting | lying |", "unknown value 'standing, sitting'"),
        ("| age | adult | child |\n| age | child | adult |", "'age' is answered in two ways"),
        ("| __import__('os') | adult | child |", "unknown question"),
    ],
)
def test_what_is_not_understood_is_named_and_counts_for_nothing(row, reason):
    parsed = parse_second_table(_with(row))
    assert not parsed.rows and parsed.rejected and all(reason in why for _, why in parsed.rejected)


def test_another_heading_is_named():
    parsed = parse_second_table(_with("| age | adult | child |", "| Question | A | B |"))
    assert not parsed.rows and "expected the heading person 1 | person 2" in parsed.rejected[0][1]


def test_emphasis_and_capitals_are_read_over():
    parsed = parse_second_table(_with("| **Carried By** | `Other  Person` | FLOOR |"))
    assert parsed.rows[0].values == (2, 0) and not parsed.rejected


def test_questions_about_two_are_not_asked_about_one():
    one = "| Question | Person |\n|---|---|\n| height | taller |\n| faces | sideways |\n| posture | lying |\n"
    parsed = parse_second_table(one, 1)
    assert [QUESTIONS[row.question].name for row in parsed.rows] == ["posture"] and len(parsed.rejected) == 2


def test_every_relation_has_opposites_both_ways():
    for question in QUESTIONS:
        if question.opposites is not None:
            assert set(question.opposites) == set(question.values)
            assert all(question.opposites[other] == value for value, other in question.opposites.items())


def test_a_given_order_says_whom_an_answer_is_about():
    answers = [
        Answer(_TABLE, order="given"),
        Answer(_TABLE, pair=(1, 0), order="given"),
        Answer(_TABLE, pair=(0, 2), order="given"),
        Answer(_TABLE),
    ]
    votes = compile_votes(answers, 3)
    age, child = _value("age", "child")
    np.testing.assert_array_equal(votes.said[:, :, age, child], [[False, True], [True, False], [False, True]])
    np.testing.assert_array_equal(votes.free, [False, False, True])


def test_free_answers_are_turned_to_agree():
    lines = [line.split("|") for line in _TABLE.splitlines()]
    exchanged = ["|".join([*c[:2], c[3], c[2], *c[4:]]) if len(c) > 3 else "|".join(c) for c in lines]
    turned = "\n".join(exchanged).replace("| Person 2 | Person 1 |", "| Person 1 | Person 2 |")
    votes = aligned(compile_votes([Answer(_CONTACTS), Answer(_TABLE), Answer(turned), Answer(_TABLE)], 2))
    counts, answered = count_votes(votes)
    age, child = _value("age", "child")
    assert counts[:, age, child].tolist() == [0, 3] and answered[:, age].tolist() == [3, 3]
    known = aligned(compile_votes([Answer(turned), Answer(_TABLE), Answer(turned, order="given")], 2))
    assert count_votes(known)[0][:, age, child].tolist() == [3, 0]


def test_alignment_changes_no_known_order_and_no_single_person():
    rng = np.random.default_rng(0)
    said = rng.random((6, 2, len(QUESTIONS), MOST_VALUES)) < 0.3
    known = Votes(said, np.zeros(6, bool))
    np.testing.assert_array_equal(aligned(known).said, said)
    alone = Votes(said[:, :1], np.zeros(6, bool))
    np.testing.assert_array_equal(aligned(alone).said, said[:, :1])


def test_any_text_is_survived():
    rng = np.random.default_rng(1)
    letters = [*"| \nabeQquestionpersn12,-/*_`", "| Question | Person 1 | Person 2 |\n", "| age | adult | child |\n"]
    for _ in range(300):
        text = "".join(rng.choice(letters, size=120))
        parsed = parse_second_table(text)
        assert all(len(row.values) == 2 for row in parsed.rows)
