"""The compiled minimum against enumeration, and the arrays that carry it."""

from __future__ import annotations

import itertools

import brute_force
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import random_answers

from prosepose_jax.contact import (
    PARTS,
    ContactProgram,
    ProgramArrays,
    ProgramShape,
    bucket,
    compile_answers,
    pad_arrays,
    program_loss,
    program_losses,
    program_shape,
    program_weights,
    stack_arrays,
    takes_fallback,
    used_entries,
)
from prosepose_jax.scene import Answer

NUM_PARTS = len(PARTS)
# One shape for nearly all programs here, so that each function is compiled once.
SHAPE = ProgramShape(pairs=1, answers=4, minima=128, entries=16, levels=16, nodes=96, edges=9, singles=16, coupled=8)
_losses = jax.jit(program_losses)
_loss = jax.jit(program_loss)
_weights = jax.jit(program_weights)


def _fixed(program: ContactProgram) -> ProgramArrays:
    return pad_arrays(program.arrays, SHAPE)


def _table(rng: np.random.Generator, symmetric: bool = False) -> np.ndarray:
    table = rng.gamma(1.0, 0.4, (NUM_PARTS, NUM_PARTS)).astype(np.float32)
    table[rng.random(table.shape) < 0.05] = 0.0
    return np.minimum(table, table.T) if symmetric else table


def _lookup(table: np.ndarray):
    index = {part: k for k, part in enumerate(PARTS)}
    return lambda a, b: float(table[index[a], index[b]])


def _assert_losses_agree(found: np.ndarray, wanted: np.ndarray) -> None:
    wrong = np.abs(found - wanted) > 1e-6 * np.maximum(1.0, wanted)
    assert not wrong.any(), list(zip(np.flatnonzero(wrong), found[wrong], wanted[wrong], strict=True))[:5]


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=(pytest.mark.heavy, pytest.mark.variants))])
def test_losses_equal_brute_force_on_random_answer_sets(count):
    """Sets of which at least a third repeat ambiguous parts on both people."""
    rng = np.random.default_rng(20)
    programs, tables, wanted, coupled = [], [], [], 0
    for index in range(count):
        number = 1 + int(rng.integers(3))
        found = [random_answers.two_person_text(rng, 14 if index % 20 == 0 else 8) for _ in range(number)]
        texts = [text for text, _ in found]
        order = "given" if index % 4 == 0 else "free"
        table = _table(rng)
        coupled += any(repeats for _, repeats in found)
        programs.append(compile_answers(texts, order=order).arrays)
        tables.append(table)
        wanted.append(brute_force.two_person_loss(texts, _lookup(table), order))
    assert coupled >= count / 3
    stacked = stack_arrays(programs)
    losses = jax.jit(jax.vmap(program_loss))(stacked, jnp.array(tables)[:, None])
    _assert_losses_agree(np.asarray(losses), np.array(wanted))


def test_self_contact_equals_brute_force():
    rng = np.random.default_rng(21)
    programs, tables, wanted = [], [], []
    for index in range(300):
        texts = random_answers.self_contact_texts(rng, 1 + int(rng.integers(8)))
        min_count = None if index % 3 else 1 + int(rng.integers(4))
        table = _table(rng, symmetric=True)
        programs.append(compile_answers(texts, num_people=1, min_count=min_count).arrays)
        tables.append(table)
        wanted.append(brute_force.self_contact_loss(texts, _lookup(table), min_count))
    assert np.count_nonzero(wanted) > 150
    losses = jax.vmap(program_loss)(stack_arrays(programs), jnp.array(tables)[:, None])
    _assert_losses_agree(np.asarray(losses), np.array(wanted))


def test_nasty_programs_stay_exact_and_small():
    """Five sided parts, each with each, 25 rows and 2^50 choices: checked where the minimum is known."""
    names = random_answers.SIDED[:5]
    text = "\n".join(f"| {a} | {b} |" for a in names for b in names)
    program = compile_answers([text])
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(program.arrays)) < 2e6
    losses = jax.jit(program_losses)
    table = np.zeros((NUM_PARTS, NUM_PARTS), np.float32)
    table[:, [k for k, part in enumerate(PARTS) if part == "left foot"]] = 1.0
    # Whoever has the columns must use the left foot once, whatever the other sides.
    assert losses(program.arrays, jnp.array(table)[None])[0] == pytest.approx(1.0)
    table[:] = 1.0
    assert losses(program.arrays, jnp.array(table)[None])[0] == pytest.approx(25.0)


