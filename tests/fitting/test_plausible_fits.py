"""Fits that show no person in front of a camera are not "ok"."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.fitting.plausible import checked
from prosepose_jax.io.fits import load_fit, save_fit
from prosepose_jax.scene import Fit

_PERSON = np.array([[-0.3, -0.9, 0.0], [0.3, 0.9, 0.2], [0.0, 0.0, -0.1]])


def _fit(size: float = 1.0, place: tuple[float, float, float] = (0.0, 0.0, 3.0), status: str = "ok") -> Fit:
    near = np.stack([_PERSON + np.array([0, 0, 3.0]), _PERSON * size + np.array(place)]).astype(np.float32)
    zeros = np.zeros((2, 3), np.float32)
    return Fit(
        key="a", status=status, global_orient=zeros, body_pose=np.zeros((2, 21, 3), np.float32),
        betas=np.zeros((2, 10), np.float32), transl=zeros, vertices=near, joints=near,
    )  # fmt: skip


@pytest.mark.parametrize("status", ["ok", "fallback"])
@pytest.mark.parametrize(
    ("size", "place"), [(1.0, (0, 0, 0.6)), (0.35, (5, 1, 30)), (1.3, (0, 0, 900.0)), (2.0, (0, 0, 60.0))]
)
def test_people_near_and_far_large_and_small_pass(size, place, status) -> None:
    fit = _fit(size, place, status)
    assert checked(fit) is fit


@pytest.mark.parametrize(
    ("size", "place", "says"),
    [
        (1.0, (0, 0, 1e12), "person 1 is 1e+12 m away"), (1.0, (1e6, 0, 5), "m away"),
        (1e8, (0, 0, 1e9), "person 1 measures 1.8e+08 m"), (1e-6, (0, 0, 3), "measures"),
        (1.0, (0, 0, -3), "behind the camera"), (np.nan, (0, 0, 3), "no numbers"),
    ],
)  # fmt: skip
def test_the_absurd_fails_by_name(size, place, says, tmp_path) -> None:
    fit = checked(_fit(size, place))
    assert fit.status.startswith("failed: no person in front of a camera: ") and says in fit.status
    assert load_fit(save_fit(tmp_path, fit)).vertices is None


def test_failed_fits_pass_as_they_are() -> None:
    failed = Fit(key="a", status="failed: no reason")
    assert checked(failed) is failed
