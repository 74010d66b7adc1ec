"""The Gaussian-mixture pose prior against its formula in float64 (docs/method.md, "Other terms"), and its file."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.resources import smpl_assets_dir
from prosepose_jax.terms import PosePrior, load_pose_prior, make_pose_prior
from prosepose_jax.terms.mixture import component_costs

Mixture = tuple[np.ndarray, np.ndarray, np.ndarray]


def _mixture(seed: int, scale: float = 0.3, components: int = 8) -> Mixture:
    """A random mixture over 69 numbers whose components differ in size."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0.0, 0.2, (components, 69))
    covars = []
    for k in range(components):
        basis = np.linalg.qr(rng.normal(size=(69, 69)))[0]
        spread = scale * (1.0 + 0.05 * k) * rng.uniform(0.5, 1.5, 69)
        covars.append(basis @ np.diag(spread**2) @ basis.T)
    weights = rng.uniform(0.5, 1.0, components)
    return means, np.stack(covars), weights / weights.sum()


def _reference(mixture: Mixture, pose: np.ndarray) -> float:
    """min over k of ½ dᵀ P_k d − log(w_k / ((2π)^34.5 · s_k / min s)) for one person's 63 numbers, float64."""
    means, covars, weights = mixture
    log_s = [0.5 * np.sum(np.log(np.linalg.eigvalsh(covar))) for covar in covars]
    costs = []
    for mean, covar, weight, own in zip(means, covars, weights, log_s, strict=True):
        d = pose - mean[:63]
        quadratic = 0.5 * d @ np.linalg.inv(covar[:63, :63]) @ d
        costs.append(quadratic - (math.log(weight) - 34.5 * math.log(2 * math.pi) - (own - min(log_s))))
    return min(costs)


def pose_prior_loss(prior: PosePrior, poses: jax.Array) -> jax.Array:
    """Cost of the likeliest component, summed over people (P, 21, 3)."""
    return jnp.sum(jnp.min(component_costs(prior, poses), axis=-1))


def _as_person(pose: np.ndarray) -> jax.Array:
    return jnp.asarray(pose, jnp.float32).reshape(1, 21, 3)


# With 0.3 rad the determinants are 1e-72 and smaller, with 0.03 about 1e-210: both are 0 in float32.
@pytest.mark.parametrize("scale", [1.0, 0.3, 0.03])
def test_pose_prior_by_hand(scale: float) -> None:
    mixture = _mixture(1, scale)
    if scale < 1.0:
        assert np.all(np.linalg.det(mixture[1].astype(np.float32)) == 0.0)
    prior = make_pose_prior(*mixture)
    rng = np.random.default_rng(2)
    for k in range(8):
        pose = mixture[0][k, :63] + rng.normal(0.0, scale, 63)
        assert float(pose_prior_loss(prior, _as_person(pose))) == pytest.approx(_reference(mixture, pose), rel=2e-5)


def test_every_part_of_the_constant_counts() -> None:
    """The cheapest component depends on weight and determinant, not on the distance alone."""
    means = np.zeros((2, 69))
    means[1, 0] = 1.0
    covars = np.stack([np.eye(69), 1.5 * np.eye(69)])
    at_second = np.zeros(63)
    at_second[0] = 1.0
    constant = 34.5 * math.log(2 * math.pi)
    # √det of the second, all 69 dimensions: 1.5^34.5. It costs more than the distance to the first.
    for weights, expected in (
        ([0.5, 0.5], 0.5 + constant + math.log(2.0)),
        ([1e-9, 1 - 1e-9], constant + 34.5 * math.log(1.5)),
    ):
        prior = make_pose_prior(means, covars, np.array(weights))
        assert float(pose_prior_loss(prior, _as_person(at_second))) == pytest.approx(expected, rel=1e-5)
    # The covariance's own block is inverted, not the inverse's block: correlation with the last six matters not.
    tied = np.eye(69)
    tied[0, 68] = tied[68, 0] = 0.9
    prior = make_pose_prior(np.zeros((1, 69)), tied[None], np.ones(1))
    assert float(pose_prior_loss(prior, _as_person(at_second))) == pytest.approx(0.5 + constant, rel=1e-5)


def test_people_add_up() -> None:
    mixture = _mixture(3)
    prior = make_pose_prior(*mixture)
    poses = np.random.default_rng(4).normal(0.0, 0.4, (3, 63))
    found = float(pose_prior_loss(prior, jnp.asarray(poses, jnp.float32).reshape(3, 21, 3)))
    assert found == pytest.approx(sum(_reference(mixture, pose) for pose in poses), rel=2e-5)


