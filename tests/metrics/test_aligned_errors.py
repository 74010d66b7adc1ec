"""Errors after every alignment against SciPy's algorithms, in batches, under jit and vmap, and over time."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from prosepose_jax.metrics import (
    absolute_mpjpe_mm,
    acceleration_error_mm,
    acceleration_mm,
    joint_pa_mpjpe_mm,
    joint_pa_mpjpe_swapped_mm,
    mpjpe_mm,
    pa_mpjpe_mm,
    pve_mm,
    scale_translation_mpjpe_mm,
    translation_mpjpe_mm,
)


@pytest.fixture
def scenes() -> tuple[np.ndarray, np.ndarray]:
    """Found and true joints (5, 3, 14, 3) of five scenes of three people."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(5, 3, 14, 3)) * 0.4 + rng.normal(size=(5, 3, 1, 3)) + np.array([0, 0, 4])
    return truth + 0.1 * rng.normal(size=truth.shape), truth


def _mean_mm(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean() * 1000)


def _kabsch_mm(found: np.ndarray, truth: np.ndarray) -> float:
    """PA error by quaternions (SciPy's Wahba solver), the scale by least squares on the turned points."""
    a, b = found - found.mean(axis=0), truth - truth.mean(axis=0)
    turned = Rotation.align_vectors(b, a)[0].apply(a)
    return _mean_mm(turned * np.sum(turned * b) / np.sum(turned * turned), b)


def test_similarities_equal_scipys(scenes) -> None:
    found, truth = scenes
    single, joint = pa_mpjpe_mm(found, truth), joint_pa_mpjpe_mm(found, truth)
    assert single.shape == joint.shape == (5,)
    for s in range(5):
        each = [_kabsch_mm(a, b) for a, b in zip(found[s], truth[s], strict=True)]
        assert single[s] == pytest.approx(np.mean(each), rel=1e-9)
        assert joint[s] == pytest.approx(_kabsch_mm(found[s].reshape(-1, 3), truth[s].reshape(-1, 3)), rel=1e-9)


def test_shift_and_scale_equal_a_search(scenes) -> None:
    found, truth = scenes[0][0, :1] * 1.4, scenes[1][0, :1]

    def squares(x: np.ndarray, scaled: bool) -> float:
        return float(np.sum(((x[3] if scaled else 1.0) * found[0] + x[:3] - truth[0]) ** 2))

    for scaled, function in ((False, translation_mpjpe_mm), (True, scale_translation_mpjpe_mm)):
        best = minimize(squares, np.array([0, 0, 0, 1.0]), args=(scaled,), tol=1e-14).x
        moved = (best[3] if scaled else 1.0) * found[0] + best[:3]
        assert function(found, truth) == pytest.approx(_mean_mm(moved, truth[0]), rel=1e-4)


def test_what_each_alignment_forgives() -> None:
    truth = np.random.default_rng(1).normal(size=(2, 14, 3))
    shifted, scaled = truth + np.array([0.3, 0, 0]), 1.2 * truth + np.array([0.3, 0, 0])
    turned = truth @ Rotation.from_euler("y", 40, degrees=True).as_matrix().T
    mirrored = truth * [-1, 1, 1]
    zero = {translation_mpjpe_mm: (shifted,), scale_translation_mpjpe_mm: (shifted, scaled),
            pa_mpjpe_mm: (shifted, scaled, turned), joint_pa_mpjpe_mm: (shifted, scaled, turned)}  # fmt: skip
    for function, forgiven in zero.items():
        for case in (shifted, scaled, turned, mirrored):
            value = function(case, truth)
            if any(case is one for one in forgiven):
                assert value == pytest.approx(0.0, abs=1e-9)
            else:
                assert value > 50.0
    assert absolute_mpjpe_mm(shifted, truth) == pytest.approx(300.0)
    # People in each other's places differ from the truth in nothing but their order.
    error, exchanged = joint_pa_mpjpe_swapped_mm(truth[::-1], truth)
    assert error == pytest.approx(0.0, abs=1e-9) and exchanged
    assert not joint_pa_mpjpe_swapped_mm(shifted, truth)[1]


def test_vertices_are_rooted_at_the_pelvis() -> None:
    vertices = np.random.default_rng(2).normal(size=(2, 50, 3))
    pelvis = np.zeros((2, 3))
    assert pve_mm(vertices + 1.0, vertices, pelvis + 1.0, pelvis) == pytest.approx(0.0, abs=1e-9)
    assert pve_mm(vertices + np.array([0.0, 0.02, 0.0]), vertices, pelvis, pelvis) == pytest.approx(20.0)


@pytest.mark.heavy
def test_a_batch_is_its_scenes_and_traces_follow_their_type(scenes) -> None:
    found, truth = scenes
    pelvis, true_pelvis = found[:, :, 0], truth[:, :, 0]
    for function in (pa_mpjpe_mm, joint_pa_mpjpe_mm, translation_mpjpe_mm, scale_translation_mpjpe_mm):
        each = [function(a, b) for a, b in zip(found, truth, strict=True)]
        np.testing.assert_allclose(function(found, truth), each, rtol=1e-12)
        traced = jax.jit(jax.vmap(function))(found.astype(np.float32), truth.astype(np.float32))
        assert traced.dtype == np.float32
        np.testing.assert_allclose(traced, each, rtol=1e-4)
        slope = jax.grad(lambda x, f=function: f(x, truth[0]).sum())(found[0].astype(np.float32))
        assert np.isfinite(slope).all()
    np.testing.assert_allclose(
        mpjpe_mm(found, truth, pelvis, true_pelvis),
        [mpjpe_mm(*row) for row in zip(found, truth, pelvis, true_pelvis, strict=True)],
    )


@pytest.mark.parametrize("wide", [False, True])
def test_precision_does_not_depend_on_jaxs_setting(scenes, wide: bool) -> None:
    found, truth = scenes
    expected = pa_mpjpe_mm(found, truth)
    with jax.enable_x64(wide):
        np.testing.assert_array_equal(pa_mpjpe_mm(found, truth), expected)


def test_accelerations_by_hand() -> None:
    time = np.arange(6.0)[:, None, None] * np.ones((6, 14, 3))
    steady = time * [0.1, 0.0, 0.0]  # moves, without acceleration
    assert acceleration_mm(steady) == pytest.approx(0.0, abs=1e-9)
    falling = steady + 0.5 * time**2 * [0.0, 0.01, 0.0]  # 10 mm a frame²
    assert acceleration_mm(falling) == pytest.approx(10.0)
    assert acceleration_error_mm(falling, steady) == pytest.approx(10.0)
    assert acceleration_error_mm(falling + np.array([0.0, 0.0, 0.5]), falling) == pytest.approx(0.0, abs=1e-9)
    jitter = falling.copy()
    jitter[3, 0, 2] += 0.014  # one joint of 14 in one frame: 14, 28 and 14 mm in three of four accelerations
    assert acceleration_error_mm(jitter, falling) == pytest.approx((14 + 28 + 14) / 14 / 4)
    with pytest.raises(ValueError, match="three frames"):
        acceleration_mm(steady[:2])
