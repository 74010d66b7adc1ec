"""Aggregations of answers against brute force over every choice, and what they promise."""

from __future__ import annotations

import itertools
import math

import brute_force
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import random_answers

from prosepose_jax.contact import (
    AGGREGATIONS,
    PARTS,
    AggregationSettings,
    ProgramArrays,
    ProgramShape,
    compile_answers,
    pad_arrays,
    program_loss,
    program_losses,
    program_shape,
    program_weights,
    takes_fallback,
)
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Answer

NUM_PARTS = len(PARTS)
# One shape for nearly all programs here, so that each aggregation is compiled once.
SHAPE = ProgramShape(pairs=1, answers=8, minima=64, entries=16, levels=8, nodes=64, edges=9, singles=16, coupled=8)
_program_loss = jax.jit(program_loss, static_argnums=2)
_program_losses = jax.jit(program_losses, static_argnums=2)
_program_weights = jax.jit(program_weights, static_argnums=2)


def _table(rng: np.random.Generator) -> np.ndarray:
    return rng.gamma(1.0, 0.4, (NUM_PARTS, NUM_PARTS)).astype(np.float32)


def _lookup(table: np.ndarray):
    index = {part: k for k, part in enumerate(PARTS)}
    return lambda a, b: float(table[index[a], index[b]])


def _padded(arrays: ProgramArrays, answers: int) -> ProgramArrays:
    needed = program_shape(arrays)._replace(answers=answers)
    return pad_arrays(arrays, ProgramShape(*map(max, SHAPE, needed)))


def _loss(texts, table: np.ndarray, aggregation: AggregationSettings | str, **options) -> float:
    program = compile_answers(texts, aggregation=aggregation, **options)
    arrays = _padded(program.arrays, len(texts) + 2)
    return float(_program_loss(arrays, jnp.asarray(table)[None], program.aggregation))


def _answer_losses(texts, table: np.ndarray) -> list[float]:
    """Of the usable answers."""
    return [brute_force.two_person_answer(text, _lookup(table)) for text in texts if brute_force.two_person_rows(text)]


def _random_texts(rng: np.random.Generator, count: int, rows: int = 4) -> list[str]:
    return [random_answers.two_person_text(rng, rows)[0] for _ in range(count)]


