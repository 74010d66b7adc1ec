"""Simulated answers: the parser reads them, the rates are what they say, the seed decides."""

from __future__ import annotations

import dataclasses

import numpy as np

from prosepose_jax.contact import compile_answers
from prosepose_jax.contact.vocabulary import NAME_PARTS
from prosepose_jax.synthetic.answers import _NEIGHBOURS, LEVELS, MIDDLE, simulate_answers
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
            for t in simulate_answers(_contacts(_HUG), 2, np.random.default_rng(s), noise=LEVELS[level])
        ]  # fmt: skip
        return float(np.mean([any(set(r) in ({"hand", "back"}, {"hands", "back"}) for r in _rows(t)) for t in texts]))

    low, middle, high = (truth_share(level) for level in ("low", "middle", "high"))
    assert low > middle > high


def test_one_person_answers_have_ground_rows_and_survive_the_threshold():
    texts = simulate_answers(_contacts(_TREE), 1, np.random.default_rng(4), name="tree", grounded=("foot",))
    assert any("ground" in cell for t in texts for row in _rows(t) for cell in row)
    program = compile_answers(texts, num_people=1, mode="self_contact", parser="published")
    assert program.num_answers == 20
