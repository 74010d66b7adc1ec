"""The noise schedule and the timestep embedding against published check values."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.diffusion import cosine_schedule, timestep_embedding
from prosepose_jax.diffusion.schedule import cosine_alpha_bar, ddim_steps

CHECK = {0: 0.999959, 1: 0.999913, 10: 0.999279, 20: 0.998114, 100: 0.971576, 500: 0.492285, 901: 0.023145,
         990: 0.000197}  # fmt: skip


def test_alpha_bar_has_the_published_values():
    alpha_bar = cosine_alpha_bar()
    for t, value in CHECK.items():
        assert alpha_bar[t] == pytest.approx(value, abs=6e-7), t
    assert np.all(np.diff(alpha_bar) < 0) and alpha_bar.shape == (1000,)


def test_signal_and_noise():
    schedule = cosine_schedule()
    assert schedule.num_steps == 1000
    np.testing.assert_allclose([schedule.signal[10], schedule.noise[10]], [0.99964, 0.02685], atol=6e-6)
    np.testing.assert_allclose([schedule.signal[20], schedule.noise[20]], [0.99906, 0.04343], atol=6e-6)


def test_beta_is_clipped():
    alpha_bar = cosine_alpha_bar()
    assert alpha_bar[-1] / alpha_bar[-2] == pytest.approx(0.001, rel=1e-6)


def test_sampled_levels():
    levels = ddim_steps(991, 10)
    assert levels[:2] == (991, 981) and levels[-1] == 1 and len(levels) == 100
    assert ddim_steps(901, 100) == (901, 801, 701, 601, 501, 401, 301, 201, 101, 1)
    with pytest.raises(ValueError):
        ddim_steps(0, 10)


def test_timestep_embedding():
    found = np.asarray(timestep_embedding(np.array([0, 1, 991]), 152))
    assert found.shape == (3, 152)
    np.testing.assert_array_equal(found[0], np.repeat([0.0, 1.0], 76))
    frequency = np.exp(-np.arange(76) * np.log(10000) / 75)
    assert frequency[-1] == pytest.approx(1e-4)
    for row, t in ((1, 1), (2, 991)):
        np.testing.assert_allclose(found[row, :76], np.sin(t * frequency), atol=2e-4)
        np.testing.assert_allclose(found[row, 76:], np.cos(t * frequency), atol=2e-4)