COMBINED = {
    "median": lambda losses: float(np.median(losses)),
    "nearest": min,
    # A quarter of the answers, the farthest, left out; a part of one where it does not come out even.
    "trimmed": lambda losses: (
        sum(
            min(1.0, max(0.0, 0.75 * len(losses) - k)) * value for k, value in enumerate(sorted(losses))
        ) / (0.75 * len(losses))
    ),
    "soft": lambda losses: -0.05 * math.log(sum(math.exp(-value / 0.05) for value in losses) / len(losses)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(COMBINED))
def test_combinations_of_answers_equal_brute_force(name: str) -> None:
    rng = np.random.default_rng(31)
    different = 0
    for _ in range(15):
        texts = [*_random_texts(rng, int(rng.integers(1, 7))), "They do not touch."]
        table = _table(rng)
        losses = _answer_losses(texts, table)
        wanted = COMBINED[name](losses) if losses else 0.0
        assert _loss(texts, table, name) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        different += abs(wanted - brute_force.two_person_loss(texts, _lookup(table))) > 1e-3
    assert different > 8


@pytest.mark.parametrize("name", sorted(AGGREGATIONS))
def test_equal_answers_are_one_answer(name: str) -> None:
    rng = np.random.default_rng(32)
    for text in _random_texts(rng, 8, 5):
        if not brute_force.two_person_rows(text):
            continue
        table = _table(rng)
        alone = brute_force.two_person_answer(text, _lookup(table))
        assert _loss([text] * 5, table, name) == pytest.approx(alone, rel=1e-4, abs=1e-5)
        assert _loss([text], table, name) == pytest.approx(alone, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", sorted(AGGREGATIONS))
def test_no_usable_answer_costs_nothing_and_has_no_slope(name: str) -> None:
    for texts in ([], ["They do not touch.", ""]):
        program = compile_answers(texts, aggregation=name)
        table = jnp.ones((1, NUM_PARTS, NUM_PARTS))
        assert float(_program_loss(program.arrays, table, program.aggregation)) == 0.0
        assert not np.any(np.asarray(_program_weights(program.arrays, table, program.aggregation)))
        assert takes_fallback(program)


@pytest.mark.heavy
@pytest.mark.parametrize("name", sorted(AGGREGATIONS))
@pytest.mark.parametrize("choice_m", [0.0, 0.1])
def test_weights_are_the_slope(name: str, choice_m: float) -> None:
    rng = np.random.default_rng(33)
    with jax.enable_x64(True):
        texts = _random_texts(rng, 5)
        program = compile_answers(texts, aggregation=AggregationSettings(name, choice_m=choice_m))
        table = rng.gamma(1.0, 0.4, (1, NUM_PARTS, NUM_PARTS))
        weights = np.asarray(_program_weights(program.arrays, jnp.array(table), program.aggregation))
        assert weights.min() >= -1e-12 and weights.max() > 0.01

        def loss(at: np.ndarray) -> float:
            return float(_program_loss(program.arrays, jnp.array(at), program.aggregation))

        for entry in np.argwhere(weights > 1e-4)[:20]:
            step = np.zeros_like(table)
            step[tuple(entry)] = 1e-6
            slope = (loss(table + step) - loss(table - step)) / 2e-6
            assert weights[tuple(entry)] == pytest.approx(slope, abs=1e-4)


def _weighted_sum(rows, weights, table: np.ndarray) -> float:
    """A consensus answer's loss, every choice listed."""
    distance, best = _lookup(table), math.inf
    for swapped in (False, True):
        for sides in itertools.product(*[brute_force.sides_of(name) for row in rows for name in row]):
            if brute_force.both_sides_used(rows, sides):
                pairs = [(sides[2 * k], sides[2 * k + 1]) for k in range(len(rows))]
                total = sum(w * (distance(b, a) if swapped else distance(a, b))
                            for w, (a, b) in zip(weights, pairs, strict=True))  # fmt: skip
                best = min(best, total)
    return best


def test_frequency_is_one_answer_of_weighted_rows() -> None:
    """Rows by hand: shares, a repeated row's second occurrence, and answers told the other way round."""
    first = "| hand | back |\n| hand | back |\n| head | chest |"
    turned = "| back | hand |\n| chest | head |\n| leg | leg |"
    third = "| hand | back |\n| arm | hand |"
    rows = [("hand", "back"), ("hand", "back"), ("head", "chest"), ("leg", "leg"), ("arm", "hand")]
    shares = [3 / 4, 1 / 4, 2 / 4, 1 / 4, 1 / 4]
    rng = np.random.default_rng(34)
    apart = 0
    for power in (1.0, 2.0):
        settings = AggregationSettings("frequency", power=power)
        for _ in range(10):
            table = _table(rng)
            texts = [first, turned, third, "They do not touch."]
            wanted = _weighted_sum(rows, [share**power for share in shares], table)
            assert _loss(texts, table, settings) == pytest.approx(wanted, rel=1e-5)
            # Answers that choose sides and order for themselves never cost more.
            mean = brute_force.two_person_loss(texts, _lookup(table))
            assert power > 1 or mean <= wanted + 1e-5
            apart += abs(mean - wanted) > 1e-3
    assert apart > 10


def test_frequency_keeps_a_known_order() -> None:
    """One answer that knows who is who settles it for the others."""
    known = Answer("| hand | back |", order="given")
    free = Answer("| back | hand |\n| head | chest |", order="free")
    rng = np.random.default_rng(35)
    for _ in range(5):
        table = _table(rng)
        distance = _lookup(table)
        hand = min(distance("left hand", "back"), distance("right hand", "back"))
        # The free answer is turned to agree about the hand, its second row with it.
        program = compile_answers([known, free], aggregation="frequency")
        value = float(_program_loss(program.arrays, jnp.asarray(table)[None], program.aggregation))
        assert value == pytest.approx(hand + 0.5 * distance("chest", "head"), rel=1e-5)
        both = [known, Answer(free.text, order="given")]
        program = compile_answers(both, aggregation="frequency")
        value = float(_program_loss(program.arrays, jnp.asarray(table)[None], program.aggregation))
        backs = min(distance("back", "left hand"), distance("back", "right hand"))
        assert value == pytest.approx(0.5 * (hand + backs + distance("head", "chest")), rel=1e-5)


def test_frequency_of_one_person_is_the_mean() -> None:
    """Rows of self-contact share no choice, so weighing them is the same as averaging answers."""
    rng = np.random.default_rng(36)
    for _ in range(20):
        texts = random_answers.self_contact_texts(rng, 6)
        table = _table(rng)
        table = np.minimum(table, table.T)
        options = {"num_people": 1, "min_count": 2}
        assert _loss(texts, table, "frequency", **options) == pytest.approx(
            brute_force.self_contact_loss(texts, _lookup(table), 2), rel=1e-5, abs=1e-6
        )


def _soft_answer(text: str, table: np.ndarray, choice_m: float, order: str) -> float:
    """-T log of the sum over all choices, the orders averaged."""
    rows, distance, total = brute_force.two_person_rows(text), _lookup(table), 0.0
    orders = (False, True) if order == "free" else (False,)
    for swapped in orders:
        for sides in itertools.product(*[brute_force.sides_of(name) for row in rows for name in row]):
            if brute_force.both_sides_used(rows, sides):
                pairs = [(sides[2 * k], sides[2 * k + 1]) for k in range(len(rows))]
                cost = sum(distance(b, a) if swapped else distance(a, b) for a, b in pairs)
                total += math.exp(-cost / choice_m) / len(orders)
    return -choice_m * math.log(total)


@pytest.mark.parametrize("order", ["free", "given"])
def test_soft_choices_equal_the_sum_over_all_choices(order: str) -> None:
    rng = np.random.default_rng(37)
    checked = 0
    for text in _random_texts(rng, 40, 5):
        if not brute_force.two_person_rows(text) or len(brute_force.two_person_rows(text)) > 5:
            continue
        table = _table(rng)
        arrays = _padded(compile_answers([text], order=order).arrays, 1)
        value = float(_program_losses(arrays, jnp.asarray(table)[None], 0.1)[0])
        assert value == pytest.approx(_soft_answer(text, table, 0.1, order), rel=1e-4, abs=1e-4)
        checked += 1
    assert checked > 15


def test_soft_choices_become_the_minimum() -> None:
    rng, pulling = np.random.default_rng(38), 0
    for text in _random_texts(rng, 10):
        table = jnp.asarray(_table(rng))[None]
        arrays = _padded(compile_answers([text]).arrays, 1)
        soft, hard = (_program_losses(arrays, table, choice_m) for choice_m in (1e-4, 0.0))
        np.testing.assert_allclose(soft[0], hard[0], atol=2e-3)
        pulling += float(hard[0]) > 0
    assert pulling > 5


@pytest.mark.heavy
@pytest.mark.parametrize("choice_m", [0.1, 0.02, 0.001])
def test_compiled_weights_of_soft_choices_are_finite(choice_m: float) -> None:
    """Compiled, "never" divided by a small temperature must still be a number: 1e30 was not, in the fit alone."""
    rng = np.random.default_rng(4)
    aggregation = AggregationSettings(choice_m=choice_m)
    texts = _random_texts(rng, 12, rows=6)
    arrays, table = compile_answers(texts, aggregation=aggregation).arrays, jnp.asarray(_table(rng))
    weights = jax.jit(lambda a, t: program_weights(a, t, aggregation))(arrays, table)
    assert np.all(np.isfinite(weights)) and np.sum(weights) > 0.0
    np.testing.assert_allclose(weights, program_weights(arrays, table, aggregation), atol=1e-5)


def test_several_pairs_are_combined_each_for_itself() -> None:
    rng = np.random.default_rng(39)
    tables = jnp.asarray(rng.gamma(1.0, 0.4, (2, NUM_PARTS, NUM_PARTS)).astype(np.float32))
    texts = ["| head | back |", "| chest | back |", "| butt | neck |"]
    answers = [Answer(text, pair=pair, order="given") for text in texts for pair in ((0, 1), (1, 2))]
    program = compile_answers(answers, num_people=3, aggregation="median")
    distances = [
        [float(tables[q, PARTS.index(a), PARTS.index(b)])
         for a, b in (("head", "back"), ("chest", "back"), ("butt", "neck"))]
        for q in range(2)
    ]  # fmt: skip
    value = float(_program_loss(program.arrays, tables, program.aggregation))
    assert value == pytest.approx(np.median(distances[0]) + np.median(distances[1]), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (AggregationSettings("average"), "expected one of mean"),
        (AggregationSettings("trimmed", trim=1.0), "trim: expected a finite number at least 0 and below 1, found 1.0"),
        (AggregationSettings("soft", answer_m=0.0), "answer_m: expected a finite number above 0"),
        (AggregationSettings(choice_m=-0.1), "choice_m: expected a finite number at least 0"),
        (AggregationSettings("frequency", power=float("nan")), "power"),
    ],
)
def test_unusable_settings_are_named(settings: AggregationSettings, words: str) -> None:
    with pytest.raises(InputError, match=words):
        compile_answers(["| hand | back |"], aggregation=settings)
