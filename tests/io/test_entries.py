"""metrics.json written entry by entry."""

from __future__ import annotations

import io
import json

import pytest

from prosepose_jax.io import EntryWriter


def _written(entries: dict[str, object], **parts: object) -> str:
    out = io.BytesIO()
    writer = EntryWriter(out)
    for key, entry in entries.items():
        writer.add(key, entry)
    writer.finish(**parts)
    return out.getvalue().decode("utf-8")


@pytest.mark.parametrize("entries", [{}, {"a": {"pcc": 1.5}}, {"ä\n": {"error": 'said "no"\n'}, "b": {"initial": {}}}])
def test_what_is_read_is_what_was_added(entries: dict[str, object]) -> None:
    mean = {"two_person": {"scenes": len(entries)}}
    text = _written(entries, mean=mean)
    assert json.loads(text) == {"scenes": entries, "mean": mean}
    assert list(json.loads(text)["scenes"]) == list(entries)
    assert sum(line.startswith('"') for line in text.splitlines()) == len(entries)  # a scene a line
    assert json.loads(_written(entries)) == {"scenes": entries}


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError):
        _written({"a": {"pcc": float("nan")}})
