"""A small run of the fuzzer (`python tests/importing/fuzz_estimates.py` is the long one)."""

from __future__ import annotations

import fuzz_estimates
import pytest
from foreign_files import make_people, write_image


@pytest.mark.heavy
def test_mutated_files_are_read_or_refused(tmp_path, small_body):
    people = make_people(small_body, [(-0.3, 3.4), (0.3, 3.7)], [0.0, 0.0])
    wrong = fuzz_estimates.run(people, tmp_path, write_image(tmp_path / "a.png"), 400, seed=1)
    assert not wrong, wrong[0]