def test_gradient_equals_finite_differences() -> None:
    mixture = _mixture(5)
    prior = make_pose_prior(*mixture)
    rng = np.random.default_rng(6)
    pose, direction = rng.normal(0.0, 0.4, 63), rng.normal(size=63)
    gradient = np.asarray(jax.grad(lambda p: pose_prior_loss(prior, p))(_as_person(pose)), np.float64).reshape(63)
    ahead, behind = (_reference(mixture, pose + sign * 1e-5 * direction) for sign in (1, -1))
    assert gradient @ direction == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)


def test_packaged_prior_equals_the_formula() -> None:
    with np.load(smpl_assets_dir() / "pose_prior.npz") as stored:
        mixture = tuple(stored[name].astype(np.float64) for name in ("means", "covars", "weights"))
    prior = load_pose_prior()
    for pose in np.random.default_rng(7).normal(0.0, 0.3, (5, 63)):
        assert float(pose_prior_loss(prior, _as_person(pose))) == pytest.approx(_reference(mixture, pose), rel=1e-4)


def test_files_of_both_kinds_give_the_same_prior(tmp_path: Path) -> None:
    fields = dict(zip(("means", "covars", "weights"), _mixture(8), strict=True))
    np.savez(tmp_path / "prior.npz", **fields)
    (tmp_path / "prior.pkl").write_bytes(pickle.dumps(fields, protocol=2))
    pose = _as_person(np.full(63, 0.1))
    expected = float(pose_prior_loss(make_pose_prior(*fields.values()), pose))
    for name in ("prior.npz", "prior.pkl"):
        assert float(pose_prior_loss(load_pose_prior(tmp_path / name), pose)) == expected


def test_63_numbers_are_enough() -> None:
    means, covars, weights = _mixture(9)
    prior = make_pose_prior(means[:, :63], covars[:, :63, :63], weights)
    assert np.isfinite(float(pose_prior_loss(prior, _as_person(np.zeros(63)))))


def _not_positive(m: dict) -> None:
    m["covars"][2] = -np.eye(69)


def _indefinite(m: dict) -> None:
    # Two negative directions among the last six: the determinant is positive, the 63-block fine.
    m["covars"][2] = np.diag([1.0] * 67 + [-1.0] * 2)


def _nan(m: dict) -> None:
    m["means"][1, 5] = np.nan


def _nan_covar(m: dict) -> None:
    m["covars"][1, 5, 5] = np.nan


def _zero_weight(m: dict) -> None:
    m["weights"][0] = 0.0


def _negative_weight(m: dict) -> None:
    m["weights"][0] = -0.1


def _no_components(m: dict) -> None:
    m.update(means=np.zeros((0, 69)), covars=np.zeros((0, 69, 69)), weights=np.zeros(0))


def _flat_weights(m: dict) -> None:
    m["weights"] = np.float64(1.0)


def _short(m: dict) -> None:
    m["means"] = m["means"][:, :60]


def _wrong_covars(m: dict) -> None:
    m["covars"] = m["covars"][:, :63, :63]


def _text(m: dict) -> None:
    m["weights"] = np.array(["a"] * 8)


def _missing(m: dict) -> None:
    del m["covars"]


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (_not_positive, "covars"), (_indefinite, "covars"), (_nan, "means"), (_nan_covar, "covars"),
        (_zero_weight, "weights"), (_negative_weight, "weights"), (_no_components, "weights"),
        (_flat_weights, "weights"), (_short, "means"), (_wrong_covars, "covars"), (_text, "weights"),
        (_missing, "covars"),
    ],
)  # fmt: skip
def test_bad_fields_are_named(damage: Callable[[dict], None], field: str, tmp_path: Path) -> None:
    fields = dict(zip(("means", "covars", "weights"), _mixture(10), strict=True))
    damage(fields)
    np.savez(tmp_path / "prior.npz", **fields)
    with pytest.raises(InputError) as caught:
        load_pose_prior(tmp_path / "prior.npz")
    assert "prior.npz" in str(caught.value) and f"field {field}" in str(caught.value)


def test_files_that_are_no_prior(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz: no such file"):
        load_pose_prior(tmp_path / "none.npz")
    whole = (smpl_assets_dir() / "pose_prior.npz").read_bytes()
    for name, content in (("cut.npz", whole[:3000]), ("text.npz", b"means"), ("empty.npz", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            load_pose_prior(tmp_path / name)
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(InputError, match=r"one\.npz"):
        load_pose_prior(tmp_path / "one.npz")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(InputError, match=r"list\.pkl"):
        load_pose_prior(tmp_path / "list.pkl")
