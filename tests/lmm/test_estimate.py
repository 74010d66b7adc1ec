"""Tokens and money, against examples worked out by hand from the providers' rules."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.lmm import Work, estimate, load_prices, load_prompt
from prosepose_jax.lmm.estimate import PRICES_FILE, ImageTokens
from prosepose_jax.lmm.questions import Question


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-4o", (1024, 1024), 765),  # 768 × 768 after reduction: four squares of 512
        ("gpt-4o", (2048, 4096), 1105),  # 768 × 1536: six
        ("gpt-4o", (512, 512), 255),  # never enlarged: one
        ("gpt-4.1-mini", (1024, 1024), 1024 * 1.62),
        ("gpt-4.1-mini", (4000, 4000), 1536 * 1.62),
        ("gemini-2.0-flash", (384, 384), 258),
        ("gemini-2.0-flash", (960, 540), 6 * 258),
    ],
)
def test_image_tokens(model: str, size: tuple[int, int], tokens: float) -> None:
    assert load_prices(None, model)[1](*size) == pytest.approx(tokens)
    assert ImageTokens("fixed", {"tokens": 99.0})(*size) == 99.0


def test_dated_models_find_their_family() -> None:
    assert load_prices(None, "gpt-4o-mini-2024-07-18")[0].model == "gpt-4o-mini"
    assert load_prices(None, "gpt-4o-2024-08-06")[0].model == "gpt-4o"
    assert load_prices(None, "models/gemini-2.5-flash-lite")[0].model == "gemini-2.5-flash-lite"
    assert load_prices(None, "gpt-4omega")[0] is None and load_prices(None, "llava")[0] is None


def test_a_run_adds_up(tmp_path: Path) -> None:
    table = {"noted": "today", "currency": "EUR", "models": {"m": {"input": 2.0, "output": 10.0}}}
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(table))
    price, image_tokens = load_prices(str(file), "m")
    prompt = load_prompt("caption").told(False)
    questions = [Question(f"s{k}", (0, 1), prompt, "free", "h", captions=("x" * 400,)) for k in range(3)]
    work = [Work(question, tuple(range(20))) for question in questions[:2]] + [Work(questions[2], (4,))]
    found = estimate(work, candidates=8, max_tokens=500, image_tokens=image_tokens)
    assert (found.questions, found.answers, found.requests) == (3, 41, 7)
    one = len(prompt.system + prompt.user) / 4 + 100
    assert found.tokens_in == pytest.approx(7 * one)
    assert found.tokens_out == 41 * 250 and found.most_tokens_out == 41 * 500
    assert found.cost(price) == pytest.approx((7 * one * 2 + 41 * 250 * 10) / 1e6) and price.currency == "EUR"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": "x"}, "field 'input': expected a number"),
        ({"output": -1}, "field 'output'"),
        ({"output": math.inf}, "field 'output'"),
        ({"image": {"kind": "guess"}}, "expected a kind of fixed, tiles, crops, patches"),
        ({"image": {"kind": {"tiles": 1}}}, "expected a kind of fixed, tiles, crops, patches"),
        ({"image": {"kind": "patches", "side": 0, "most": 1, "factor": 1}}, "'side': expected a positive"),
    ],
)
def test_faulty_tables_are_named(tmp_path: Path, change: dict, words: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"models": {"m": {"input": 1, "output": 1} | change}}))
    with pytest.raises(InputError, match=f"prices.json: model m.*{words}"):
        load_prices(str(file), "m")


def test_unreadable_tables(tmp_path: Path) -> None:
    for content in ("{", "[]", "{}"):
        (tmp_path / "p.json").write_text(content)
        with pytest.raises(InputError, match=r"p.json: expected"):
            load_prices(str(tmp_path / "p.json"), "m")


def test_the_packaged_table_says_what_it_is() -> None:
    table = json.loads(PRICES_FILE.read_text())
    assert "check" in table["note"] and table["noted"] and table["currency"]
    assert all(load_prices(None, name)[0].model == name for name in table["models"])
