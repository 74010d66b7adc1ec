"""A point's results: one JSON line a scene, appended whole, so that a killed run loses nothing that was written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import budgets, parse_json, read_bytes

FILE = "scenes.jsonl"


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """{scene key: its last record}; a line that broke off is left out."""
    records: dict[str, dict[str, Any]] = {}
    if not (folder / FILE).is_file():
        return {}
    for line in read_bytes(folder / FILE, budgets.JSON_BYTES).split(b"\n")[:-1]:
        try:
            record = parse_json(line, folder / FILE)
        except InputError:
            continue
        if isinstance(record, dict) and isinstance(record.get("key"), str) and isinstance(record.get("status"), str):
            records[record["key"]] = record
    return records


def failed(record: Mapping[str, Any]) -> bool:
    """Whether a record says why its scene has no figures."""
    return record["status"].startswith("failed")


def append_records(folder: Path, records: Sequence[dict[str, Any]]) -> None:
    """Adds records; they are on disk when this returns."""
    if not records:
        return
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)
    with open(folder / FILE, "ab") as file:
        # What a killed run left of a line is closed off: it stays unreadable, and the next line whole.
        if file.tell() and not _ends_with_newline(folder / FILE):
            text = "\n" + text
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
