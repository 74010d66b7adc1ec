"""What points do to answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from prosepose_jax.ablation.answers import AnswerChange, annotated_answer, changed
from prosepose_jax.contact import compile_answers
from prosepose_jax.errors import InputError
from prosepose_jax.io import load_scenes
from prosepose_jax.scene import Answer, Scene


@pytest.fixture
def scene(inputs: Path) -> Scene:
    return load_scenes(inputs / "scenes")[0]


def test_the_first_answers_and_their_order(scene: Scene) -> None:
    answers = [Answer(f"| hand | back |\n{k}") for k in range(5)]
    assert changed(answers, scene, AnswerChange()) == answers
    assert changed(answers, scene, AnswerChange(first=2)) == answers[:2]
    assert changed(answers, scene, AnswerChange(first=9)) == answers
    given = changed(answers, scene, AnswerChange(first=3, order="given"))
    assert [a.order for a in given] == ["given"] * 3 and [a.text for a in given] == [a.text for a in answers[:3]]


def test_the_oracle_says_what_is_annotated(scene: Scene) -> None:
    (answer,) = changed([Answer("| leg | leg |")] * 4, scene, AnswerChange(oracle="sides"))
    program = compile_answers([answer], parser="extended")
    assert {(a, b) for a, b, _ in program.constraints} == set(scene.gt_contacts or ())
    assert answer.order == "given" and not program.rejected
    open_sides = compile_answers([annotated_answer(scene, sides=False)], parser="extended")
    assert {(a, b) for a, b, _ in open_sides.constraints} == {("hand", "hand")}
    assert len(open_sides.arrays.coupled[0, 0]) == 1  # two rows that must use both hands


def test_the_oracle_needs_annotations(scene: Scene) -> None:
    with pytest.raises(InputError, match="has no gt_contacts"):
        changed([], dataclasses.replace(scene, gt_contacts=None), AnswerChange(oracle="sides"))
