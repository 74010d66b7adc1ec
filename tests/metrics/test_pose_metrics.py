"""Joint errors against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.metrics import (
    LSP_JOINTS,
    evaluation_joints,
    joint_pa_mpjpe_mm,
    load_joint_regressor,
    mpjpe_mm,
    pa_mpjpe_mm,
)


@pytest.fixture
def truth():
    return np.random.default_rng(0).normal(size=(2, 14, 3))


def test_mpjpe_removes_the_pelvis_and_nothing_else(truth):
    pelvis = truth[:, 0]
    shift = np.array([[1.0, 2.0, 3.0], [-1.0, 0.0, 0.5]])
    assert mpjpe_mm(truth + shift[:, None], truth, pelvis + shift, pelvis) == pytest.approx(0.0, abs=1e-9)
    # The pelvis stays and one joint of 28 moves by 0.28 m: 10 mm on average.
    moved = truth.copy()
    moved[1, 5, 0] += 0.28
    assert mpjpe_mm(moved, truth, pelvis, pelvis) == pytest.approx(10.0)
    assert mpjpe_mm(1.1 * truth, truth, 1.1 * pelvis, pelvis) > 10.0


def test_joint_alignment_sees_what_single_alignment_does_not(truth):
    apart = truth + np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.5]])[:, None]
    assert pa_mpjpe_mm(apart, truth) == pytest.approx(0.0, abs=1e-6)
    assert joint_pa_mpjpe_mm(apart, truth) > 50.0
    # One similarity for both is no error at all.
    turned = 1.3 * truth @ np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T + 2.0
    assert joint_pa_mpjpe_mm(turned, truth) == pytest.approx(0.0, abs=1e-6)


def test_pa_mpjpe_is_the_mean_over_people(truth):
    noisy = truth + np.random.default_rng(1).normal(size=truth.shape) * 0.05
    each = [pa_mpjpe_mm(noisy[p : p + 1], truth[p : p + 1]) for p in range(2)]
    assert pa_mpjpe_mm(noisy, truth) == pytest.approx(np.mean(each))
    assert joint_pa_mpjpe_mm(noisy[:1], truth[:1]) == pytest.approx(each[0])


def test_lsp_joints_are_the_published_ones():
    assert LSP_JOINTS == (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
    joints = np.arange(2 * 55 * 3, dtype=float).reshape(2, 55, 3)
    np.testing.assert_array_equal(evaluation_joints(joints)[:, 0], joints[:, 8])


def test_regressors(tmp_path):
    rng = np.random.default_rng(2)
    vertices = rng.normal(size=(2, 30, 3))
    h36m = rng.uniform(size=(17, 30))
    np.save(tmp_path / "h36m.npy", h36m)
    np.savez(tmp_path / "j14.npz", other=np.zeros(3), J_regressor=h36m[:14])
    from_h36m = load_joint_regressor(tmp_path / "h36m.npy", 30)
    # Right ankle first (row 6 of Human3.6M), head top last (row 10 after the thirteen; the 14th is row 10).
    np.testing.assert_allclose(evaluation_joints(vertices, vertices, from_h36m)[:, 0], h36m[6] @ vertices)
    np.testing.assert_allclose(evaluation_joints(vertices, vertices, from_h36m)[:, 13], h36m[10] @ vertices)
    np.testing.assert_array_equal(load_joint_regressor(tmp_path / "j14.npz", 30), h36m[:14])
    with pytest.raises(InputError, match=r"h36m\.npy.*\(14, 31\).*found \(17, 30\)"):
        load_joint_regressor(tmp_path / "h36m.npy", 31)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(InputError, match=r"text\.npy"):
        load_joint_regressor(tmp_path / "text.npy", 30)
