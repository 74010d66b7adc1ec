"""log.jsonl: whole lines, also after a run that was killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prosepose_jax.apps._log import FILE, RunLog


def _lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def test_a_run_that_goes_on_appends_after_a_torn_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"event": "start"}\n{"event": "f')
    with RunLog(tmp_path) as log:
        log.add("note", text="a\nb\x1bü", path=tmp_path)
        with log.phase("fit"):
            pass
    lines = (tmp_path / FILE).read_text().splitlines()
    assert len(lines) == 4 and "\x1b" not in lines[2]
    assert json.loads(lines[2])["text"] == "a\nb\x1bü" and json.loads(lines[3])["event"] == "phase"


def test_what_stops_a_run_is_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RunLog(tmp_path) as log, log.phase("fit"):
        raise KeyboardInterrupt
    assert [line["event"] for line in _lines(tmp_path)] == ["phase", "end"]
    assert _lines(tmp_path)[-1]["stopped"] == "KeyboardInterrupt"
