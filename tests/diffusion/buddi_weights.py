"""Random weights of the published network under the documented checkpoint keys, the same on every machine."""

from __future__ import annotations

import numpy as np

WIDTH, LAYERS, HIDDEN = 152, 6, 500
SIZES = {"orient": 6, "pose": 126, "shape": 11, "transl": 3}
PEOPLE = ("h0", "h1")


def keys_and_shapes() -> dict[str, tuple[int, ...]]:
    """All 243 keys of a released checkpoint with their shapes, unused ones included."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(LAYERS):
        start = f"transformer_encoder.layers.{layer}."
        shapes[start + "self_attn.in_proj_weight"] = (3 * WIDTH, WIDTH)
        shapes[start + "self_attn.in_proj_bias"] = (3 * WIDTH,)
        for name, out, into in (("self_attn.out_proj", WIDTH, WIDTH), ("linear1", HIDDEN, WIDTH),
                                ("linear2", WIDTH, HIDDEN)):  # fmt: skip
            shapes[f"{start}{name}.weight"], shapes[f"{start}{name}.bias"] = (out, into), (out,)
        for norm in ("norm1", "norm2"):
            shapes[f"{start}{norm}.weight"] = shapes[f"{start}{norm}.bias"] = (WIDTH,)

    def embedder(key: str, into: int, hidden: int, out: int) -> None:
        shapes[key + ".embed.0.weight"], shapes[key + ".embed.0.bias"] = (hidden, into), (hidden,)
        shapes[key + ".embed.2.weight"], shapes[key + ".embed.2.bias"] = (out, hidden), (out,)

    shapes["embed_timestep.encode.emb"] = (WIDTH // 2,)
    embedder("embed_timestep", WIDTH, WIDTH, WIDTH)
    inputs = {f"{part}_{who}": size for part, size in SIZES.items() for who in PEOPLE} | {
        "human_h0": 146,
        "human_h1": 146,
    }
    for name, size in inputs.items():
        embedder(f"embed_input_{name}", size, WIDTH, WIDTH)
        embedder(f"unembed_input_{name}", WIDTH, size, size)
    guidance = inputs | {f"{part}_bev_{who}": size for part, size in SIZES.items() for who in PEOPLE}
    for name, size in (guidance | {"action": 1, "contact": 5625}).items():
        embedder(f"embed_guidance_{name}", size, WIDTH, WIDTH)
    for name in ("human_embedding_h0", "human_embedding_h1", *(f"param_embedding_{part}" for part in SIZES)):
        shapes[name] = (WIDTH,)
    return shapes


def random_state(seed: int) -> dict[str, np.ndarray]:
    """A state dict; numpy's legacy generator, whose stream is frozen."""
    rng = np.random.RandomState(seed)
    state = {}
    for key, shape in keys_and_shapes().items():
        spread = 1.0 / np.sqrt(shape[-1]) if len(shape) == 2 else 0.1
        state[key] = (rng.standard_normal(shape) * spread).astype(np.float32)
        if "norm" in key and key.endswith("weight"):
            state[key] += 1.0
    state["embed_timestep.encode.emb"] = np.exp(-np.arange(76) * np.log(1e4) / 75).astype(np.float32)
    return state


def random_inputs(seed: int, batch: int = 3) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
    """Noisy pair and guidance as {part: (batch, 2, n)}, timesteps (batch,)."""
    rng = np.random.RandomState(seed)
    pair = {part: rng.standard_normal((batch, 2, size)).astype(np.float32) for part, size in SIZES.items()}
    guidance = {part: rng.standard_normal((batch, 2, size)).astype(np.float32) for part, size in SIZES.items()}
    return pair, rng.randint(0, 1000, batch), guidance


def loss_weights(seed: int, batch: int = 3) -> dict[str, np.ndarray]:
    """What the outputs are multiplied with before summing, to have one number to differentiate."""
    rng = np.random.RandomState(seed + 1)
    return {part: rng.standard_normal((batch, 2, size)).astype(np.float32) for part, size in SIZES.items()}
