"""The baseline's enumeration of sides against the package's shortest path: two codes, one minimum."""

from __future__ import annotations

import _enumerate
import jax
import numpy as np
import pytest
from _enumerate import Choices, enumerate_choices, group_choices

from prosepose_jax.contact import compile_answers, program_losses
from prosepose_jax.contact.vocabulary import NAME_PARTS, NUM_PARTS

NAMES = ("hand", "arm", "leg", "head", "back", "left hand", "shoulder (front)", "hands", "chest/arm", "feet")


def table(rows: list[tuple[str, str]]) -> str:
    return "\n".join(["| Person 1 Body Part | Person 2 Body Part |", *(f"| {a} | {b} |" for a, b in rows)])


def losses(choices: Choices, distances: np.ndarray) -> np.ndarray:
    """Each answer's minimum, in numpy; distances (S, S)."""
    values = np.append(distances[choices.pairs[:, 0], choices.pairs[:, 1]], 0.0)
    smallest = np.full(len(choices.term_answer), np.inf)
    np.minimum.at(smallest, choices.term, values[choices.members].sum(axis=1))
    by_order = np.zeros(2 * choices.num_answers)
    np.add.at(by_order, choices.term_answer, smallest)
    return by_order.reshape(-1, 2).min(axis=1)


@pytest.mark.parametrize("seed", range(6))
def test_same_minimum_as_the_contact_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = [table([tuple(rng.choice(NAMES, 2)) for _ in range(rng.integers(0, 7))]) for _ in range(12)]
    texts.append("nothing of use")
    distances = rng.uniform(0.01, 1.0, (NUM_PARTS, NUM_PARTS))
    program = compile_answers(texts, parser="published")
    expected = jax.jit(program_losses)(program.arrays, distances[None].astype(np.float32))
    np.testing.assert_allclose(losses(enumerate_choices(texts), distances), expected, rtol=1e-5)


def test_a_part_that_comes_back_uses_both_sides() -> None:
    left, right = NAME_PARTS["hand"]
    (head,) = NAME_PARTS["head"]
    assert group_choices([("hand", "head")]) == [((left, head),), ((right, head),)]
    assert group_choices([("hand", "head"), ("hand", "head")]) == [((left, head), (right, head))]


def test_an_answer_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_enumerate, "MAX_CHOICES", 8)
    rows = [("hand", "arm"), ("hand", "leg"), ("arm", "arm"), ("arm", "leg")]
    with pytest.raises(_enumerate.TooManyChoices, match="4 coupled rows have more than 8 choices"):
        enumerate_choices([table(rows)])


def test_answers_without_rows() -> None:
    choices = enumerate_choices(["prose", "more"])
    assert choices.num_answers == 2 and len(choices.pairs) == 0
    assert losses(choices, np.ones((NUM_PARTS, NUM_PARTS))).tolist() == [0.0, 0.0]
