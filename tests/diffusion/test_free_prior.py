"""The packaged prior: small, free of estimates, and worth something on pairs that it was not trained on."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.body import BodyParams
from prosepose_jax.config import load_config
from prosepose_jax.diffusion import (
    Pair,
    cosine_schedule,
    denoiser,
    from_params,
    load_buddi,
    relative,
    sample_pairs,
)
from prosepose_jax.diffusion.training import noisy, prediction_errors
from prosepose_jax.fitting.settings import settings_from_config
from prosepose_jax.io import load_scenes
from prosepose_jax.resources import FREE_PRIOR, checkpoint_file, demo_dir

LEVEL = 100


@pytest.fixture(scope="module")
def prior() -> Any:
    return load_buddi(FREE_PRIOR, conditional=False)


@pytest.fixture(scope="module")
def demo_pairs() -> Pair:
    """The true people of the packaged scenes of two."""
    scenes = [scene for scene in load_scenes(demo_dir() / "scenes") if scene.num_people == 2]
    fields = {
        name: jnp.stack([jnp.asarray(getattr(scene, f"gt_{name}")) for scene in scenes])
        for name in ("global_orient", "body_pose", "betas", "transl")
    } | {"kid_scale": jnp.zeros((len(scenes), 2))}
    return jax.jit(lambda people: relative(from_params(people)))(dataclasses.replace(BodyParams.zeros(2), **fields))


def test_it_is_small_and_any_config_of_a_prior_takes_it(prior: Any) -> None:
    assert checkpoint_file(FREE_PRIOR).stat().st_size <= 5_000_000 and prior.unused == ()
    for name in ("buddi", "two_person_prior"):
        config = load_config(name)
        config.buddi.checkpoint = FREE_PRIOR
        term = settings_from_config(config).terms[-1]
        assert term.name == "buddi" and term.comparable == (config.buddi.draws > 0)


def test_it_brings_noisy_pairs_back(prior: Any, demo_pairs: Pair) -> None:
    """Packaged scenes are none of its training; poses, orientations and the way between them come nearer."""
    schedule, count = cosine_schedule(), len(demo_pairs.transl)
    levels = jnp.full(count, LEVEL)
    seen = jax.jit(noisy)(schedule, demo_pairs, levels, jax.random.key(0))
    found = jax.jit(lambda pair: denoiser(prior.network, prior.weights)(pair, levels))(seen)
    before, after = (jax.jit(prediction_errors)(pair, demo_pairs) for pair in (seen, found))
    shares = {name: float(after[name] / before[name]) for name in ("pose", "orient", "transl")}
    assert shares["pose"] < 0.25 and shares["orient"] < 0.6 and shares["transl"] < 0.2, shares


@pytest.mark.heavy
def test_samples_are_people_beside_each_other(prior: Any) -> None:
    found = sample_pairs(prior.network, prior.weights, cosine_schedule(), jax.random.key(0), 16, steps=(901, 501, 101))
    apart = np.linalg.norm(np.asarray(found.transl[:, 1]), axis=-1)
    assert np.isfinite(apart).all() and 0.1 < np.median(apart) < 1.0
    down = np.asarray(found.orient).reshape(16, 2, 2, 3)[:, :, 1, 1]  # of the body's y axis on the camera's, downward
    assert (down < -0.5).mean() > 0.5
