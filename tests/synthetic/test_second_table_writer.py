"""Simulated second tables: what is true is told, wrong at the stated rates, and contacts stay as they were."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prosepose_jax.body.keypoints import Body25
from prosepose_jax.language import QUESTIONS, aligned, compile_votes, count_votes, parse_second_table, question_names
from prosepose_jax.scene import Answer
from prosepose_jax.synthetic.answers import MIDDLE, simulate_answers
from prosepose_jax.synthetic.facts import Facts, facts_about
from prosepose_jax.synthetic.levels import LEVELS
from prosepose_jax.synthetic.measure import Contacts
from prosepose_jax.synthetic.second_table import TableNoise, TableWriter

_SURE = TableNoise().scaled(0.0)
_FLOOR = (np.array([0.0, 1.0, 4.0]), np.array([0.0, -1.0, 0.0]))


def _person(x: float = 0.0, z: float = 4.0, hips: float = 0.95, facing: float = 1.0) -> np.ndarray:
    """BODY_25 of somebody upright in the camera frame; `facing` 1 looks to the picture's right, -1 to its left."""
    points = np.full((25, 3), (x, 1.0 - hips - 0.3, z))
    points[Body25.MID_HIP] = (x, 1.0 - hips, z)
    points[Body25.NECK] = (x, 1.0 - hips - 0.5, z)
    # Who looks to the right has the left shoulder away from the camera.
    points[Body25.LEFT_SHOULDER] = (x, 1.0 - hips - 0.45, z + 0.2 * facing)
    points[Body25.RIGHT_SHOULDER] = (x, 1.0 - hips - 0.45, z - 0.2 * facing)
    for knee in (Body25.LEFT_KNEE, Body25.RIGHT_KNEE):
        points[knee] = (x, 1.0 - hips / 2, z)
    for foot in (Body25.LEFT_HEEL, Body25.RIGHT_HEEL, Body25.LEFT_BIG_TOE, Body25.RIGHT_BIG_TOE):
        points[foot] = (x, 0.97, z)
    return points


def _facts(keypoints: np.ndarray, statures=(1.7, 1.7), kids=(0.0, 0.0)) -> Facts:
    count = len(keypoints)
    return facts_about(
        keypoints, _FLOOR, np.array(statures[:count]), np.array(kids[:count]), keypoints[:, Body25.MID_HIP]
    )


def test_two_who_stand_face_to_face():
    facts = _facts(np.stack([_person(-0.3), _person(0.3, 4.5, facing=-1.0)]), (1.8, 1.5))
    assert facts["posture"] == ("standing", "standing") and facts["faces"] == ("towards the other",) * 2
    assert facts["height"] == ("much taller", "much shorter")
    assert facts["distance to the camera"] == ("nearer", "farther")
    assert facts["rests on feet"] == ("yes", "yes") and facts["rests on knees"] == ("no", "no")


def test_backs_turned_and_about_as_tall():
    facts = _facts(np.stack([_person(-0.3, facing=-1.0), _person(0.3)]), (1.70, 1.72))
    assert facts["faces"] == ("away from the other",) * 2
    assert facts["height"] == ("same", "same") == facts["distance to the camera"]


@pytest.mark.parametrize(
    ("hips", "knees", "neck", "posture"),
    [
        (0.5, 0.4, None, "crouching"),
        (0.5, 0.08, None, "kneeling"),
        (0.12, 0.4, None, "sitting"),
        (0.1, 0.1, 0.1, "lying"),
    ],
)
def test_postures(hips, knees, neck, posture):
    person = _person(hips=hips)
    person[[Body25.LEFT_KNEE, Body25.RIGHT_KNEE], 1] = 1.0 - knees
    if neck is not None:
        person[Body25.NECK, 1] = 1.0 - neck
    assert _facts(person[None])["posture"] == (posture,)


def test_who_touches_no_floor_is_carried():
    facts = _facts(np.stack([_person(), _person(0.3) - (0.0, 0.5, 0.0)]), kids=(0.0, 0.6))
    assert facts["carried by"] == ("floor", "other person") and facts["posture"] == ("standing", "")
    assert facts["age"] == ("adult", "child")


