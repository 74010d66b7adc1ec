"""What the tests' sessions keep of compiled programs: whole entries, none twice, not without end."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from kept_programs import begin, end, kept_folder


def test_whole_entries_are_kept_and_torn_ones_are_not(tmp_path: Path) -> None:
    kept = kept_folder(tmp_path)
    session = begin(kept)
    whole = zlib.compress(os.urandom(5000))
    (session / "a-cache").write_bytes(whole)
    (session / "torn-cache").write_bytes(whole[:3000])
    (session / "empty-cache").write_bytes(b"")
    end(session, kept)
    assert not session.exists() and [file.name for file in kept.iterdir()] == ["a-cache"]
    first, second = begin(kept), begin(kept)  # of two sessions at a time each has its own
    assert first != second and (second / "a-cache").read_bytes() == whole
    for folder in (first, second):
        (folder / "b-cache").write_bytes(whole)
        end(folder, kept)
    assert {file.name for file in kept.iterdir()} == {"a-cache", "b-cache"}


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    kept = kept_folder(tmp_path)
    session = begin(kept)
    for name in "abc":
        (session / name).write_bytes(zlib.compress(os.urandom(1000)))
    end(session, kept)
    for age, name in enumerate("abc"):
        os.utime(kept / name, (1e9 - age, 1e9 - age))
    end(begin(kept), kept, most_bytes=2500)
    assert {file.name for file in kept.iterdir()} == {"a", "b"}
