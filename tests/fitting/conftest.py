"""Settings for the tests of the fit."""

from __future__ import annotations

import pytest

from prosepose_jax.config import load_config


@pytest.fixture
def short_config():
    """The two-person config with few steps; as many in each stage, so that leaving one out compiles nothing new.

    Scenes that few steps leave under strain are not begun again: tests/fitting/test_restart.py does that.
    """
    config = load_config("two_person")
    config.stage1.steps = config.stage2.steps = 25
    config.contact.refresh_every = config.penetration.refresh_every = 5
    config.batch_size = 4
    config.contact.restart_strain = 0.0
    config.lm.steps = 25
    return config
