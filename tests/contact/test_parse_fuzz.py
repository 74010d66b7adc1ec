"""Odd texts: none raises, none takes long, none is ever executed."""

from __future__ import annotations

import builtins
import gc
import os
import subprocess
import time
from pathlib import Path

import odd_texts
import pytest

from prosepose_jax.contact.parse import parse_published
from prosepose_jax.contact.parse_extended import parse_extended
from prosepose_jax.contact.vocabulary import NAME_PARTS

LIMIT_S = 0.010
PARSERS = (parse_published, parse_extended)


def _seconds(parse, text: str, mode: str) -> float:
    """Of this thread: other programs on the machine do not count."""
    gc.disable()  # collections of what other tests left do not count either
    try:
        begin = time.thread_time()
        parse(text, mode)
        return time.thread_time() - begin
    finally:
        gc.enable()


def _check(count: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    marker = tmp_path / "executed"
    for text in odd_texts.texts(12, seed):  # imports, and patterns that are compiled at their first use
        parse_extended(text, "two_person")

    def forbidden(*args: object, **options: object) -> None:
        raise AssertionError("a text was executed")

    slowest = dict.fromkeys(PARSERS, 0.0)
    with monkeypatch.context() as patch:
        for module, names in ((builtins, ("exec", "eval")), (os, ("system", "popen")), (subprocess, ("Popen", "run"))):
            for name in names:
                patch.setattr(module, name, forbidden)
        for index, text in enumerate(odd_texts.texts(count, seed, command=f"touch {marker}")):
            mode = ("two_person", "self_contact")[index // 6 % 2]
            for parse in PARSERS:
                begin = time.thread_time()
                parsed = parse(text, mode)
                seconds = time.thread_time() - begin
                if seconds > LIMIT_S:  # perhaps a collection of garbage: the text itself must be slow to count
                    seconds = min(seconds, *(_seconds(parse, text, mode) for _ in range(9)))
                assert seconds < LIMIT_S, (index, seconds, text[:200])
                slowest[parse] = max(slowest[parse], seconds)
                names = {name for row in parsed.rows for option in row.options for name in option}
                assert names <= set(NAME_PARTS)
    assert not marker.exists()
    worst = ", ".join(f"{parse.__name__} {1000 * seconds:.1f} ms" for parse, seconds in slowest.items())
    return f"{count} texts, the slowest: {worst}"


@pytest.mark.heavy
def test_some_odd_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    print(_check(1500, 1, tmp_path, monkeypatch))


@pytest.mark.slow
def test_fifty_thousand_odd_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    print(_check(50_000, 2, tmp_path, monkeypatch))


def test_the_corpus_is_what_it_should_be() -> None:
    texts = list(odd_texts.texts(600, 3))
    assert texts == list(odd_texts.texts(600, 3)) != list(odd_texts.texts(600, 4))
    assert len(set(texts)) > 500
    # Not only rubbish: a good share still holds rows, and a good share does not.
    usable = sum(bool(parse_extended(text).rows) for text in texts)
    assert 100 < usable < 500
