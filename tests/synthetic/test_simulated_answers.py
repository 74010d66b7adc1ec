"""Simulated answers: the parser reads them, the rates are what they say, the seed decides."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prosepose_jax.contact import compile_answers
from prosepose_jax.contact.vocabulary import NAME_PARTS
from prosepose_jax.synthetic.answers import _NEIGHBOURS, _SINGULAR, MIDDLE, simulate_answers
from prosepose_jax.synthetic.levels import LEVELS
from prosepose_jax.synthetic.measure import Contacts

_HUG = {("left hand", "back"): 9, ("right hand", "back"): 7, ("back", "right hand"): 6, ("chest", "chest"): 4,
        ("left arm", "right shoulder (front)"): 3, ("head", "neck"): 1}  # fmt: skip
_TREE = {("left foot", "right leg"): 5, ("left hand", "right hand"): 9}


def _contacts(strength: dict[tuple[str, str], int]) -> Contacts:
    return Contacts(np.zeros((0, 2), np.int32), tuple(strength), strength)


def _rows(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def test_every_row_is_usable_by_the_published_parser():
    for seed in range(10):
        texts = simulate_answers(_contacts(_HUG), 2, np.random.default_rng(seed), name="hug")
        program = compile_answers(texts, num_people=2, mode="two_person", parser="published")
        header = {"person 1 body part"}
        bad = [r for r in program.rejected if not any(h in str(r).lower() for h in header) and "--" not in str(r)]
        assert not bad
        assert program.num_answers == 20
        assert program.usable.sum() >= 12 if hasattr(program.usable, "sum") else program.usable >= 12


def test_neighbours_are_names_of_the_vocabulary():
    for name, others in _NEIGHBOURS.items():
        assert name in NAME_PARTS and set(others) <= set(NAME_PARTS) and name not in others


def test_the_seed_decides():
    first, second, other = (simulate_answers(_contacts(_HUG), 2, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first == second != other
    assert len(set(first)) > 10


def test_without_noise_the_answers_name_every_contact_and_nothing_else():
    sure = dataclasses.replace(
        MIDDLE,
        blind=0.0,
        seen=(1e6, 1e-3),
        weak_seen=(1e6, 1e-3),
        confused=0.0,
        slip=0.0,
        imagined=0.0,
        random_row=0.0,
        clear_seen=(1e6, 1e-3),
        plural=0.0,
        alternative=0.0,
        empty=0.0,
        prose=0.0,
        swapped=0.0,
        generic=0.0,
    )
    for text in simulate_answers(_contacts(_HUG), 2, np.random.default_rng(0), noise=sure):
        assert set(_rows(text)) == {
            ("hand", "back"), ("back", "hand"), ("chest", "chest"), ("arm", "shoulder (front)"), ("head", "neck")
        }  # fmt: skip


def test_rates_of_empty_prose_and_swapped_answers():
    texts = [t for s in range(60) for t in simulate_answers(_contacts(_HUG), 2, np.random.default_rng(s))]
    prose = np.mean([("|" not in t) for t in texts])
    assert abs(prose - MIDDLE.prose) < 0.015
    # Truth has "arm" on person 0 only: how often it stands in the second column tells the swaps.
    rows = [r for t in texts for r in _rows(t)]
    arm_first, arm_second = (np.sum([r[k] == "arm" and r[1 - k].startswith("shoulder") for r in rows]) for k in (0, 1))
    assert abs(arm_second / (arm_first + arm_second) - MIDDLE.swapped) < 0.1
    joined = "\n".join(texts)
    assert "| hands |" in joined and "hand/arm" in joined and "left" not in joined.replace("on the left", "")


def test_mistakes_repeat_over_the_answers_of_a_scene():
    """Whether an answer names the chests depends on the scene: the spread over scenes exceeds chance."""
    shares = [
        np.mean(
            [("chest", "chest") in _rows(t) for t in simulate_answers(_contacts(_HUG), 2, np.random.default_rng(s))]
        )
        for s in range(80)
    ]
    chance = np.sqrt(np.mean(shares) * (1 - np.mean(shares)) / 20)
    assert np.std(shares) > 2 * chance


def test_levels_are_ordered_by_how_much_truth_they_tell():
    def truth_share(level: str) -> float:
        texts = [
            t for s in range(40)
            for t in simulate_answers(_contacts(_HUG), 2, np.random.default_rng(s), noise=LEVELS[level].answers)
        ]  # fmt: skip
        return float(np.mean([any(set(r) in ({"hand", "back"}, {"hands", "back"}) for r in _rows(t)) for t in texts]))

    low, middle, high = (truth_share(level) for level in ("low", "middle", "high"))
    assert low > middle > high


def test_one_person_answers_have_ground_rows_and_survive_the_threshold():
    texts = simulate_answers(_contacts(_TREE), 1, np.random.default_rng(4), name="tree", grounded=("foot",))
    assert any("ground" in cell for t in texts for row in _rows(t) for cell in row)
    program = compile_answers(texts, num_people=1, mode="self_contact", parser="published")
    assert program.num_answers == 20


_ONE = {("left hand", "back"): 9, ("chest", "right arm"): 9}
_SURE = dataclasses.replace(
    MIDDLE, blind=0.0, confused=0.0, slip=0.0, imagined=0.0, random_row=0.0, plural=0.0, alternative=0.0, empty=0.0,
    prose=0.0, swapped=0.0, generic=0.0, seen=(1e6, 1e-3), clear_seen=(1e6, 1e-3), weak_seen=(1e6, 1e-3),
)  # fmt: skip


def _many(noise, scenes: int = 400, count: int = 10, contacts=_ONE) -> list[list[list[tuple[str, str]]]]:
    """Rows of the answers of many scenes."""
    rngs = (np.random.default_rng([77, s]) for s in range(scenes))
    return [[_rows(t) for t in simulate_answers(_contacts(contacts), 2, rng, count=count, noise=noise)] for rng in rngs]


def _told(rows: list[tuple[str, str]], first: str, second: str) -> bool:
    return (first, second) in rows


@pytest.mark.heavy
def test_miss_rate_is_what_was_asked_for_and_repeats():
    for rate in (0.0, 0.3, 0.7):
        answers = _many(_SURE.missing(rate))
        missed = np.array([[not _told(rows, "hand", "back") for rows in scene] for scene in answers])
        assert abs(missed.mean() - rate) < 0.04
        if rate:
            by_chance = np.sqrt(rate * (1 - rate) / missed.shape[1])
            assert missed.mean(axis=1).std() > 1.5 * by_chance
    # What the interaction is about is missed just as often.
    noise = _SURE.missing(0.5)
    texts = [
        simulate_answers(_contacts(_ONE), 2, np.random.default_rng(s), noise=noise, salient={("left hand", "back")})
        for s in range(300)
    ]
    assert abs(np.mean([_told(_rows(t), "hand", "back") for ts in texts for t in ts]) - 0.5) < 0.05


def test_imagined_contacts_have_their_mean():
    noise = dataclasses.replace(_SURE, imagined=2.0, imagined_seen=(1e6, 1e-3))
    extra = [len(set(scene[0])) - 2 for scene in _many(noise, count=1)]
    # Those that are drawn twice or are true already fall away: 12 pairs in both orders, 2 are true.
    assert 1.6 < np.mean(extra) < 2.0
    assert np.mean([len(set(scene[0])) - 2 for scene in _many(_SURE, count=1)]) == 0


def test_confused_parts_have_their_rate():
    noise = dataclasses.replace(_SURE, confused=0.4)
    told = [[_told(rows, "hand", "back") for rows in scene] for scene in _many(noise)]
    # A confused contact is told rightly in a fifth of the answers.
    assert abs(np.mean(told) - (0.6 + 0.4 * 0.2)) < 0.04


@pytest.mark.heavy
def test_sides_are_told_at_their_share_and_wrong_at_their_rate():
    noise = dataclasses.replace(_SURE, sides=0.7, side_error=0.2)
    answers = _many(noise)
    rows = [rows for scene in answers for rows in scene]
    with_sides = [r for r in rows if any("left" in c or "right" in c for row in r for c in row)]
    assert abs(len(with_sides) / len(rows) - 0.7) < 0.03
    assert all(_told(r, "left hand", "back") != _told(r, "right hand", "back") for r in with_sides)
    assert abs(np.mean([_told(r, "right hand", "back") for r in with_sides]) - 0.2) < 0.05
    assert abs(np.mean([_told(r, "chest", "left arm") for r in with_sides]) - 0.2) < 0.05
    # A scene's answers share the mistake.
    shares = [np.mean([_told(r, "right hand", "back") for r in s if r in with_sides]) for s in answers[:60]]
    assert np.nanstd(shares) > 0.25


def test_sides_name_every_touching_pair_and_survive_plurals():
    noise = dataclasses.replace(_SURE, sides=1.0, side_error=0.0, plural=1.0)
    for rows in _many(noise, scenes=5, contacts=_HUG)[0]:
        assert {("left hand", "back"), ("right hand", "back"), ("back", "right hand")} <= set(rows)
        assert ("left arm", "right shoulder (front)") in rows and ("chest", "chest") in rows
    texts = simulate_answers(_contacts(_HUG), 2, np.random.default_rng(3), noise=dataclasses.replace(MIDDLE, sides=1.0))
    program = compile_answers(texts, num_people=2, mode="two_person", parser="extended")
    assert not [r for r in program.rejected if "left" in str(r) or "right" in str(r)]


def test_telling_sides_changes_nothing_else():
    plain, sided = (
        simulate_answers(_contacts(_HUG), 2, np.random.default_rng(5), noise=dataclasses.replace(MIDDLE, sides=s))
        for s in (0.0, 0.5)
    )
    same = [a == b for a, b in zip(plain, sided, strict=True)]
    assert 4 <= sum(same) <= 16
    # Of the answers that tell sides the words without them are the same too, rows said twice aside.
    bare = [[list(dict.fromkeys(_bare_rows(text))) for text in texts] for texts in (plain, sided)]
    assert all(set(a) == set(b) for a, b in zip(*bare, strict=True)) and sum(map(len, bare[0])) > 40


def _bare_rows(text: str) -> list[tuple[str, str]]:
    """The rows of an answer without sides, many hands as one."""
    for told, bare in (("left ", ""), ("right ", ""), *_SINGULAR.items()):
        text = text.replace(told, bare)
    return _rows(text)


def test_an_imagined_contact_is_no_true_one():
    """One person's parts have no order: foot and hand are hand and foot."""
    true = _contacts({("left foot", "right hand"): 9, ("chest", "left leg"): 9})
    noise = dataclasses.replace(
        _SURE, imagined=20.0, imagined_seen=(1e6, 1e-3), seen=(1e-3, 1e6), clear_seen=(1e-3, 1e6), weak_seen=(1e-3, 1e6)
    )
    rows = {
        frozenset(row)
        for seed in range(20)
        for text in simulate_answers(true, 1, np.random.default_rng(seed), count=2, noise=noise)
        for row in _bare_rows(text)
    }
    assert len(rows) > 5
    assert not rows & {frozenset({"foot", "hand"}), frozenset({"chest", "leg"})}


def test_given_order_is_mixed_up_at_its_rate():
    noise = dataclasses.replace(_SURE, order="given", order_error=0.25, swapped=0.9)
    mixed = np.array([[_told(r, "back", "hand") for r in scene] for scene in _many(noise)])
    assert abs(mixed.mean() - 0.25) < 0.06
    assert mixed.mean(axis=1).std() > 0.25  # the same mistake in most answers of a scene
    sure = dataclasses.replace(noise, order_error=0.0)
    assert not any(_told(r, "back", "hand") for scene in _many(sure, scenes=20) for r in scene)


@pytest.mark.parametrize("wrong", [{"order": "left"}, {"sides": 1.2}, {"blind": -0.1}])
def test_impossible_rates_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        dataclasses.replace(MIDDLE, **wrong)
