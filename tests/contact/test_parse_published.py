"""The published parser, sentence by sentence of docs/method.md, "Answers and rows"."""

from __future__ import annotations

import brute_force
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosepose_jax.contact.parse import parse_published


def rows(text: str, mode: str = "two_person") -> list[tuple[str, str]]:
    parsed = parse_published(text, mode)
    assert all(len(row.options) == 1 for row in parsed.rows)
    return [tuple(row.options[0]) for row in parsed.rows]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        # A row is a line with at least two pipes; cells 1 and 2 are read.
        ("| hand | back |", [("hand", "back")]),
        ("| hand | back", [("hand", "back")]),
        ("see | hand | back | and more |", [("hand", "back")]),
        ("hand | back |", []),  # a leading pipe is needed
        ("hand | back", []),
        ("|hand|back|", [("hand", "back")]),
        # All tables of an answer count.
        ("| hand | back |\ntext\n\n| head | head |", [("hand", "back"), ("head", "head")]),
        ("| hand | back |\n| hand | back |", [("hand", "back")] * 2),
        # Lower-cased and split at "/": every combination is a row.
        ("| HAND | Back |", [("hand", "back")]),
        ("| hand/arm | back |", [("hand", "back"), ("arm", "back")]),
        (
            "| hand / arm | back/neck |",
            [("hand", "back"), ("hand", "neck"), ("arm", "back"), ("arm", "neck")],
        ),
        # A name outside the vocabulary drops its row, and only its combination.
        ("| head, neck | back |", []),
        ("| arm (forearm) | back |", []),
        ("| heads | back |", []),
        ("| left hands | back |", []),
        ("| **hand** | back |", []),
        ("| hand/elbow | back |", [("hand", "back")]),
        ("| hand | |", []),
        # Plurals of sided parts add the row twice, both plural: still twice.
        ("| hands | back |", [("hand", "back")] * 2),
        ("| hand | feet |", [("hand", "foot")] * 2),
        ("| hands | feet |", [("hand", "foot")] * 2),
        ("| shoulders (front) | back |", [("shoulder (front)", "back")] * 2),
        ("| hands/head | back |", [("hand", "back")] * 2 + [("head", "back")]),
        # Sides stay; parts with a place in brackets are names of their own.
        ("| left hand | right shoulder (back) |", [("left hand", "right shoulder (back)")]),
        ("| waist (front) | waist (back) |", [("waist (front)", "waist (back)")]),
    ],
)
def test_two_person_rows(text, wanted):
    assert rows(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("| hand/arm | back |", []),  # no splitting
        ("| hands | feet |", [("hand", "foot")]),  # singularised, once
        ("| heads | left hands |", [("head", "left hand")]),
        ("| hand | ground |", []),
        ("| Foot | Leg |", [("foot", "leg")]),
    ],
)
def test_self_contact_rows(text, wanted):
    assert rows(text, "self_contact") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("| Person 1 Body Part | Person 2 Body Part |\n|---|:---:|\n| hand | back |", []),
        ("| | |\n|  |  |", []),
        ("| elbow | back |", [("elbow | back", "unknown part 'elbow'")]),
        ("| hand/hip | back |", [("hip | back", "unknown part 'hip'")]),
        ("| none | none |", [("none | none", "unknown part 'none'")]),
    ],
)
def test_only_rows_are_rejected_never_headings(text, wanted):
    assert list(parse_published(text).rejected) == wanted


def test_a_row_of_endless_alternatives_is_rejected_as_one():
    parsed = parse_published("| " + "hand/" * 500 + " | " + "arm/" * 500 + " |")
    assert not parsed.rows
    assert [reason for _, reason in parsed.rejected] == ["too many alternatives"]
    assert len(parsed.rejected[0][0]) <= 200


CELL = st.sampled_from(
    [
        "hand",
        "Hands",
        "left foot",
        "feet",
        "back",
        "waist (front)",
        "head, neck",
        "elbow",
        "",
        "hand/arm",
        " leg /x",
        "-",
    ]
)
LINE = st.one_of(
    st.builds("| {} | {} |".format, CELL, CELL),
    st.builds("{} | {} |".format, CELL, CELL),
    st.builds("| {} | {} | {}".format, CELL, CELL, CELL),
    st.text(max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINE, max_size=8).map("\n".join))
def test_any_text_reads_as_the_independent_reading(text):
    assert sorted(rows(text)) == sorted(brute_force.two_person_rows(text))
