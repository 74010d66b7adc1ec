"""The embedded pose prior: layout, definiteness, and that it prefers natural poses."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.resources import smpl_assets_dir


@pytest.fixture(scope="module")
def prior() -> dict[str, np.ndarray]:
    with np.load(smpl_assets_dir() / "pose_prior.npz", allow_pickle=False) as file:
        return {name: file[name].astype(np.float64) for name in file.files}


def energy(prior: dict[str, np.ndarray], pose: np.ndarray) -> float:
    """The published prior's energy of a (21, 3) body pose, written out (docs/method.md, "Other terms")."""
    values = []
    logdets = np.array([np.linalg.slogdet(c)[1] for c in prior["covars"]])
    for mean, covar, weight, logdet in zip(prior["means"], prior["covars"], prior["weights"], logdets, strict=True):
        d = pose.reshape(63) - mean[:63]
        scale = 34.5 * np.log(2 * np.pi) + 0.5 * (logdet - logdets.min())
        values.append(0.5 * d @ np.linalg.solve(covar[:63, :63], d) - np.log(weight) + scale)
    return float(min(values))


def pose_of(**vectors: tuple[float, float, float]) -> np.ndarray:
    """Standing with hanging arms, then these joints (degrees)."""
    joint = {"left_hip": 0, "right_hip": 1, "spine1": 2, "left_knee": 3, "right_knee": 4, "left_ankle": 6, "neck": 11,
             "head": 14, "left_shoulder": 15, "right_shoulder": 16, "left_elbow": 17, "right_elbow": 18}  # fmt: skip
    pose = np.zeros((21, 3))
    pose[15], pose[16] = (0, 0, np.radians(-70)), (0, 0, np.radians(70))
    pose[17], pose[18] = (0, np.radians(-15), 0), (0, np.radians(15), 0)
    for name, vector in vectors.items():
        pose[joint[name]] = np.radians(vector)
    return pose


def test_layout(prior: dict[str, np.ndarray]) -> None:
    assert prior["means"].shape == (8, 69)
    assert prior["covars"].shape == (8, 69, 69)
    assert prior["weights"].shape == (8,)
    assert prior["weights"].min() > 0.02 and abs(prior["weights"].sum() - 1) < 1e-5


def test_covariances_are_well_conditioned(prior: dict[str, np.ndarray]) -> None:
    for covar in prior["covars"]:
        np.testing.assert_allclose(covar, covar.T, atol=1e-7)
        values = np.linalg.eigvalsh(covar)
        assert values.min() > 0.03**2 and values.max() < 2.0**2


def test_means_are_natural(prior: dict[str, np.ndarray]) -> None:
    poses = prior["means"][:, :63].reshape(8, 21, 3)
    assert (poses[:, [3, 4], 0] > -0.05).all(), "no knee bends backwards"
    assert (poses[:, 17, 1] < 0.1).all() and (poses[:, 18, 1] > -0.1).all(), "no elbow bends backwards"
    assert np.linalg.norm(poses, axis=-1).max() < 2.2
    assert (np.abs(poses[:, [11, 14]]) < 0.4).all(), "heads look ahead"


def test_standing_sitting_and_reaching_are_likely(prior: dict[str, np.ndarray]) -> None:
    standing = energy(prior, pose_of())
    sitting = energy(prior, pose_of(left_hip=(-85, 0, 5), right_hip=(-85, 0, -5), left_knee=(85, 0, 0),
                                    right_knee=(85, 0, 0)))  # fmt: skip
    reaching = energy(prior, pose_of(left_shoulder=(0, -75, 0), right_shoulder=(0, 75, 0)))
    upside = energy(prior, np.random.default_rng(0).normal(0, 1.0, (21, 3)))
    assert max(standing, sitting, reaching) < standing + 40
    assert upside > max(standing, sitting, reaching) + 200


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"left_knee": (-60, 0, 0)}, {"left_knee": (60, 0, 0)}),
        ({"right_knee": (-60, 0, 0)}, {"right_knee": (60, 0, 0)}),
        ({"left_knee": (0, 0, 45)}, {"left_knee": (45, 0, 0)}),
        ({"left_elbow": (0, 60, 0)}, {"left_elbow": (0, -60, 0)}),
        ({"right_elbow": (0, -60, 0)}, {"right_elbow": (0, 60, 0)}),
        ({"head": (0, 150, 0)}, {"head": (0, 25, 0)}),
        ({"spine1": (-60, 0, 0)}, {"spine1": (20, 0, 0)}),
        ({"left_hip": (70, 0, 0)}, {"left_hip": (-70, 0, 0), "left_knee": (80, 0, 0)}),
        ({"left_ankle": (90, 0, 0)}, {"left_ankle": (20, 0, 0)}),
    ],
)
def test_impossible_bends_cost_more_than_possible_ones(
    prior: dict[str, np.ndarray],
    wrong: dict[str, tuple[float, float, float]],
    right: dict[str, tuple[float, float, float]],
) -> None:
    # In nats: e⁴ is 50 times, e⁷ a thousand times less likely. A mixture of eight is soft; the fit weighs it by 4.
    assert energy(prior, pose_of(**wrong)) > energy(prior, pose_of(**right)) + 4
    assert energy(prior, pose_of(**wrong)) > energy(prior, pose_of()) + 7


def test_mirrored_poses_cost_about_the_same(prior: dict[str, np.ndarray]) -> None:
    swap = np.array([2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20]) - 1
    rng = np.random.default_rng(1)
    for _ in range(5):
        pose = pose_of() + rng.normal(0, 0.15, (21, 3))
        other = pose[swap] * np.array([1.0, -1.0, -1.0])
        assert abs(energy(prior, pose) - energy(prior, other)) < 15
