"""Drawing pairs from the diffusion model (DDIM; Song, Meng and Ermon, 2021)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from prosepose_jax.diffusion.network import Buddi, Denoiser, denoiser
from prosepose_jax.diffusion.pairs import PARTS, SIZES, Pair, as_rotations, relative
from prosepose_jax.diffusion.schedule import Schedule, ddim_steps


def normal_pair(key: jax.Array, batch: tuple[int, ...] = ()) -> Pair:
    """Independent standard normal numbers."""
    keys = dict(zip(PARTS, jax.random.split(key, len(PARTS)), strict=True))
    return Pair(**{part: jax.random.normal(keys[part], (*batch, 2, SIZES[part])) for part in PARTS})


def add_noise(schedule: Schedule, clean: Pair, timestep: jax.Array, noise: Pair) -> Pair:
    """The noisy pair at a level: signal · clean + noise, its rotations cast back onto rotations.

    Args:
      schedule: of the noise.
      clean: leaves (..., 2, n).
      timestep: () level.
      noise: as `clean`, standard normal.
    """
    signal, spread = schedule.signal[timestep], schedule.noise[timestep]
    return as_rotations(jax.tree.map(lambda x, e: signal * x + spread * e, clean, noise))


def ddim_step(
    schedule: Schedule, noisy: Pair, clean: Pair, timestep: jax.Array, before: jax.Array, noise: Pair, eta: float
) -> Pair:
    """From a level to a cleaner one.

    Args:
      schedule: of the noise.
      noisy: the pair at `timestep`.
      clean: the network's prediction from it.
      timestep: () level.
      before: () the cleaner level to go to.
      noise: standard normal, read with eta > 0 alone.
      eta: 0 deterministic, 1 as much fresh noise as the forward process has.
    """
    alpha, alpha_before = schedule.alpha_bar[timestep], schedule.alpha_bar[before]
    fresh = eta * jnp.sqrt((1.0 - alpha_before) / (1.0 - alpha) * (1.0 - alpha / alpha_before))
    kept = jnp.sqrt(jnp.maximum(1.0 - alpha_before - fresh * fresh, 0.0))

    def move(x: jax.Array, x0: jax.Array, e: jax.Array) -> jax.Array:
        direction = (x - schedule.signal[timestep] * x0) / schedule.noise[timestep]
        return schedule.signal[before] * x0 + kept * direction + fresh * e

    return jax.tree.map(move, noisy, clean, noise)


def sample_pair(
    denoise: Denoiser,
    schedule: Schedule,
    key: jax.Array,
    *,
    steps: Sequence[int] = ddim_steps(991, 10),
    eta: float = 0.0,
) -> Pair:
    """One pair, translations relative to person 0, rotations proper.

    Args:
      denoise: from `denoiser`, with its guidance.
      schedule: of the noise.
      key: random key.
      steps: falling levels; the last one's prediction is the sample.
      eta: see `ddim_step`; BUDDI's samples have 0, its conditional start 1.
    """
    levels = jnp.asarray(steps, jnp.int32)
    start_key, loop_key = jax.random.split(key)

    def body(noisy: Pair, step: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[Pair, None]:
        timestep, before, step_key = step
        noisy = as_rotations(noisy)
        moved = ddim_step(schedule, noisy, denoise(noisy, timestep), timestep, before, normal_pair(step_key), eta)
        return moved, None

    keys = jax.random.split(loop_key, max(len(steps) - 1, 1))[: len(steps) - 1]
    noisy, _ = jax.lax.scan(body, normal_pair(start_key), (levels[:-1], levels[1:], keys))
    return relative(as_rotations(denoise(as_rotations(noisy), levels[-1])))


@functools.partial(jax.jit, static_argnames=("network", "count", "steps", "eta"))
def sample_pairs(
    network: Buddi,
    weights: Mapping[str, Any],
    schedule: Schedule,
    key: jax.Array,
    count: int,
    *,
    guidance: Pair | None = None,
    steps: tuple[int, ...] = ddim_steps(991, 10),
    eta: float = 0.0,
) -> Pair:
    """`count` independent pairs, leaves (count, 2, n).

    Args:
      network: the module.
      weights: its parameters.
      schedule: of the noise.
      key: random key.
      count: pairs.
      guidance: of the conditional model, leaves (2, n), `relative`; the same for all pairs. None: dropped.
      steps: falling levels.
      eta: see `ddim_step`.
    """
    denoise = denoiser(network, weights, guidance)
    return jax.vmap(lambda one: sample_pair(denoise, schedule, one, steps=steps, eta=eta))(jax.random.split(key, count))
