"""Makes tests/data/goldens_buddi.npz and the small torch files (needs PyTorch; run from the repository's root)."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from buddi_twin import run_twin
from buddi_weights import loss_weights, random_inputs, random_state

DATA = Path(__file__).resolve().parents[1] / "data"
SEED = 0
KINK = 3e-5


def tensors() -> dict:
    """Everything a checkpoint may hold: number types, views, shared storages, parameters, an optimiser."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(6.0).reshape(2, 3))
        layer.bias.copy_(torch.tensor([0.5, -0.5]))
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-4)
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    with torch.no_grad():
        layer.weight.copy_(torch.arange(6.0).reshape(2, 3))
        layer.bias.copy_(torch.tensor([0.5, -0.5]))
    return {
        "model": layer.state_dict(),
        "optimizer": optimiser.state_dict(),
        "epoch": 7,
        "parts": OrderedDict(
            base=base, turned=base.T, part=base[1:3, 2:5], last=base[3], scalar=torch.tensor(2.5),
            none=torch.zeros(0, 3),
            parameter=torch.nn.Parameter(torch.tensor([1.0, 2.0])), spread=torch.tensor([[3.0]]).expand(2, 4),
            double=torch.tensor([1e-300], dtype=torch.float64), half=torch.tensor([0.5], dtype=torch.float16),
            brain=torch.tensor([-1.5], dtype=torch.bfloat16), long=torch.tensor([-(2**60)]),
            byte=torch.tensor([255], dtype=torch.uint8), flags=torch.tensor([True, False]),
        ),
        "text": ["α", "b", (1, 2.5, None, True)],
    }  # fmt: skip


def main() -> None:
    state = random_state(SEED)
    arrays = {}
    for conditional in (False, True):
        for seed in range(100):
            pair, t, guidance = random_inputs(seed, batch=1)
            out, gradient, kink = run_twin(state, conditional, pair, t, guidance, loss_weights(seed, batch=1))
            if kink > KINK:
                break
        else:
            raise RuntimeError("no seed keeps every hidden unit away from its kink")
        arrays[f"{int(conditional)}_seed"] = np.array(seed)
        for part in out:
            arrays[f"{int(conditional)}_{part}"] = out[part]
            arrays[f"{int(conditional)}_{part}_gradient"] = gradient[part]
    np.savez_compressed(DATA / "goldens_buddi.npz", torch=np.array(torch.__version__), **arrays)
    torch.save(tensors(), DATA / "torch_zip.pt")
    torch.save(tensors(), DATA / "torch_stream.pt", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
