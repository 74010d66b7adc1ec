"""The Flax denoiser against outputs and gradients of the PyTorch twin (make_goldens.py), and the key table."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from buddi_weights import SIZES, keys_and_shapes, loss_weights, random_inputs, random_state

from prosepose_jax.diffusion import Buddi, Pair, denoiser, from_state_dict
from prosepose_jax.errors import InputError

GOLDENS = Path(__file__).resolve().parents[1] / "data" / "goldens_buddi.npz"
BOUND = 1e-5


@pytest.fixture(scope="module")
def state():
    return random_state(0)


def _count(tree) -> int:
    return sum(np.size(leaf) for leaf in jax.tree.leaves(tree))


def _run(loaded, pair, t, guidance, weights):

    def total(noisy):
        out = loaded.network.apply({"params": loaded.weights}, noisy, jnp.asarray(t), guidance)
        return sum(jnp.sum(getattr(out, part) * weights[part]) for part in SIZES), out

    return jax.jit(jax.grad(total, has_aux=True))(pair)


@pytest.mark.heavy
@pytest.mark.parametrize("conditional", [False, True])
def test_output_and_gradient_equal_pytorch(state, conditional):
    loaded = from_state_dict(Buddi(conditional=conditional), state, "golden")
    with np.load(GOLDENS) as goldens:
        seed = int(goldens[f"{int(conditional)}_seed"])
        pair, t, guidance = random_inputs(seed, batch=1)
        given = Pair(**guidance) if conditional else None
        gradient, out = _run(loaded, Pair(**pair), t, given, loss_weights(seed, batch=1))
        for part in SIZES:
            np.testing.assert_allclose(getattr(out, part), goldens[f"{int(conditional)}_{part}"], atol=BOUND)
            wanted = goldens[f"{int(conditional)}_{part}_gradient"]
            np.testing.assert_allclose(getattr(gradient, part), wanted, atol=BOUND, rtol=BOUND)


def test_sizes_are_the_published_ones(state):
    assert len(keys_and_shapes()) == 243
    buffers = state["embed_timestep.encode.emb"].size
    assert sum(value.size for value in state.values()) - buffers == 3_469_092
    assert _count(from_state_dict(Buddi(), state, "s").weights) == 1_833_828
    assert _count(from_state_dict(Buddi(conditional=True), state, "s").weights) == 2_065_476


@pytest.mark.heavy
def test_converted_weights_have_the_modules_own_structure(state):
    pair, t, guidance = random_inputs(0, batch=1)
    for conditional in (False, True):
        network = Buddi(conditional=conditional)
        some = Pair(**guidance) if conditional else None
        made = jax.eval_shape(network.init, jax.random.key(0), Pair(**pair), t, some)["params"]
        loaded = from_state_dict(network, state, "s").weights
        assert jax.tree.map(lambda x: x.shape, made) == jax.tree.map(np.shape, loaded)


def test_unused_and_missing_entries(state):
    loaded = from_state_dict(Buddi(), state, "s")
    assert "embed_guidance_contact.embed.0.weight" in loaded.unused and "embed_timestep.encode.emb" in loaded.unused
    needed = {key: value for key, value in state.items() if key not in loaded.unused}
    assert from_state_dict(Buddi(), needed, "s").unused == ()
    with pytest.raises(InputError, match="file.pt: the checkpoint lacks embed_guidance_orient_bev_h0"):
        from_state_dict(Buddi(conditional=True), needed, "file.pt")


def test_wrong_shapes_and_numbers_are_named(state):
    key = "param_embedding_pose"
    with pytest.raises(InputError, match=r"param_embedding_pose: expected shape \(152,\), found \(3,\)"):
        from_state_dict(Buddi(), state | {key: np.zeros(3, np.float32)}, "file.pt")
    with pytest.raises(InputError, match="param_embedding_pose: expected finite numbers"):
        from_state_dict(Buddi(), state | {key: np.full(152, np.nan, np.float32)}, "file.pt")


@pytest.mark.heavy
def test_single_pairs_and_batches_agree_and_dropped_guidance_is_zero(state):
    pair, t, _ = random_inputs(0)
    loaded = from_state_dict(Buddi(conditional=True), state, "s")
    run = jax.jit(denoiser(*loaded[:2]))
    alone = run(jax.tree.map(lambda x: x[1], Pair(**pair)), jnp.asarray(t[1]))
    together = run(Pair(**pair), jnp.asarray(t))
    zero = jax.jit(denoiser(*loaded[:2], guidance=Pair.zeros((3,))))(Pair(**pair), jnp.asarray(t))
    for part in SIZES:
        np.testing.assert_allclose(getattr(alone, part), getattr(together, part)[1], atol=BOUND)
        np.testing.assert_allclose(getattr(zero, part), getattr(together, part), atol=BOUND)


def test_the_unconditional_model_takes_no_guidance(state):
    pair, t, guidance = random_inputs(0)
    loaded = from_state_dict(Buddi(), state, "s")
    with pytest.raises(ValueError, match="unconditional"):
        denoiser(*loaded[:2], guidance=Pair(**guidance))(Pair(**pair), jnp.asarray(t))


@pytest.mark.heavy
def test_dropout_is_off_unless_asked_for(state):
    pair, _, _ = random_inputs(0, batch=1)
    one = jax.tree.map(lambda x: x[0], Pair(**pair))
    loaded = from_state_dict(Buddi(), state, "s")
    run = jax.jit(denoiser(*loaded[:2]))
    still, again = (run(one, jnp.asarray(20)) for _ in range(2))
    np.testing.assert_array_equal(still.pose, again.pose)
    drop = jax.jit(lambda key: denoiser(*loaded[:2], dropout_key=key)(one, jnp.asarray(20)).pose)
    noisy = [drop(jax.random.key(k)) for k in (0, 1)]
    assert not np.allclose(noisy[0], noisy[1], atol=1e-3) and not np.allclose(noisy[0], still.pose, atol=1e-3)
