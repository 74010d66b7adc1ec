"""The paired bootstrap tells a real difference from chance."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.metrics import compare, paired_bootstrap


def test_interval_of_a_mean():
    rng = np.random.default_rng(0)
    first = rng.normal(100.0, 30.0, size=200)
    noise = rng.normal(0.0, 10.0, size=200)
    found = paired_bootstrap(first, first - 5.0 + noise)
    assert found.mean == pytest.approx(noise.mean() - 5.0)
    # The textbook interval: 1.96 standard errors; pairing removes the 30 between scenes.
    half = 1.96 * noise.std(ddof=1) / np.sqrt(200)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
    assert found.excludes_zero
    assert not paired_bootstrap(first, first + noise - noise.mean()).excludes_zero
    assert paired_bootstrap(first, first + noise, seed=3) == paired_bootstrap(first, first + noise, seed=3)


def test_compare_uses_the_scenes_of_both():
    first = {"a": {"pcc": 50.0}, "b": {"pcc": 60.0}, "c": {"pcc": 1.0}}
    second = {"b": {"pcc": 70.0}, "a": {"pcc": 54.0}, "c": {}, "d": {"pcc": 0.0}}
    assert compare(first, second, "pcc").mean == pytest.approx(7.0)
    with pytest.raises(ValueError, match="same length"):
        compare(first, second, "mpjpe_mm")
