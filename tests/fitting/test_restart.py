"""People who end inside each other are fitted again from apart, and the better fit is kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prosepose_jax.body.model import BodyModel
from prosepose_jax.fitting.prepare import initial_params, moved_apart, prepare_scene, starting_batch
from prosepose_jax.fitting.restart import fit_apart, in_portions, is_inside
from prosepose_jax.fitting.settings import FitSettings
from prosepose_jax.scene import Fit

TERMS = ("contact", "penetration")


def _fit(key: str, left: float, status: str = "ok", seconds: float = 1.0) -> Fit:
    """A fit whose last stage ended with so much penetration."""
    losses = np.full((2, 4, 2), np.nan, np.float32)
    losses[1, :3] = ((0.0, 900.0), (0.0, 500.0 if left < 500.0 else 900.0), (0.0, left))
    return Fit(key=key, status=status, loss_terms=TERMS, losses=losses, steps=np.array([4, 3]), seconds=seconds)


@pytest.fixture
def item(small_body: BodyModel, make_scene):
    return prepare_scene(make_scene(seed=0), [], FitSettings(use_answers=False), small_body.num_betas)


def test_what_is_left_at_the_end_decides(item) -> None:
    assert is_inside(item, _fit("a", 31.0)) and is_inside(item, _fit("a", 31.0, "fallback"))
    assert not is_inside(item, _fit("a", 29.0))
    assert not is_inside(item, _fit("a", 31.0, "failed: no"))
    assert not is_inside(dataclasses.replace(item, settings=FitSettings(restart_above=0.0)), _fit("a", 1e9))
    assert not is_inside(item, dataclasses.replace(_fit("a", 31.0), loss_terms=("contact", "told")))


def test_moved_apart_along_the_lines_of_sight(small_body: BodyModel, make_scene) -> None:
    params = initial_params(small_body, make_scene(seed=0))
    params.transl[:] = [[-0.4, 0.1, 2.0], [0.5, 0.2, 2.1]]
    before = params.transl.copy()
    for apart, nearer in ((0.3, 0), (-0.3, 1)):
        found = moved_apart(params, apart).transl
        assert abs(found[0, 2] - found[1, 2]) == pytest.approx(0.3, abs=1e-5)
        assert int(np.argmin(found[:, 2])) == nearer
        assert found[:, 2].mean() == pytest.approx(2.05, abs=1e-5)
        np.testing.assert_allclose(found[:, :2] / found[:, 2:], before[:, :2] / before[:, 2:], rtol=1e-5)
    np.testing.assert_array_equal(params.transl, before)
    params.transl[:, 2] = [0.1, 0.12]
    assert moved_apart(params, 1.0).transl[:, 2].min() > 0  # never behind the camera


def test_a_start_apart_changes_no_estimate(small_body: BodyModel, item) -> None:
    apart = dataclasses.replace(item, apart_m=0.5)
    start, plain = starting_batch(small_body, [apart]), starting_batch(small_body, [item])
    assert abs(np.diff(start.transl[0, :, 2])[0]) == pytest.approx(0.5, abs=1e-5)
    np.testing.assert_array_equal(start.body_pose, plain.body_pose)
    np.testing.assert_array_equal(plain.transl[0], item.scene.transl)


def test_portions_hold_back_only_who_is_inside(item) -> None:
    prepared = [item] * 5
    found = iter([(0, _fit("a", 1.0)), (1, _fit("b", 99.0)), (2, _fit("c", 99.0)), (3, _fit("d", 1.0)),
                  (4, _fit("e", 99.0))])  # fmt: skip
    portions = [([place for place, _ in some], inside) for some, inside in in_portions(found, prepared, 2)]
    assert portions == [([0], False), ([1, 2], True), ([3], False), ([4], True)]


class _Fitter:
    """Stands for the fitter: hands out the given further attempts, last first, and keeps what it was asked."""

    def __init__(self, *fits: Fit) -> None:
        self.fits, self.asked = fits, []

    def fit_plain(self, prepared, variant, shared, few):
        assert few
        self.asked += prepared
        assert len(self.fits) == len(prepared)
        return reversed(list(enumerate(self.fits)))  # batches end in any order


def _left(fits: list[Fit]) -> list[float]:
    return [round(float(fit.losses[1, 2, 1]), 3) for fit in fits]


def test_the_lowest_energy_is_kept_and_time_added_up(item) -> None:
    fitter = _Fitter(_fit("a", 12.0), _fit("a", 11.0), _fit("b", 120.0), _fit("b", 0.1, "failed: not finite"))
    best = fit_apart(fitter, [item, item], [_fit("a", 99.0), _fit("b", 99.0)], "", {})
    assert _left(best) == [11.0, 99.0]
    assert [fit.seconds for fit in best] == [3.0, 3.0]
    assert [asked.apart_m for asked in fitter.asked] == [0.3, -0.3] * 2
    assert all(asked.settings is item.settings for asked in fitter.asked)  # contacts first, as ever


def test_a_fit_that_no_attempt_betters_stays(item) -> None:
    first = _fit("a", 99.0)
    fitter = _Fitter(_fit("a", 99.5), _fit("a", 170.0, "failed: no"))
    (best,) = fit_apart(fitter, [item], [first], "", {})
    assert _left([best]) == [99.0] and best.losses is first.losses


def test_the_energy_is_that_of_the_best_step(item) -> None:
    """A stage ends with the best of its steps, which may not be the last that was recorded."""
    jumped = _fit("a", 5.0)
    jumped.losses[1, :3, 0] = (0.0, 0.0, 990.0)  # at 500 in all before
    (best,) = fit_apart(_Fitter(jumped, _fit("a", 501.0)), [item], [_fit("a", 520.0)], "", {})
    assert best.losses is jumped.losses
