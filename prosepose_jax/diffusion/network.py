"""The denoiser: a transformer encoder over one token a person and part, as BUDDI published it.

Post-norm encoder layers without positions and without a mask; tokens are told apart by learned vectors of the
person and of the part. Eight tokens of the noisy pair, one of the timestep and, in the conditional model, eight of
the guidance (a regressor's estimate). The first eight outputs are the clean pair.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import linen as nn

from prosepose_jax.diffusion.pairs import PARTS, SIZES, Pair

PEOPLE = ("h0", "h1")
NAMES: tuple[tuple[str, int], ...] = tuple((part, person) for part in PARTS for person in range(2))
"""The order of the tokens: orient of person 0, orient of person 1, pose of person 0, …"""

Denoiser = Callable[[Pair, jax.Array], Pair]
"""A noisy pair and its level t → the clean pair."""

_LONGEST_PERIOD = 10_000.0
_NORM_EPSILON = 1e-5
# The network is small: reduced precision (TensorFloat-32 on GPUs) would save nothing and cost four digits.
_PRECISION = jax.lax.Precision.HIGHEST


def timestep_embedding(timestep: jax.Array, width: int) -> jax.Array:
    """sin and cos of t f_i with f_i = exp(-i ln(10000) / (n - 1)), i = 0 … n - 1, n = width / 2.

    Args:
      timestep: (...) level t, the plain integer.
      width: of the result.

    Returns:
      (..., width): first the sines, then the cosines.
    """
    half = width // 2
    frequency = jnp.exp(jnp.arange(half, dtype=jnp.float32) * (-math.log(_LONGEST_PERIOD) / (half - 1)))
    angle = jnp.asarray(timestep, jnp.float32)[..., None] * jnp.reshape(frequency, (1,) * jnp.ndim(timestep) + (half,))
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


class Embedder(nn.Module):
    """Linear, SiLU, Linear."""

    hidden: int
    out: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.silu(nn.Dense(self.hidden, precision=_PRECISION, name="first")(x))
        return nn.Dense(self.out, precision=_PRECISION, name="second")(x)


class EncoderLayer(nn.Module):
    """x ← LN(x + attention(x)); x ← LN(x + W₂ ReLU(W₁ x)): PyTorch's encoder layer in its default form."""

    heads: int
    hidden: int
    dropout: float

    @nn.compact
    def __call__(self, x: jax.Array, *, deterministic: bool) -> jax.Array:
        def drop(values: jax.Array) -> jax.Array:
            return nn.Dropout(self.dropout, deterministic=deterministic)(values)

        width = x.shape[-1]
        projected = nn.Dense(3 * width, precision=_PRECISION, name="in_proj")(x)
        query, key, value = (
            jnp.reshape(part, (*part.shape[:-1], self.heads, width // self.heads))
            for part in jnp.split(projected, 3, axis=-1)
        )
        query = query / math.sqrt(width // self.heads)
        scores = jnp.einsum("...qhd,...khd->...hqk", query, key, precision=_PRECISION)
        shares = drop(nn.softmax(scores, axis=-1))
        mixed = jnp.einsum("...hqk,...khd->...qhd", shares, value, precision=_PRECISION)
        attended = nn.Dense(width, precision=_PRECISION, name="out_proj")(jnp.reshape(mixed, x.shape))
        x = nn.LayerNorm(_NORM_EPSILON, name="norm1")(x + drop(attended))
        y = drop(nn.relu(nn.Dense(self.hidden, precision=_PRECISION, name="linear1")(x)))
        y = nn.Dense(width, precision=_PRECISION, name="linear2")(y)
        return nn.LayerNorm(_NORM_EPSILON, name="norm2")(x + drop(y))


class Buddi(nn.Module):
    """The denoiser; the defaults are the published sizes.

    Attributes:
      conditional: with tokens of a guidance.
      width: of a token.
      layers: encoder layers.
      heads: of attention.
      hidden: of the feed-forward part.
      dropout: share; active only when called with deterministic=False and a "dropout" key.
    """

    conditional: bool = False
    width: int = 152
    layers: int = 6
    heads: int = 8
    hidden: int = 500
    dropout: float = 0.1

    @nn.compact
    def __call__(
        self, noisy: Pair, timestep: jax.Array, guidance: Pair | None = None, *, deterministic: bool = True
    ) -> Pair:
        """The clean pair that the network sees in a noisy one.

        Args:
          noisy: leaves (..., 2, n), rotations cast by `as_rotations`, translations relative to person 0.
          timestep: () or of the leading shape.
          guidance: the same of a regressor's estimate; None in the conditional model: dropped, all zeros.
          deterministic: no dropout.
        """
        if guidance is not None and not self.conditional:
            raise ValueError("guidance was given to the unconditional model")
        batch = noisy.transl.shape[:-2]
        normal = nn.initializers.normal(1.0)
        people = [self.param(f"human_embedding_{person}", normal, (self.width,)) for person in PEOPLE]
        parts = {part: self.param(f"param_embedding_{part}", normal, (self.width,)) for part in PARTS}

        def tokens(pair: Pair, prefix: str) -> list[jax.Array]:
            made = []
            for part, person in NAMES:
                module = Embedder(self.width, self.width, name=f"{prefix}_{part}_{PEOPLE[person]}")
                told = people[person] + parts[part]
                value = module(getattr(pair, part)[..., person, :])
                made.append(value + jnp.reshape(told, (1,) * len(batch) + (self.width,)))
            return made

        sequence = tokens(noisy, "embed_input")
        step = timestep_embedding(jnp.broadcast_to(timestep, batch), self.width)
        sequence.append(Embedder(self.width, self.width, name="embed_timestep")(step))
        if self.conditional:
            sequence += tokens(Pair.zeros(batch) if guidance is None else guidance, "embed_guidance")
        x = jnp.stack(sequence, axis=-2)
        for layer in range(self.layers):
            x = EncoderLayer(self.heads, self.hidden, self.dropout, name=f"layer_{layer}")(
                x, deterministic=deterministic
            )
        clean: dict[str, list[jax.Array]] = {part: [] for part in PARTS}
        for token, (part, person) in enumerate(NAMES):
            size = SIZES[part]
            out = Embedder(size, size, name=f"unembed_input_{part}_{PEOPLE[person]}")
            clean[part].append(out(x[..., token, :]))
        return Pair(**{part: jnp.stack(values, axis=-2) for part, values in clean.items()})


def denoiser(
    network: Buddi,
    weights: Mapping[str, Any],
    guidance: Pair | None = None,
    dropout_key: jax.Array | None = None,
) -> Denoiser:
    """A network with its weights and guidance as one function of noisy pair and level.

    Args:
      network: the module.
      weights: its parameters.
      guidance: of the conditional model.
      dropout_key: leaves dropout active, as BUDDI's release does by never switching it off; None: off.
    """

    def denoise(noisy: Pair, timestep: jax.Array) -> Pair:
        if dropout_key is None:
            found = network.apply({"params": weights}, noisy, timestep, guidance)
        else:
            rngs = {"dropout": jax.random.fold_in(dropout_key, timestep)}
            found = network.apply({"params": weights}, noisy, timestep, guidance, deterministic=False, rngs=rngs)
        return cast(Pair, found)

    return denoise
