"""The published network in PyTorch, built from the description alone with torch's own encoder layer."""

from __future__ import annotations

import numpy as np
import torch
from buddi_weights import HIDDEN, LAYERS, PEOPLE, SIZES, WIDTH
from torch import nn


class _Embedder(nn.Module):
    def __init__(self, into: int, hidden: int, out: int):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(into, hidden), nn.SiLU(), nn.Linear(hidden, out))

    def forward(self, x):
        return self.embed(x)


class _Encode(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("emb", torch.zeros(WIDTH // 2))


class _Timestep(_Embedder):
    def __init__(self):
        super().__init__(WIDTH, WIDTH, WIDTH)
        self.encode = _Encode()

    def forward(self, t):
        angle = t.float()[:, None] * self.encode.emb[None]
        return self.embed(torch.cat([angle.sin(), angle.cos()], dim=-1))


class Twin(nn.Module):
    """Has every documented key; reads those that the released model reads."""

    def __init__(self, conditional: bool):
        super().__init__()
        self.conditional = conditional
        layer = nn.TransformerEncoderLayer(WIDTH, 8, HIDDEN, dropout=0.1, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.embed_timestep = _Timestep()
        inputs = {f"{p}_{h}": n for p, n in SIZES.items() for h in PEOPLE} | {"human_h0": 146, "human_h1": 146}
        for name, size in inputs.items():
            self.add_module(f"embed_input_{name}", _Embedder(size, WIDTH, WIDTH))
            self.add_module(f"unembed_input_{name}", _Embedder(WIDTH, size, size))
        guidance = inputs | {f"{p}_bev_{h}": n for p, n in SIZES.items() for h in PEOPLE}
        for name, size in (guidance | {"action": 1, "contact": 5625}).items():
            self.add_module(f"embed_guidance_{name}", _Embedder(size, WIDTH, WIDTH))
        for name in ("human_embedding_h0", "human_embedding_h1", *(f"param_embedding_{p}" for p in SIZES)):
            self.register_parameter(name, nn.Parameter(torch.zeros(WIDTH)))

    def forward(self, pair, t, guidance):
        def told(part, person):
            return getattr(self, f"human_embedding_{person}") + getattr(self, f"param_embedding_{part}")

        names = [(part, h, person) for part in SIZES for h, person in enumerate(PEOPLE)]
        tokens = [getattr(self, f"embed_input_{p}_{who}")(pair[p][:, h]) + told(p, who) for p, h, who in names]
        tokens.append(self.embed_timestep(t))
        if self.conditional:
            tokens += [
                getattr(self, f"embed_guidance_{p}_bev_{who}")(guidance[p][:, h]) + told(p, who) for p, h, who in names
            ]
        x = self.transformer_encoder(torch.stack(tokens, dim=1))
        out = {part: [] for part in SIZES}
        for i, (p, _, who) in enumerate(names):
            out[p].append(getattr(self, f"unembed_input_{p}_{who}")(x[:, i]))
        return {part: torch.stack(both, dim=1) for part, both in out.items()}


def run_twin(state, conditional, pair, t, guidance, weights):
    """Outputs {part: array}, the gradient of Σ weights · outputs with respect to the pair, and the smallest
    distance of a hidden unit from its ReLU's kink (rounding may put it on the other side: another gradient)."""
    torch.manual_seed(0)
    twin = Twin(conditional)
    twin.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()}, strict=True)
    twin.eval()
    kinks = []
    for layer in twin.transformer_encoder.layers:
        layer.linear1.register_forward_hook(lambda _, __, out: kinks.append(float(out.detach().abs().min())))
    leaves = {part: torch.from_numpy(value).requires_grad_() for part, value in pair.items()}
    out = twin(leaves, torch.from_numpy(t), {part: torch.from_numpy(value) for part, value in guidance.items()})
    sum((out[part] * torch.from_numpy(weights[part])).sum() for part in SIZES).backward()
    return ({p: v.detach().numpy() for p, v in out.items()}, {p: v.grad.numpy() for p, v in leaves.items()}, min(kinks))
