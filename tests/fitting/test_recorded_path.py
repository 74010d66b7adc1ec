"""Recording: the parameters at the accepted steps, and nothing when it is off."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fabricated_run import made_fit
from small_scenes import answer, fewer_terms

from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings, Fitter
from prosepose_jax.fitting.path import recorded_path
from prosepose_jax.fitting.settings import LMSettings
from prosepose_jax.io import load_fit, save_fit

NAMES = ("global_orient", "body_pose", "betas", "transl")


def moving(*values):
    rows = np.array(values, np.float32)
    shapes = {"global_orient": (2, 3), "body_pose": (2, 21, 3), "betas": (2, 10), "transl": (2, 3)}
    return {name: np.broadcast_to(rows.reshape(-1, *[1] * len(s)), (len(rows), *s)) for name, s in shapes.items()}


def test_rounds_without_a_change_have_no_row():
    path = recorded_path([(moving(1, 1, 2, 2, 3, 9), 5), (moving(3, 4), 2)], 1)
    assert path.stage.tolist() == [0, 0, 0, 1] and path.step.tolist() == [1, 3, 5, 2]
    assert path.transl[:, 0, 0].tolist() == [1, 2, 3, 4]
    # Rounds of several steps: the last one may be cut short.
    assert recorded_path([(moving(1, 2), 15)], 10).step.tolist() == [10, 15]
    assert recorded_path([(None, 5), (None, 3)], 1) is None


@pytest.mark.heavy
def test_a_fit_keeps_its_way(small_body, make_scene, tmp_path):
    settings = fewer_terms(FitSettings(lm=LMSettings(steps=6), batch_size=2, record=True), kept=("pose_prior",))
    scenes = [make_scene(1), make_scene(2), make_scene(3)]
    fits = list(Fitter(small_body, settings).fit(scenes, lambda key: [answer(("left hand", "back"))]))
    for fit in fits:
        path = fit.path
        assert 2 <= len(path.step) <= int(np.sum(fit.steps)) and set(path.stage.tolist()) == {0, 1}
        assert (np.diff(path.stage * 1000 + path.step) > 0).all()
        for name in NAMES:
            np.testing.assert_array_equal(getattr(path, name)[-1], getattr(fit, name))
    loaded = load_fit(save_fit(tmp_path, fits[0]))
    for field in dataclasses.fields(loaded.path):
        np.testing.assert_array_equal(getattr(loaded.path, field.name), getattr(fits[0].path, field.name))


def test_off_changes_no_program():
    assert FitSettings().structure == dataclasses.replace(FitSettings(record=True).structure, record=False)
    assert FitSettings().problem() == FitSettings(record=True).problem()
    assert not FitSettings().structure.record


@pytest.mark.parametrize("field", ["path_step", "path_transl"])
def test_a_damaged_path_is_named(tmp_path, small_body, field):
    path = recorded_path([(moving(1, 2, 3), 3)], 1)
    file = save_fit(tmp_path, dataclasses.replace(made_fit(small_body, "a"), path=path))
    with np.load(file) as found:
        arrays = dict(found)
    arrays[field] = arrays[field][:1]
    np.savez(file, **arrays)
    with pytest.raises(InputError, match=field):
        load_fit(file)
