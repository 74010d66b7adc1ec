"""What `--inspect` says is what the answers say."""

from __future__ import annotations

from prosepose_jax.lmm import format_inspection, inspect_answers
from prosepose_jax.scene import Answer

HEAD = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n"
YOGA = "| Body Part 1 | Body Part 2 |\n|---|---|\n"


def test_histogram_rejections_and_coverage() -> None:
    answers = {
        "hug": [
            Answer(HEAD + "| hand | back |\n| wing | back |"),
            Answer(HEAD + "| back | palm |"),  # the other order, another word
            Answer(HEAD + "| hands | back |\n| wing | back |"),  # twice in one answer is one answer
            Answer("", extra={"refused": "SAFETY"}),
            Answer("  "),
        ],
        "sit": [Answer(YOGA + "| hand | foot |\n| foot | ground |")] * 3 + [Answer(YOGA + "| leg | chest |")],
        "nothing": [Answer("I see no contact.")],
    }
    hug, sit, nothing = found = list(inspect_answers(answers))
    assert hug.constraints == (("back", "hand", 3),) and (hug.usable, hug.refused, hug.empty) == (3, 1, 1)
    assert hug.rejected == (("wing | back", "unknown part 'wing'"),) * 2
    assert sit.alone and not hug.alone and (sit.needed, sit.usable) == (2, 3)
    assert sit.constraints == (("foot", "hand", 3), ("chest", "leg", 1))
    assert nothing.usable == 0 and nothing.constraints == ()
    text = format_inspection(found)
    assert "hug: two people, 5 answers, 3 usable, 1 refused, 1 empty, 2 rows rejected\n  back – hand (3 of 5)\n" in text
    assert "  foot – hand (3 of 4)\n  named in fewer than 2 answers and not used:\n    chest – leg (1 of 4)\n" in text
    assert "  no constraint" in text
    rejected = text[text.index("rejected rows (5)") :]
    assert rejected.index("3 × 'foot | ground': contact with the ground") < rejected.index("2 × 'wing | back': unknown")
    assert text.endswith(
        "coverage: 2 of 3 scenes or pairs have a usable answer; 6 of 10 answers (60.0 %) have a row that is used"
    )


def test_pairs_of_a_scene_are_told_apart() -> None:
    answers = {
        "three": [
            Answer(HEAD + "| hand | back |", pair=(0, 1), order="given"),
            Answer(HEAD + "| foot | leg |", pair=(1, 2)),
            Answer(HEAD + "| leg | foot |", pair=(2, 1)),
        ]
    }
    first, second = found = list(inspect_answers(answers))
    assert (first.pair, second.pair) == ((0, 1), (1, 2)) and second.constraints == (("foot", "leg", 2),)
    assert first.constraints == (("hand", "back", 1),)
    text = format_inspection(found)
    assert "three: people 0 and 1, 1 answer," in text and "three: people 1 and 2, 2 answers" in text


def test_scenes_say_how_many_people_there_are() -> None:
    answers = {"sit_0": [Answer("| hand | foot |")], "hug": [Answer("| hand | foot |")]}
    assert [one.alone for one in inspect_answers(answers)] == [False, False]
    assert [one.alone for one in inspect_answers(answers, people={"sit": 1, "hug": 2})] == [True, False]


def test_published_parser() -> None:
    answers = {"hug": [Answer(HEAD + "| palm | back |\n| hand | back |")]}
    (found,) = inspect_answers(answers, "published")
    assert found.constraints == (("back", "hand", 1),) and len(found.rejected) == 1


def test_no_answers() -> None:
    assert "0 of 0 scenes" in format_inspection(list(inspect_answers({})))
