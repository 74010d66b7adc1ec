"""The tables of docs/benchmarks.md are written from the result files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import _common
import tables

RESULT = {
    "metric": "time per step",
    "unit": "ms",
    "better": "lower",
    "machine": {
        "backend": "cpu", "device": "cpu", "cpu": "A | B", "cpus": 2, "load_average": 1.5, "load_average_at_start": 0.5,
        "versions": {"jax": "1.0"}, "git_revision": "abcdef0123456789", "date": "2024-01-01",
    },
    "rows": [{"who": "ours", "cpu_ms": 0.5}, {"who": "theirs", "cpu_ms": 1234.5}, {"other": [1, 2.5]}],
    "ratios": [{"name": "gain", "value": 2469.0, "better": "higher", "goal": None}],
    "notes": ["a note"],
}  # fmt: skip
TEXT = "# Head\n\n<!-- table: toy -->\nold\n<!-- end -->\n\ntail\n<!-- table: none -->\n<!-- end -->\n"


def test_blocks_are_replaced_and_the_rest_is_kept() -> None:
    filled = tables.fill(TEXT, {"toy": RESULT})
    assert filled.startswith("# Head\n\n<!-- table: toy -->\n") and "\n\ntail\n" in filled and "old" not in filled
    assert "| who | cpu ms |\n|---|---|\n| ours | 0.5 |\n| theirs | 1234 |\n" in filled
    assert "| other |\n|---|\n| 1, 2.5 |\n" in filled  # rows of other columns are a table of their own
    assert "| gain | 2469 | higher |  |" in filled
    assert "load average 0.5 → 1.5" in filled and "revision abcdef0123," in filled and "- a note" in filled
    assert "*Not measured yet.*" in filled.split("<!-- table: none -->")[1]


def test_filling_again_changes_nothing() -> None:
    once = tables.fill(TEXT, {"toy": RESULT})
    assert tables.fill(once, {"toy": RESULT}) == once


def test_check_says_whether_the_document_is_up_to_date(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(TEXT, encoding="utf-8")
    (tmp_path / "toy.json").write_text(json.dumps(RESULT), encoding="utf-8")
    arguments = [f"--results={tmp_path}", f"--document={document}"]
    assert tables.main([*arguments, "--check"]) == 1
    assert document.read_text(encoding="utf-8") == TEXT
    assert tables.main(arguments) == 0
    assert tables.main([*arguments, "--check"]) == 0


def test_the_document_has_a_place_for_every_benchmark_that_writes_a_result() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in tables.DOCUMENTS)
    folder = _common.ROOT / "benchmarks"
    writers = {f.stem for f in folder.glob("[a-z]*.py") if "make_parser(__doc__" in f.read_text(encoding="utf-8")}
    assert len(writers) >= 6
    assert writers <= set(re.findall(r"<!-- table: (\w+) -->", text))
    assert all(f"{name}.py" in text for name in writers)
