"""The denoiser and the checkpoint converter against PyTorch itself, with other weights than the goldens."""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `smplx`", exc_type=ImportError)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "diffusion"))

import torch
from buddi_twin import Twin, run_twin
from buddi_weights import SIZES, keys_and_shapes, loss_weights, random_inputs, random_state

from prosepose_jax.diffusion import Pair, load_buddi

pytestmark = pytest.mark.parity
BOUND = 1e-5
KINK = 2e-5


def test_the_twin_has_the_documented_keys():
    assert {key: tuple(value.shape) for key, value in Twin(True).state_dict().items()} == keys_and_shapes()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("conditional", [False, True])
def test_a_saved_checkpoint_gives_the_same_numbers(tmp_path, conditional, stream):
    state = random_state(5)
    twin = Twin(conditional)
    twin.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    optimiser = torch.optim.Adam(twin.parameters(), lr=1e-4)
    saved = {"model": twin.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 1, "batch_idx": 2,
             "batch_size": 512, "total_steps": 3}  # fmt: skip
    torch.save(saved, tmp_path / "buddi.pt", _use_new_zipfile_serialization=not stream)
    loaded = load_buddi(tmp_path / "buddi.pt", conditional=conditional)
    for seed in range(100):
        pair, t, guidance = random_inputs(seed, batch=1)
        weights = loss_weights(seed, batch=1)
        wanted, wanted_gradient, kink = run_twin(state, conditional, pair, t, guidance, weights)
        if kink > KINK:
            break
    else:
        raise AssertionError("no seed keeps every hidden unit away from its kink")

    def total(noisy):
        given = Pair(**guidance) if conditional else None
        out = loaded.network.apply({"params": loaded.weights}, noisy, jnp.asarray(t), given)
        return sum(jnp.sum(getattr(out, part) * weights[part]) for part in SIZES), out

    gradient, out = jax.jit(jax.grad(total, has_aux=True))(Pair(**pair))
    for part in SIZES:
        np.testing.assert_allclose(getattr(out, part), wanted[part], atol=BOUND)
        np.testing.assert_allclose(getattr(gradient, part), wanted_gradient[part], atol=BOUND, rtol=BOUND)
