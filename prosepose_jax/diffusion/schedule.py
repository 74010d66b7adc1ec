"""The cosine noise schedule (Nichol and Dhariwal, 2021), on which BUDDI was trained."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

_OFFSET = 0.008
_MOST_BETA = 0.999


@struct.dataclass
class Schedule:
    """How much of a clean sample is left at every noise level t = 0 … T - 1.

    A noisy sample is signal(t) · clean + noise(t) · ε with ε ~ N(0, 1).
    """

    alpha_bar: jax.Array  # (T,) float32, falling from almost 1 to almost 0
    signal: jax.Array  # (T,) √ᾱ
    noise: jax.Array  # (T,) √(1 - ᾱ)

    @property
    def num_steps(self) -> int:
        return self.alpha_bar.shape[0]


def cosine_alpha_bar(num_steps: int = 1000) -> np.ndarray:
    """ᾱ of every step, (T,) float64: β_t = 1 - f((t+1)/T) / f(t/T), f(s) = cos²(((s + .008) / 1.008) π/2), β ≤ .999."""
    s = np.arange(num_steps + 1, dtype=np.float64) / num_steps
    f = np.cos((s + _OFFSET) / (1.0 + _OFFSET) * np.pi / 2.0) ** 2
    beta = np.minimum(1.0 - f[1:] / f[:-1], _MOST_BETA)
    return np.cumprod(1.0 - beta)


def cosine_schedule(num_steps: int = 1000) -> Schedule:
    """The schedule of `num_steps` levels. Made in float64: at t = 0 only 4e-5 of noise is left of 1."""
    alpha_bar = cosine_alpha_bar(num_steps)
    return Schedule(
        alpha_bar=jnp.asarray(alpha_bar, jnp.float32),
        signal=jnp.asarray(np.sqrt(alpha_bar), jnp.float32),
        noise=jnp.asarray(np.sqrt(1.0 - alpha_bar), jnp.float32),
    )


def ddim_steps(first: int, stride: int) -> tuple[int, ...]:
    """The levels that sampling visits, from noise to clean: first, first - stride, … down to the last above 0.

    (991, 10) gives BUDDI's sampling, 991, 981, …, 1; (901, 100) the start of its conditional optimisation.
    """
    if first < 1 or stride < 1:
        raise ValueError(f"expected a first level and a stride of 1 or more, found {first} and {stride}")
    return tuple(range(first, 0, -stride))