def test_alternatives_are_a_choice():
    """With the extended parser an answer with alternatives costs what its cheapest reading costs."""
    rng = np.random.default_rng(22)
    programs, tables, wanted = [], [], []
    for _ in range(150):
        names = ["hand", "foot", "arm", "back", "left hand"]
        cells = [
            [list(rng.choice(names, 1 + rng.integers(2), replace=False)) for _ in range(2)]
            for _ in range(1 + rng.integers(4))
        ]
        table = _table(rng)
        rows = [list(itertools.product(first, second)) for first, second in cells]
        readings = ["\n".join(f"| {a} | {b} |" for a, b in one) for one in itertools.product(*rows)]
        wanted.append(min(brute_force.two_person_answer(text, _lookup(table)) for text in readings))
        tables.append(table)
        lines = [f"| {' or '.join(first)} | {', '.join(second)} |" for first, second in cells]
        text = "\n".join(["| Person 1 | Person 2 |", "|---|---|", *lines])
        programs.append(compile_answers([text], parser="extended").arrays)
    losses = jax.jit(jax.vmap(program_loss))(stack_arrays(programs), jnp.array(tables)[:, None])
    _assert_losses_agree(np.asarray(losses), np.array(wanted))


def test_too_many_alternatives_let_go_of_the_rule_instead_of_memory():
    sided = "/".join(random_answers.SIDED)
    text = "| Person 1 | Person 2 |\n|---|---|\n" + f"| {sided} | {sided} |\n" * 6
    program = compile_answers([text], parser="extended")
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(program.arrays)) < 64e6
    table = jnp.ones((1, NUM_PARTS, NUM_PARTS))
    assert program_losses(program.arrays, table)[0] == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("rows", "left_only", "wanted"),
    [
        # A repeated hand must use both sides even though left alone would be free.
        (["hand | back", "hand | head"], ("hand",), 1.0),
        # Fixed sides are no occurrences.
        (["left hand | back", "hand | head"], ("hand",), 0.0),
        # Once only: no constraint.
        (["hand | back", "arm | head"], ("hand", "arm"), 0.0),
        # A plural is two occurrences.
        (["hands | back"], ("hand",), 1.0),
        # Different names are different parts.
        (["shoulder | back", "shoulder (front) | head"], ("shoulder", "shoulder (front)"), 0.0),
        # Both people repeat: one row can serve both.
        (["hand | foot", "hand | foot"], ("hand", "foot"), 1.0),
    ],
)
def test_both_sides_rule(rows, left_only, wanted):
    """Distances are 0 on the left and 1 on the right of the named parts: what does the rule cost?"""
    index = {part: k for k, part in enumerate(PARTS)}
    table = np.zeros((NUM_PARTS, NUM_PARTS), np.float32)
    for name in left_only:
        table[index[f"right {name}"], :] = 1.0
        table[:, index[f"right {name}"]] = 1.0
    text = "\n".join(f"| {row} |" for row in rows)
    assert _losses(_fixed(compile_answers([text])), jnp.array(table)[None])[0] == pytest.approx(wanted)
    assert brute_force.two_person_answer(text, _lookup(table)) == pytest.approx(wanted)


def test_given_order_reads_one_direction_and_pairs_turn_round():
    rng = np.random.default_rng(3)
    table = _table(rng)
    index = {part: k for k, part in enumerate(PARTS)}
    forward, backward = table[index["head"], index["back"]], table[index["back"], index["head"]]
    assert forward != backward
    text = "| head | back |"
    program = compile_answers(
        [
            Answer(text, pair=(2, 1), order="given"),
            Answer(text, pair=(1, 2), order="given"),
            Answer(text, pair=(1, 2)),
        ],
        num_people=3,
    )
    assert program.arrays.pairs.tolist() == [[2, 1]]
    found = _losses(_fixed(program), jnp.array(table)[None])[:3]
    np.testing.assert_allclose(found, [forward, backward, min(forward, backward)])


def test_pairs_of_a_scene_are_summed_each_with_its_own_mean():
    rng = np.random.default_rng(4)
    tables = jnp.array([_table(rng), _table(rng)])
    texts = ["| head | back |", "| head | head |", "| arm | neck |"]
    program = compile_answers(texts, num_people=3, pairs=[(0, 1), (0, 1), (1, 2)])
    losses = _losses(program.arrays, tables)
    total = _loss(program.arrays, tables)
    assert float(total) == pytest.approx(float((losses[0] + losses[1]) / 2 + losses[2]), rel=1e-6)