@pytest.mark.parametrize("people", [1, 2])
def test_every_fact_is_of_the_vocabulary_and_every_question_has_one(people):
    facts = _facts(np.stack([_person(0.4 * k) for k in range(people)]))
    assert set(facts) == set(question_names(people))
    values = {question.name: question.values for question in QUESTIONS}
    assert all(value in values[name] for name, row in facts.items() for value in row)


@pytest.mark.parametrize("swapped", [False, True])
def test_without_errors_the_truth_is_told(swapped):
    facts = _facts(np.stack([_person(-0.3), _person(0.3, 4.5)]), (1.8, 1.5), (0.0, 0.5))
    parsed = parse_second_table(TableWriter(facts, _SURE, np.random.default_rng(0)).write(swapped))
    assert not parsed.rejected
    said = {QUESTIONS[r.question].name: tuple(QUESTIONS[r.question].values[v] for v in r.values) for r in parsed.rows}
    assert said == {name: row[::-1] if swapped else row for name, row in facts.items()}


def test_rows_are_wrong_at_their_rates_and_mistakes_repeat():
    facts = _facts(np.stack([_person(-0.3), _person(0.3)]), (1.8, 1.5))
    noise = TableNoise()
    wrong = {question.name: [] for question in QUESTIONS}
    for seed in range(300):
        writer = TableWriter(facts, dataclasses.replace(noise, absent=0.0, unclear=0.0), np.random.default_rng(seed))
        tables = [parse_second_table(writer.write(False)) for _ in range(8)]
        for name, shares in wrong.items():
            shares.append(np.mean([_said(table, name) != facts[name] for table in tables]))
    for name, shares in wrong.items():
        rate = noise.wrong(name)
        assert np.mean(shares) == pytest.approx(rate, abs=0.045), name
        assert np.std(shares) > 1.5 * np.sqrt(rate * (1 - rate) / 8), name


def _said(table, name: str) -> tuple[str, ...]:
    row = next(row for row in table.rows if QUESTIONS[row.question].name == name)
    return tuple(QUESTIONS[row.question].values[value] for value in row.values)


def test_absent_tables_and_open_cells_come_at_their_rates():
    facts = _facts(np.stack([_person(-0.3), _person(0.3)]))
    writer = TableWriter(facts, TableNoise(), np.random.default_rng(1))
    texts = [writer.write(False) for _ in range(600)]
    assert np.mean([not text for text in texts]) == pytest.approx(0.05, abs=0.025)
    cells = [cell for text in texts for cell in text.split("|") if cell.strip() in ("unclear", "adult")]
    assert np.mean(["unclear" in cell for cell in cells]) > 0.05


def test_the_second_table_changes_nothing_in_the_first():
    contacts = Contacts(np.zeros((0, 2), np.int32), (pair := (("left hand", "back"), ("chest", "chest"))),
                        dict.fromkeys(pair, 5))  # fmt: skip
    facts = _facts(np.stack([_person(-0.3), _person(0.3)]))
    plain = simulate_answers(contacts, 2, np.random.default_rng(3))
    told = simulate_answers(
        contacts, 2, np.random.default_rng(3), noise=dataclasses.replace(MIDDLE, second=TableNoise()), facts=facts
    )
    assert all(more.startswith(text) for text, more in zip(plain, told, strict=True)) and told != plain


def test_votes_of_simulated_answers_name_the_truth():
    facts = _facts(np.stack([_person(-0.3), _person(0.3, 4.5, facing=-1.0)]), (1.8, 1.3), (0.0, 0.6))
    noise = LEVELS["middle"].with_second_table().with_order("given", 0.0).answers
    contacts = Contacts(np.zeros((0, 2), np.int32), (("left hand", "back"),), {("left hand", "back"): 5})
    right = asked = 0
    for seed in range(20):
        texts = simulate_answers(contacts, 2, np.random.default_rng(seed), noise=noise, facts=facts)
        votes = aligned(compile_votes([Answer(text, order="given") for text in texts], 2))
        counts, answered = count_votes(votes)
        assert (counts.sum(-1) == answered).all()
        for place, question in enumerate(QUESTIONS):
            for person in range(2):
                right += question.values[int(counts[person, place].argmax())] == facts[question.name][person]
                asked += 1
    assert right / asked > 0.85


def test_rates_out_of_range_are_refused():
    with pytest.raises(ValueError, match="age: expected a rate"):
        TableNoise(age=1.5)
    with pytest.raises(ValueError, match="factor"):
        LEVELS["middle"].with_second_table(-1.0)
