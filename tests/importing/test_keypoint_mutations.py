"""Damaged keypoint files are read or refused, never anything else (`keypoint_mutations.py` runs more of them)."""

from __future__ import annotations

import pytest
from keypoint_mutations import run, written_files


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_files(seed, tmp_path):
    count = 6 * len(written_files(tmp_path))
    said, _ = run(tmp_path, count, seed)
    assert said["read"] > count // 20 and said["refused"] > count // 20
