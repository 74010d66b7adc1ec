"""Training the denoiser on pairs of people: noise, one prediction, the distance to the clean pair.

As BUDDI was trained (docs/buddi.md, "Training"), with two differences: betas and translations enter as means over the
batch, not as sums, so that their weight does not grow with the batch (that of translations is about what it was as a
sum; with 1 on the mean nobody learns where people stand), and vertices are not compared.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from prosepose_jax.diffusion.network import Buddi
from prosepose_jax.diffusion.pairs import NUM_BETAS, PARTS, Pair, as_rotations, relative, rotation_from_6d
from prosepose_jax.diffusion.sampling import normal_pair
from prosepose_jax.diffusion.schedule import Schedule, cosine_schedule


@dataclasses.dataclass(frozen=True)
class Training:
    """How the network is trained; the defaults are the published ones where there are any.

    Attributes:
      batch: pairs a step.
      learning_rate: of Adam.
      warmup: steps in which it rises to that from 0 (published: 0).
      clip: largest norm of a gradient.
      exchange: share of pairs whose people are exchanged.
      average: what the averaged weights keep of themselves in a step; 0: no averaging.
      rotations: weight of the squared differences of rotation matrices, pose and orientation.
      betas: weight of those of betas.
      kid: of child scales.
      transl: of the way from person 0 to person 1, m.
      guidance_dropped: share of pairs without any guidance (conditional network).
      guidance_kept: share of pairs with all of it; of the others each part of each person is dropped by half.
    """

    batch: int = 256
    learning_rate: float = 1e-4
    warmup: int = 0
    clip: float = 1.0
    exchange: float = 0.5
    average: float = 0.999
    rotations: float = 10.0
    betas: float = 0.1
    kid: float = 0.1
    transl: float = 200.0
    guidance_dropped: float = 0.2
    guidance_kept: float = 0.7


@struct.dataclass
class TrainState:
    """All that training goes on from.

    Attributes:
      step: () int32 steps taken.
      weights: the network's parameters.
      average: their moving average, which is used.
      optimiser: Adam's moments.
      seed: () uint32; what is drawn in a step follows from it and the step's number.
    """

    step: jax.Array
    weights: Any
    average: Any
    optimiser: Any
    seed: jax.Array


@struct.dataclass
class PairSet:
    """Pairs to learn from, leaves (N, 2, …), translations as they are; with a conditional network their estimates."""

    clean: Pair
    guidance: Pair | None = None

    @property
    def size(self) -> int:
        return int(self.clean.transl.shape[0])

    def of(self, ids: jax.Array | np.ndarray) -> PairSet:
        """Some of them."""
        found: PairSet = jax.tree.map(lambda x: x[ids], self)
        return found


def exchanged(pairs: PairSet, swap: jax.Array) -> PairSet:
    """The people of some pairs exchanged: swap (B,) bool."""

    def turn(x: jax.Array) -> jax.Array:
        return jnp.where(swap.reshape(-1, *[1] * (x.ndim - 1)), x[:, ::-1], x)

    turned: PairSet = jax.tree.map(turn, pairs)
    return turned


def dropped(guidance: Pair, key: jax.Array, training: Training) -> Pair:
    """Guidance (B, 2, …) with all, none or half of its parts set to zero."""
    count = guidance.transl.shape[0]
    kind_key, part_key = jax.random.split(key)
    kind = jax.random.uniform(kind_key, (count, 1))
    none = kind < training.guidance_dropped
    whole = kind >= 1.0 - training.guidance_kept
    keys = dict(zip(PARTS, jax.random.split(part_key, len(PARTS)), strict=True))
    kept = {part: (whole | jax.random.bernoulli(keys[part], 0.5, (count, 2))) & ~none for part in PARTS}
    return Pair(**{part: getattr(guidance, part) * kept[part][..., None] for part in PARTS})


def prediction_errors(predicted: Pair, clean: Pair) -> dict[str, jax.Array]:
    """Mean squared errors over the leading shape: rotation matrices and vectors summed over their entries."""

    def rotations(numbers: jax.Array) -> jax.Array:
        return rotation_from_6d(jnp.reshape(numbers, (*numbers.shape[:-1], -1, 6)))

    def mean(difference: jax.Array, axes: int) -> jax.Array:
        return jnp.mean(jnp.sum(difference * difference, axis=tuple(range(-axes, 0))))

    shape = predicted.shape - clean.shape
    return {
        "orient": mean(rotations(predicted.orient) - rotations(clean.orient), 3),
        "pose": mean(rotations(predicted.pose) - rotations(clean.pose), 3),
        "betas": mean(shape[..., :NUM_BETAS], 1),
        "kid": mean(shape[..., NUM_BETAS:], 1),
        "transl": mean(predicted.transl - clean.transl, 1),
    }


def total_loss(errors: dict[str, jax.Array], training: Training) -> jax.Array:
    """The weighted sum of `prediction_errors`."""
    weights = {"orient": training.rotations, "pose": training.rotations, "betas": training.betas,
               "kid": training.kid, "transl": training.transl}  # fmt: skip
    return sum((weights[name] * value for name, value in errors.items()), jnp.zeros(()))


def noisy(schedule: Schedule, clean: Pair, levels: jax.Array, key: jax.Array) -> Pair:
    """Pairs (B, 2, n) at levels (B,), rotations cast back onto rotations."""
    noise = normal_pair(key, levels.shape)
    signal, spread = (x[levels][:, None, None] for x in (schedule.signal, schedule.noise))
    return as_rotations(jax.tree.map(lambda x, e: signal * x + spread * e, clean, noise))


def held_out_loss(
    network: Buddi, weights: Any, schedule: Schedule, pairs: PairSet, key: jax.Array, training: Training
) -> jax.Array:
    """The loss on pairs that are not learnt from, each at a level of its own; no dropout."""
    count = pairs.clean.transl.shape[0]
    clean = relative(pairs.clean)
    levels = (jnp.arange(count) * schedule.num_steps) // count
    guidance = None if pairs.guidance is None else relative(pairs.guidance)
    found: Any = network.apply({"params": weights}, noisy(schedule, clean, levels, key), levels, guidance)
    return total_loss(prediction_errors(found, clean), training)


class Trainer:
    """Trains one network on one set of pairs.

    Args:
      network: to be trained.
      pairs: to learn from.
      training: how.
      devices: that share each batch; its size must be a multiple of their number.

    Raises:
      ValueError: a conditional network without guidance, or a batch that the devices cannot share.
    """

    def __init__(
        self, network: Buddi, pairs: PairSet, training: Training, devices: Sequence[jax.Device] | None = None
    ) -> None:
        devices = list(devices) if devices is not None else jax.local_devices()
        if network.conditional and pairs.guidance is None:
            raise ValueError("a conditional network learns from pairs with estimates")
        if training.batch % len(devices):
            raise ValueError(f"a batch of {training.batch} cannot be shared by {len(devices)} devices")
        self.network, self.training, self.schedule = network, training, cosine_schedule()
        peak, warmup = training.learning_rate, training.warmup
        rate = optax.linear_schedule(0.0, peak, warmup) if warmup else peak
        self._optimiser = optax.chain(optax.clip_by_global_norm(training.clip), optax.adam(rate))
        mesh = Mesh(np.array(devices), ("batch",))
        self._shared = NamedSharding(mesh, PartitionSpec("batch"))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._pairs = jax.device_put(pairs if network.conditional else PairSet(pairs.clean), self._everywhere)

    def begin(self, seed: int) -> TrainState:
        """An untrained network."""
        guidance = Pair.zeros() if self.network.conditional else None
        weights = jax.jit(self.network.init)(jax.random.key(seed), Pair.zeros(), jnp.int32(0), guidance)["params"]
        state = TrainState(
            step=jnp.int32(0), weights=weights, average=weights, optimiser=self._optimiser.init(weights),
            seed=jnp.uint32(seed),
        )  # fmt: skip
        placed: TrainState = jax.device_put(state, self._everywhere)
        return placed

    def run(self, state: TrainState, steps: int) -> tuple[TrainState, dict[str, float]]:
        """Some steps further; what is drawn does not depend on how they are cut into calls.

        Returns:
          The state, and the means of "loss" and of each error over the steps.
        """
        state, found = self._run(jax.device_put(state, self._everywhere), self._pairs, steps)
        return state, {name: float(value) for name, value in jax.device_get(found).items()}

    @functools.partial(jax.jit, static_argnums=(0, 3))
    def _run(self, state: TrainState, pairs: PairSet, steps: int) -> tuple[TrainState, dict[str, jax.Array]]:
        state, found = jax.lax.scan(lambda s, _: self._step(s, pairs), state, length=steps)
        return state, jax.tree.map(jnp.mean, found)

    def _step(self, state: TrainState, pairs: PairSet) -> tuple[TrainState, dict[str, jax.Array]]:
        training = self.training
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        pick, swap, level, noise, drop, dropout = jax.random.split(key, 6)
        ids = jax.random.randint(pick, (training.batch,), 0, pairs.clean.transl.shape[0])
        batch = exchanged(pairs.of(ids), jax.random.bernoulli(swap, training.exchange, (training.batch,)))
        batch = jax.lax.with_sharding_constraint(batch, self._shared)
        levels = jax.random.randint(level, (training.batch,), 0, self.schedule.num_steps)
        clean = relative(batch.clean)
        seen = noisy(self.schedule, clean, levels, noise)
        guidance = None if batch.guidance is None else dropped(relative(batch.guidance), drop, training)

        def loss(weights: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
            found: Any = self.network.apply(
                {"params": weights}, seen, levels, guidance, deterministic=False, rngs={"dropout": dropout}
            )
            errors = prediction_errors(found, clean)
            return total_loss(errors, training), errors

        (value, errors), gradient = jax.value_and_grad(loss, has_aux=True)(state.weights)
        updates, optimiser = self._optimiser.update(gradient, state.optimiser, state.weights)
        weights = optax.apply_updates(state.weights, updates)
        # At first the average follows closely: a long memory of the untrained network would spoil short trainings.
        keep = jnp.minimum(training.average, (1.0 + state.step) / (10.0 + state.step))
        average = jax.tree.map(lambda a, w: keep * a + (1.0 - keep) * w, state.average, weights)
        return (
            TrainState(step=state.step + 1, weights=weights, average=average, optimiser=optimiser, seed=state.seed),
            {"loss": value, **errors},
        )
