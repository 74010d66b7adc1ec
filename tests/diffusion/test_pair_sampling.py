"""Pairs, noise, DDIM and score distillation, with denoisers whose answer is known."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prosepose_jax.body import BodyParams
from prosepose_jax.diffusion import (
    BUDDI_CONDITIONAL,
    BUDDI_UNCONDITIONAL,
    Buddi,
    Pair,
    PriorWeights,
    as_rotations,
    cosine_schedule,
    distillation_loss,
    distillation_residuals,
    distillation_target,
    from_params,
    relative,
    sample_pair,
    sample_pairs,
    to_params,
)
from prosepose_jax.diffusion.pairs import rotation_from_6d, rotation_to_6d
from prosepose_jax.diffusion.sampling import add_noise, ddim_step, normal_pair

# One program each, and not one of every operation.
from_params, to_params, relative = jax.jit(from_params), jax.jit(to_params), jax.jit(relative)


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    zero = BodyParams.zeros()
    return dataclasses.replace(
        zero,
        global_orient=jnp.asarray(rng.normal(size=(2, 3)), jnp.float32),
        body_pose=jnp.asarray(rng.normal(size=(2, 21, 3)) * 0.4, jnp.float32),
        betas=jnp.asarray(rng.normal(size=(2, 10)), jnp.float32),
        transl=jnp.asarray([[0.1, 0.2, 3.0], [0.5, 0.3, 3.2]], jnp.float32),
        kid_scale=jnp.asarray([0.0, 0.3]),
    )


def _close(a, b, atol=1e-5):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, atol=atol)


def test_6d_is_the_first_two_rows_and_comes_back():
    matrix = Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix().astype(np.float32)
    six = rotation_to_6d(jnp.asarray(matrix))
    np.testing.assert_array_equal(six, matrix[:2].ravel())
    np.testing.assert_allclose(rotation_from_6d(six), matrix, atol=1e-6)
    crooked = jnp.asarray([2.0, 0, 0, 5.0, 3.0, 0])
    np.testing.assert_allclose(rotation_from_6d(crooked), np.eye(3), atol=1e-6)


def test_6d_is_finite_at_zero_and_for_parallel_rows():
    for six in (jnp.zeros(6), jnp.asarray([1.0, 0, 0, 2.0, 0, 0])):
        assert np.isfinite(rotation_from_6d(six)).all()
        assert np.isfinite(jax.grad(lambda x: jnp.sum(rotation_from_6d(x)))(six)).all()


def test_people_go_to_a_pair_and_back(people):
    _close(to_params(from_params(people), people), people)
    short = dataclasses.replace(people, betas=people.betas[:, :4])
    pair = from_params(short)
    assert pair.shape.shape == (2, 11) and not pair.shape[:, 4:10].any()
    _close(to_params(pair, short), short)


def test_relative_translation(people):
    pair = relative(from_params(people))
    np.testing.assert_allclose(pair.transl, [[0, 0, 0], [0.4, 0.1, 0.2]], atol=1e-6)


def test_noisy_rotations_are_rotations(people):
    schedule, clean = cosine_schedule(), from_params(people)
    noise = normal_pair(jax.random.key(0))
    noisy = add_noise(schedule, clean, jnp.asarray(500), noise)
    rows = np.asarray(noisy.pose).reshape(-1, 2, 3)
    np.testing.assert_allclose(rows @ rows.transpose(0, 2, 1), np.broadcast_to(np.eye(2), (42, 2, 2)), atol=1e-5)
    kept, added = np.sqrt(0.492285), np.sqrt(1 - 0.492285)
    np.testing.assert_allclose(noisy.transl, kept * clean.transl + added * noise.transl, atol=1e-5)


def test_a_ddim_step_towards_the_true_sample_follows_the_forward_process():
    """With x0 known, η = 0 keeps the noise: x_s = √ᾱ_s x0 + √(1-ᾱ_s) ε; η = 1 keeps its variance."""
    schedule = cosine_schedule()
    clean, noise = normal_pair(jax.random.key(0)), normal_pair(jax.random.key(1))

    def at(t):
        return jax.tree.map(lambda x, e: schedule.signal[t] * x + schedule.noise[t] * e, clean, noise)

    arguments = (schedule, at(501), clean, jnp.asarray(501), jnp.asarray(401))
    _close(ddim_step(*arguments, noise, 0.0), at(401))
    alpha, before = float(schedule.alpha_bar[501]), float(schedule.alpha_bar[401])
    fresh = np.sqrt((1 - before) / (1 - alpha) * (1 - alpha / before))
    other = normal_pair(jax.random.key(2))
    found = ddim_step(*arguments, other, 1.0).pose - np.sqrt(before) * clean.pose
    np.testing.assert_allclose(found, np.sqrt(1 - before - fresh**2) * noise.pose + fresh * other.pose, atol=1e-4)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_sampling_with_a_sure_denoiser_gives_its_answer(people, eta):
    wanted = from_params(people)
    found = sample_pair(lambda *_: wanted, cosine_schedule(), jax.random.key(0), steps=(901, 401, 1), eta=eta)
    _close(found, relative(wanted))


def test_sampling_shows_the_network_rotations_alone(people):
    seen = []

    def denoise(noisy, timestep):
        jax.debug.callback(lambda six, t: seen.append((int(t), np.array(six))), noisy.orient, timestep)
        return from_params(people)

    sample_pair(denoise, cosine_schedule(), jax.random.key(0), steps=(991, 501, 1))
    jax.effects_barrier()
    assert sorted(t for t, _ in seen) == [1, 501, 991]
    for _, six in seen:
        rows = six.reshape(-1, 2, 3)
        np.testing.assert_allclose(rows @ rows.transpose(0, 2, 1), np.broadcast_to(np.eye(2), (2, 2, 2)), atol=1e-5)


@pytest.mark.heavy
def test_samples_differ_by_key_and_guidance(people):
    network = Buddi(conditional=True, width=16, layers=1, heads=2, hidden=8)
    guidance = relative(from_params(people))
    weights = jax.jit(network.init)(jax.random.key(0), guidance, jnp.asarray(0), guidance)["params"]
    settings = {"steps": (901, 401, 1), "guidance": guidance}
    found = sample_pairs(network, weights, cosine_schedule(), jax.random.key(0), 3, **settings)
    assert found.pose.shape == (3, 2, 126) and np.isfinite(found.pose).all()
    assert not np.allclose(found.pose[0], found.pose[1], atol=1e-3)
    again = sample_pairs(network, weights, cosine_schedule(), jax.random.key(0), 3, **settings)
    _close(found, again, atol=0)
    dropped = sample_pairs(network, weights, cosine_schedule(), jax.random.key(0), 3, steps=(901, 401, 1))
    assert not np.allclose(found.pose, dropped.pose, atol=1e-3)


def test_a_perfect_denoiser_leaves_people_alone(people):
    clean = relative(from_params(people))
    target = distillation_target(lambda *_: clean, cosine_schedule(), jax.random.key(0), people, 20)
    _close(target, people, atol=1e-4)
    residuals = distillation_residuals(people, target)
    assert float(distillation_loss(residuals, PriorWeights())) < 0.5  # rounding, times 1000


def test_the_target_is_turned_back_to_person_0(people):
    """A denoiser that turns and moves the whole pair changes nothing: only how they stand to each other counts."""
    turn = jnp.asarray(Rotation.from_rotvec([0.5, 0.2, -0.7]).as_matrix(), jnp.float32)
    clean = relative(from_params(people))
    orient = rotation_to_6d(turn[None] @ rotation_from_6d(clean.orient))
    turned = clean.replace(orient=orient, transl=clean.transl @ turn.T + jnp.asarray([[1.0, 2.0, 3.0]]))
    target = distillation_target(lambda *_: turned, cosine_schedule(), jax.random.key(0), people, 20)
    _close(target, people, atol=1e-4)


def test_residuals_and_loss_by_hand(people):
    target = dataclasses.replace(
        people,
        body_pose=people.body_pose.at[1, 3, 2].add(-0.5),
        transl=people.transl + jnp.asarray([[7.0, 0, 0], [7.0, 0.03, 0.04]]),
        betas=people.betas.at[0, 0].add(2.0),
    )
    residuals = distillation_residuals(people, target)
    assert residuals["pose"].shape == (2, 63)
    assert float(distillation_loss(residuals, PriorWeights(100.0, 1000.0, 10.0))) == pytest.approx(
        50 + 50 + 20, rel=1e-4
    )


def test_the_gradient_stops_at_the_network_and_is_finite_at_zero(people):
    def through(params):
        noisy = lambda pair, t: jax.tree.map(lambda x: 2.0 * x, pair)  # noqa: E731
        target = distillation_target(noisy, cosine_schedule(), jax.random.key(0), params, 20)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(target))

    assert all(not np.any(leaf) for leaf in jax.tree.leaves(jax.grad(through)(people)))
    same = jax.grad(lambda p: distillation_loss(distillation_residuals(p, people), PriorWeights()))(people)
    assert all(np.array_equal(leaf, np.zeros_like(leaf)) for leaf in jax.tree.leaves(same))


def test_published_settings():
    assert BUDDI_UNCONDITIONAL.timestep == 20 and BUDDI_CONDITIONAL.timestep == 10
    assert [stage.betas for stage in BUDDI_CONDITIONAL.stages] == [10.0, 0.0]
    assert [stage.relative_transl for stage in BUDDI_UNCONDITIONAL.stages] == [1000.0, 1000.0]


def test_zero_guidance_is_no_rest_pose():
    assert not np.any(Pair.zeros((2,)).orient)
    assert np.isfinite(as_rotations(Pair.zeros()).pose).all()
