"""A body's betas have no unit of their own: scaled or rotated, the same body must be fitted alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from shape_units import body_in_other_units, turn
from small_scenes import answer

from prosepose_jax.body import BodyModel
from prosepose_jax.fitting import fit_scenes, settings_from_config
from prosepose_jax.scene import Scene

# Of no weight in stage 1, or of scenes without answers alone; they take half of the compilation.
_SEARCHES = ("penetration", "self_penetration", "heuristic")
_ANSWERS = [answer(("hand", "back"), ("arm", "shoulder (back)"))]


@pytest.mark.heavy
@pytest.mark.parametrize(
    "scale",
    [
        pytest.param(1.0, id="rotated"),
        pytest.param(0.5, id="scaled", marks=pytest.mark.variants),
    ],
)
def test_the_same_body_in_other_shape_units_has_the_same_fits(
    small_body: BodyModel, make_scene, short_config, scale: float
) -> None:
    scene: Scene = make_scene(0)
    betas = np.random.default_rng(5).normal(size=scene.betas.shape)
    count = betas.shape[1]
    rotation = np.eye(small_body.num_betas)
    rotation[:count, :count] = turn(count)
    scene = dataclasses.replace(scene, betas=betas.astype(np.float32))
    other = dataclasses.replace(scene, betas=(scale * betas @ rotation[:count, :count].T).astype(np.float32))
    short_config.stage2.steps = 0
    # To the minimum: the way there depends on the axes that betas have, as damping is along them.
    short_config.stage1.steps = short_config.lm.steps = 300
    short_config.stage1.tolerance, short_config.lm.patience = 1e-7, 20
    settings = settings_from_config(short_config)
    settings = dataclasses.replace(settings, terms=tuple(t for t in settings.terms if t.name not in _SEARCHES))
    fits = [
        fit_scenes(body, [seen], {scene.key: _ANSWERS}, settings)[scene.key]
        for body, seen in ((small_body, scene), (body_in_other_units(small_body, scale, rotation), other))
    ]
    assert all(fit.status == "ok" for fit in fits)
    np.testing.assert_allclose(fits[1].vertices, fits[0].vertices, atol=2e-3)