def test_padding_and_stacking_change_nothing():
    rng = np.random.default_rng(5)
    programs = [compile_answers([random_answers.two_person_text(rng, 14)[0] for _ in range(4)]) for _ in range(3)]
    programs += [compile_answers([]), compile_answers(["prose without a table"])]
    tables = jnp.array(np.stack([_table(rng) for _ in programs]))[:, None]
    stacked = stack_arrays([program.arrays for program in programs])
    shape = bucket(*(program_shape(program.arrays) for program in programs))
    assert program_shape(jax.tree.map(lambda leaf: leaf[0], stacked)) == shape
    together = jax.jit(jax.vmap(program_losses))(stacked, tables)
    gradients = jax.jit(jax.vmap(program_weights))(stacked, tables)
    for k, program in enumerate(programs):
        padded = _losses(_fixed(program), tables[k])
        np.testing.assert_array_equal(padded[program.num_answers :], 0.0)
        np.testing.assert_allclose(together[k, : program.num_answers], padded[: program.num_answers], rtol=1e-6)
        if k in (0, 3):  # as they are, without padding: one of each kind, for the time that compiling takes
            alone = jax.jit(program_losses)(program.arrays, tables[k])
            np.testing.assert_allclose(padded[: program.num_answers], alone, rtol=1e-6)
        np.testing.assert_allclose(gradients[k], _weights(_fixed(program), tables[k]), rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="smaller"):
        pad_arrays(programs[0].arrays, program_shape(programs[0].arrays)._replace(answers=0))


def test_bucket_ladder_is_short_and_large_enough():
    shapes = [program_shape(compile_answers([]).arrays)._replace(nodes=n) for n in range(1, 400)]
    sizes = {bucket(shape).nodes for shape in shapes}
    assert len(sizes) <= 18
    assert all(shape.nodes <= bucket(shape).nodes <= 1.5 * shape.nodes + 1 for shape in shapes)


def test_weights_are_the_gradient_and_explain_the_loss():
    rng = np.random.default_rng(6)
    for _ in range(10):
        arrays = _fixed(compile_answers([random_answers.two_person_text(rng, 12)[0] for _ in range(3)]))
        table = jnp.array(_table(rng) + 0.01)[None]
        weights = np.asarray(_weights(arrays, table))
        assert (weights >= 0).all()
        assert (weights * np.asarray(table)).sum() == pytest.approx(float(_loss(arrays, table)), rel=1e-5)
        assert not (weights[~used_entries(arrays)] != 0).any()


def test_gradient_equals_finite_differences_in_float64():
    rng = np.random.default_rng(7)
    with jax.enable_x64(True):
        for _ in range(4):
            arrays = _fixed(compile_answers([random_answers.two_person_text(rng, 14)[0] for _ in range(4)]))
            table = rng.gamma(1.0, 0.4, (1, NUM_PARTS, NUM_PARTS))
            gradient = np.asarray(_weights(arrays, jnp.array(table)))
            assert gradient.dtype == np.float64
            used = np.argwhere(used_entries(arrays))
            for entry in rng.permutation(used)[:25]:
                step = np.zeros_like(table)
                step[tuple(entry)] = 1e-6
                slope = float(_loss(arrays, jnp.array(table + step)) - _loss(arrays, jnp.array(table - step))) / 2e-6
                assert gradient[tuple(entry)] == pytest.approx(slope, abs=1e-4)


def test_ties_and_zeros_have_finite_gradients():
    program = compile_answers(["| hand | hand |\n| hand | foot |\n| head | foot |", "", "| arms | legs |"])
    for table in (jnp.zeros((1, NUM_PARTS, NUM_PARTS)), jnp.ones((1, NUM_PARTS, NUM_PARTS))):
        weights = _weights(_fixed(program), table)
        assert bool(jnp.isfinite(weights).all())
        assert float(weights.sum()) == pytest.approx((3 + 0 + 2) / 3, rel=1e-6)


def test_fallback_rule():
    usable, prose = "| hand | back |", "They do not touch."
    assert takes_fallback(compile_answers([]))
    assert takes_fallback(compile_answers([prose, prose]))
    assert not takes_fallback(compile_answers([usable, prose]))
    assert takes_fallback(compile_answers([usable, prose, prose]), unusable=2)
    assert not takes_fallback(compile_answers([usable, usable, prose]), unusable=2)
