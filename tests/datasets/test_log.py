"""What a reader records of each scene, and the budgets of the small files beside the pickles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prosepose_jax.datasets.files import read_object
from prosepose_jax.datasets.layout import Log, made
from prosepose_jax.datasets.samples import Sample
from prosepose_jax.errors import InputError


def test_what_fails_is_recorded_what_is_dropped_or_kept_counted() -> None:
    sample = Sample("a", (), np.array([4, 3]))

    def broken(number: int) -> Sample:
        return [sample][number]

    log = Log()
    assert list(made(log, "a", lambda: sample)) == [sample]
    assert list(made(log, "b", lambda reason: reason, "too dark")) == []
    assert list(made(log, "c", lambda: None)) == []
    assert list(made(log, "d", broken, 1)) == []
    assert log.counts == {"kept": 1, "dropped: too dark": 1}
    assert set(log.failures) == {"d"} and "d" in log.failures["d"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("[" * 200 + "]" * 200, "nested deeper than the budget"), ('{"a": ' + "9" * 400 + "}", "digits"),
     ("[1]", "expected an object of cameras"), ("{", "not JSON")],
)  # fmt: skip
def test_json_has_budgets(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "cameras_param.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_object(file, "of cameras")
    assert "cameras_param.json" in str(error.value)
