"""No set of answers takes long to compile; what is let go for it is a lower bound, and honest answers lose nothing."""

from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest

from prosepose_jax.contact import compile as compiling
from prosepose_jax.contact import compile_answers, program_losses
from prosepose_jax.contact._trellis import Weighted, most_steps, parts_to_free
from prosepose_jax.contact.rows import Pair
from prosepose_jax.contact.vocabulary import AMBIGUOUS_NAMES, NUM_PARTS, PROMPT_NAMES


def _answer(rng: random.Random, rows: int, alternatives: int) -> str:
    cells = ["/".join(rng.choices(PROMPT_NAMES, k=alternatives)) for _ in range(2 * rows)]
    return "\n".join(f"| {one} | {two} |" for one, two in zip(cells[::2], cells[1::2], strict=True))


def _losses(program) -> np.ndarray:
    distances = np.random.default_rng(0).uniform(0.0, 1.0, (len(program.arrays.pairs), NUM_PARTS, NUM_PARTS))
    return np.asarray(program_losses(program.arrays, distances.astype(np.float32)))


@pytest.mark.parametrize("parser", [pytest.param("published", marks=pytest.mark.heavy), "extended"])
def test_many_rows_of_many_alternatives(parser):
    rng = random.Random(0)
    texts = [_answer(rng, 60, 3) for _ in range(6)]
    begin = time.thread_time()
    program = compile_answers(texts, parser=parser)
    assert time.thread_time() - begin < 15.0  # about 3 s; without limits minutes and more
    assert program.num_usable == 6 and program.arrays.sources.size < 8_000_000


@pytest.mark.parametrize("limit", [0, 40, 400, 4000])
def test_what_is_let_go_is_a_lower_bound(monkeypatch, limit):
    rng = random.Random(1)
    texts = [_answer(rng, rows, 1) for rows in (2, 6, 12)]
    exact = _losses(compile_answers(texts))
    monkeypatch.setattr(compiling, "_MAX_STEPS", 0)
    free = _losses(compile_answers(texts))
    monkeypatch.setattr(compiling, "_MAX_STEPS", limit)
    bounded = _losses(compile_answers(texts))
    assert (free <= bounded + 1e-6).all() and (bounded <= exact + 1e-6).all()
    assert (free < exact - 1e-3).any()  # coupling matters for these answers
    monkeypatch.setattr(compiling, "_MAX_STEPS", 1_000_000)
    monkeypatch.setattr(compiling, "_MAX_EDGES", 0)
    np.testing.assert_allclose(_losses(compile_answers(texts)), free)


def test_every_sided_part_with_every_other_stays_exact():
    """The widest answer that docs/method.md promises."""
    rows = [Weighted((Pair(*names),), 1.0) for names in itertools.product(AMBIGUOUS_NAMES, AMBIGUOUS_NAMES)]
    assert most_steps(rows) <= compiling._MAX_STEPS
    assert not parts_to_free(rows, compiling._MAX_STEPS)
    assert len(parts_to_free(rows, 0)) == 2 * len(AMBIGUOUS_NAMES)
    few = parts_to_free(rows, 1000)
    assert 0 < len(few) < 2 * len(AMBIGUOUS_NAMES)


def test_the_most_frequent_parts_are_let_go_first():
    names = [("hand", "arm")] * 6 + [("hand", "leg")] * 2 + [("foot", "leg")] * 2
    rows = [Weighted((Pair(*pair),), 1.0) for pair in names]
    steps = [0, 10, 40, 10_000]
    freed = [parts_to_free(rows, limit) for limit in steps]
    assert [len(one) for one in freed] == sorted((len(one) for one in freed), reverse=True)
    assert (0, "hand") in freed[1] and not freed[-1]
