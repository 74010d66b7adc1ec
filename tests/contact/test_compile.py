"""What becomes of an answer on its way to arrays: counting, dropping, reporting, refusing."""

from __future__ import annotations

import brute_force
import jax
import numpy as np
import pytest

from prosepose_jax.contact import PART_REGIONS, PARTS, compile_answers
from prosepose_jax.contact.vocabulary import NAME_PARTS, PART_OVERLAP, PROMPT_NAMES, SIDED_PLURALS
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Answer


def test_parts_are_those_of_the_method():
    wanted = brute_force.coarse_parts()
    assert set(PARTS) == set(wanted)
    for part, row in zip(PARTS, PART_REGIONS, strict=True):
        assert set(np.flatnonzero(row)) == set(wanted[part])


def test_left_and_right_parts_mirror_each_other():
    from prosepose_jax.body.region_table import MIRROR_REGION

    mirror = np.asarray(MIRROR_REGION)
    for part, row in zip(PARTS, PART_REGIONS, strict=True):
        other = PARTS.index(part.replace("left ", "right ")) if part.startswith("left ") else None
        if other is not None:
            assert set(mirror[np.flatnonzero(row)]) == set(np.flatnonzero(PART_REGIONS[other]))


def test_names_and_overlaps():
    assert NAME_PARTS["hand"] == (PARTS.index("left hand"), PARTS.index("right hand"))
    assert set(PROMPT_NAMES) <= set(NAME_PARTS)
    assert SIDED_PLURALS["feet"] == "foot"
    assert PART_OVERLAP[PARTS.index("back"), PARTS.index("waist")]
    assert not PART_OVERLAP[PARTS.index("left hand"), PARTS.index("left arm")]


def test_program_reports_usable_answers_constraints_and_rejections():
    program = compile_answers(
        ["| hand | back |\n| elbow | back |", "They stand apart.", "| back | hand |\n| hand | back |"]
    )
    assert program.num_answers == 3
    assert program.usable.tolist() == [True, False, True]
    assert program.num_usable == 2
    assert program.rejected == ((0, "elbow | back", "unknown part 'elbow'"),)
    assert program.constraints == (("back", "hand", 2),)


def test_given_order_keeps_who_is_who_in_the_constraints():
    program = compile_answers(["| hand | back |", "| back | hand |"], order="given")
    assert program.constraints == (("back", "hand", 1), ("hand", "back", 1))


def test_self_contact_needs_agreement():
    texts = ["| hand | foot |", "| feet | hands |", "| arm | leg |"]
    program = compile_answers(texts, num_people=1)
    assert program.constraints == (("foot", "hand", 2),)
    assert program.usable.tolist() == [True, True, False]
    assert program.rejected == ((2, "arm | leg", "named 1 times in 3 answers, 2 needed"),)
    assert compile_answers(texts, num_people=1, min_count=1).num_usable == 3
    assert compile_answers(texts, num_people=1, min_count=3).num_usable == 0


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_self_contact_default_count_is_half_the_answers(count):
    needed = {1: 1, 2: 1, 5: 3, 20: 10}[count]
    rows = ["| hand | foot |"] * needed + [""] * (count - needed)
    assert compile_answers(rows, num_people=1).num_usable == needed
    if needed > 1:
        assert compile_answers([*rows[1:], ""], num_people=1).num_usable == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("back | back", "same part"),
        ("left hand | left hands", "same part"),
        ("back | waist", "overlap"),
        ("waist | stomach", "overlap"),
        ("neck | back", "overlap"),
        ("back | shoulder", "overlap"),
        ("shoulder (front) | shoulder", "overlap"),
        ("hand | ground", "ground"),
        ("hand/arm | leg", "unknown"),
    ],
)
def test_self_contact_drops_what_cannot_touch(row, reason):
    program = compile_answers([f"| {row} |"], num_people=1)
    assert program.num_usable == 0
    assert len(program.rejected) == 1 and reason in program.rejected[0].reason


@pytest.mark.parametrize("row", ["hand | hand", "shoulder (front) | back", "left foot | right foot", "heads | legs"])
def test_self_contact_keeps_what_can(row):
    assert compile_answers([f"| {row} |"], num_people=1).num_usable == 1


def test_any_number_of_answers_and_people():
    assert compile_answers([]).num_answers == 0
    assert compile_answers([], num_people=1).arrays.pairs.tolist() == [[0, 0]]
    program = compile_answers([Answer("| hand | foot |")], num_people=1)  # a record's default pair is person 0
    assert program.mode == "self_contact" and program.arrays.pairs.tolist() == [[0, 0]]
    three = compile_answers(["| hand | foot |"] * 3, num_people=4, pairs=[(0, 3), (3, 0), (1, 2)])
    assert three.arrays.pairs.tolist() == [[0, 3], [1, 2]]
    np.testing.assert_allclose(three.arrays.weights, [0.5, 0.5, 1.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "three_person"}, "mode"),
        ({"parser": "best"}, "parser"),
        ({"order": "any"}, "order"),
        ({"pairs": (0, 2)}, "scene of 2"),
        ({"pairs": (1, 1)}, "two different people"),
        ({"pairs": [(0, 1), (0, 1)]}, "one pair for each"),
        ({"num_people": 1, "mode": "two_person"}, "scene of 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        compile_answers(["| hand | foot |"], **arguments)
    with pytest.raises(InputError, match="text"):
        compile_answers([None])  # type: ignore[list-item]


def test_one_text_is_no_list_of_texts():
    for one in ("| hand | foot |", "", Answer("| hand | foot |")):
        with pytest.raises(InputError, match="list of texts"):
            compile_answers(one)  # type: ignore[arg-type]


def test_programs_hold_data_only():
    """No text, no code: every leaf is an integer or float array, and programs are hashable apart from them."""
    program = compile_answers(["| hands | __import__('os').system('x') |\n| hand | back |"])
    leaves, structure = jax.tree.flatten(program)
    assert {np.asarray(leaf).dtype for leaf in leaves} == {np.dtype(np.int32), np.dtype(np.float32)}
    hash(structure)
