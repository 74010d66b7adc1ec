"""ContactProgram: all answers of a scene as a few integer arrays, and their loss on the device.

The arrays hold indices only, never code: which part distances make up each row, and for
rows coupled by a repeated part a layered graph whose shortest path is the exact minimum
over all left/right choices (`_trellis`). Programs of many scenes are padded to one shape,
stacked, and evaluated by `vmap`. docs/method.md, "Contact loss".

Glossary: N answers, Q pairs of people, S parts, M row minima of A entries each, T levels
of W nodes with K ways in, G1 uncoupled rows and G2 coupled groups per answer and order.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.contact.aggregation import AGGREGATIONS, AggregationSettings, mean
from prosepose_jax.contact.rows import RejectedRow
from prosepose_jax.contact.vocabulary import NUM_PARTS

# Stands for "no such entry" in a minimum; finite, so that no gradient meets inf - inf.
_NEVER = 1e30
_FARTHER = 1e6  # than any choice, m; soft minima divide it by T, which must leave room in float32 (compiled, too)
PUBLISHED = AggregationSettings()


class ProgramShape(NamedTuple):
    """Sizes of a program's arrays."""

    pairs: int  # Q
    answers: int  # N
    minima: int  # M
    entries: int  # A
    levels: int  # T
    nodes: int  # W
    edges: int  # K
    singles: int  # G1
    coupled: int  # G2


@struct.dataclass
class ProgramArrays:
    """A scene's answers as arrays (numpy on the host, jax on the device, stacked under `vmap`)."""

    pairs: jax.Array | np.ndarray  # (Q, 2) int32 people (i, j) of each distance table; i == j for self-contact
    minima: jax.Array | np.ndarray  # (M, A) int32, 1 + flat index into (Q, S, S); 0 = nothing; row 0 is all nothing
    scales: jax.Array | np.ndarray  # (M,) float32 what each minimum counts in its answer's sum; published: 1
    sources: jax.Array | np.ndarray  # (T, W, K) int32 node of the level before; 0 = start
    steps: jax.Array | np.ndarray  # (T, W, K) int32 row of minima taken on the way; 0 = no such way
    singles: jax.Array | np.ndarray  # (N, 2, G1) int32 row of minima, 0 = none; axis 1: the two person orders
    coupled: jax.Array | np.ndarray  # (N, 2, G2) int32 node 1.. of the last level, 0 = none
    weights: jax.Array | np.ndarray  # (N,) float32 weight of each answer's loss in the total; 0 = padding
    pair_of: jax.Array | np.ndarray  # (N,) int32 row of `pairs` that each answer is about


@struct.dataclass
class ContactProgram:
    """The answers of one scene, compiled. Only `arrays` is data to jax; the rest is for the host."""

    arrays: ProgramArrays
    mode: str = struct.field(pytree_node=False, default="two_person")
    usable_answers: tuple[bool, ...] = struct.field(pytree_node=False, default=())
    none_answers: tuple[bool, ...] = struct.field(pytree_node=False, default=())
    """Which answers say that nothing touches; the extended parser tells. For the loss they are not usable."""
    rejected: tuple[RejectedRow, ...] = struct.field(pytree_node=False, default=())
    constraints: tuple[tuple[str, str, int], ...] = struct.field(pytree_node=False, default=())
    """(part, part, number of answers that name the two), the most frequent first."""
    aggregation: AggregationSettings = struct.field(pytree_node=False, default=PUBLISHED)

    @property
    def num_answers(self) -> int:
        """N, the answers given, usable or not."""
        return len(self.usable_answers)

    @property
    def usable(self) -> np.ndarray:
        """(N,) bool: answers with at least one usable row."""
        return np.array(self.usable_answers, bool)

    @property
    def num_usable(self) -> int:
        return sum(self.usable_answers)

    @property
    def num_none(self) -> int:
        """Answers that say that nothing touches."""
        return sum(self.none_answers)


def program_losses(arrays: ProgramArrays, part_distances: jax.Array, choice_m: float = 0.0) -> jax.Array:
    """Each answer's contact loss: the exact minimum over sides and person orders.

    Args:
      arrays: the program.
      part_distances: (Q, S, S) distances in metres from part a of person `pairs[q, 0]` to part b of
        person `pairs[q, 1]`.
      choice_m: 0 for the minimum; above, the soft minimum -T log Σ exp(-x / T) over all choices with T = choice_m
        metres: exact as well, and its gradient is the share of each choice. It is below the minimum and
        may be negative.

    Returns:
      (N,) losses in metres, 0 for answers without a usable row. docs/method.md, "Contact loss".
    """
    if choice_m > 0:
        return _soft_losses(arrays, part_distances, choice_m)
    dtype = part_distances.dtype
    table = jnp.concatenate([jnp.full((1,), _NEVER, dtype), part_distances.reshape(-1)])
    entries = jnp.asarray(arrays.minima)
    # Every minimum is searched without gradient and taken at the winner: the backward pass then touches one
    # entry a minimum instead of all of them.
    minima = table[_winner(jax.lax.stop_gradient(table)[entries], entries)] * jnp.asarray(arrays.scales, dtype)
    fixed_minima = jax.lax.stop_gradient(minima)
    start = jnp.zeros((1,), dtype)

    def level(values: jax.Array, ways: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        sources, steps = ways
        costs = jax.lax.stop_gradient(values)[sources] + fixed_minima[steps]
        source, step = _winner(costs, sources), _winner(costs, steps)
        return jnp.concatenate([start, values[source] + minima[step]]), None

    width = arrays.sources.shape[-2]
    values = jnp.concatenate([start, jnp.full((width,), _NEVER, dtype)])
    values, _ = jax.lax.scan(level, values, (jnp.asarray(arrays.sources), jnp.asarray(arrays.steps)))
    singles = jnp.concatenate([start, minima[1:]])
    by_order = jnp.sum(singles[arrays.singles], axis=-1) + jnp.sum(values[arrays.coupled], axis=-1)
    return jnp.min(by_order, axis=-1)


def _soft_losses(arrays: ProgramArrays, part_distances: jax.Array, choice_m: float) -> jax.Array:
    """`program_losses` with sums over choices in place of minima: the same graphs, read as partition functions."""
    dtype = part_distances.dtype

    def soft_minimum(costs: jax.Array) -> jax.Array:
        return -choice_m * jax.nn.logsumexp(-costs / choice_m, axis=-1)

    table = jnp.concatenate([jnp.full((1,), _FARTHER, dtype), part_distances.reshape(-1)])
    # The weight of a row belongs inside: exp(-w d / T) is what a choice of that row counts.
    minima = soft_minimum(table[jnp.asarray(arrays.minima)] * jnp.asarray(arrays.scales, dtype)[:, None])
    start = jnp.zeros((1,), dtype)

    def level(values: jax.Array, ways: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        sources, steps = ways
        # Never plus never would grow from level to level.
        return jnp.concatenate([start, jnp.minimum(soft_minimum(values[sources] + minima[steps]), _FARTHER)]), None

    width = arrays.sources.shape[-2]
    values = jnp.concatenate([start, jnp.full((width,), _FARTHER, dtype)])
    values, _ = jax.lax.scan(level, values, (jnp.asarray(arrays.sources), jnp.asarray(arrays.steps)))
    singles = jnp.concatenate([start, minima[1:]])
    by_order = jnp.sum(singles[arrays.singles], axis=-1) + jnp.sum(values[arrays.coupled], axis=-1)
    # The two orders share one choice: where they are equal (a given order) they count once.
    orders = soft_minimum(by_order) + choice_m * jnp.log(jnp.asarray(2.0, dtype))
    return jnp.where(usable_answers(arrays), orders, 0.0)


def usable_answers(arrays: ProgramArrays) -> jax.Array:
    """(N,) bool: answers with a usable row; False on padding."""
    singles, coupled = jnp.asarray(arrays.singles), jnp.asarray(arrays.coupled)
    rows = jnp.any(singles > 0, axis=(-2, -1)) | jnp.any(coupled > 0, axis=(-2, -1))
    return rows & (jnp.asarray(arrays.weights) > 0)


def _winner(costs: jax.Array, labels: jax.Array) -> jax.Array:
    """The label of the smallest cost along the last axis."""
    return jnp.take_along_axis(labels, jnp.argmin(costs, axis=-1, keepdims=True), axis=-1)[..., 0]


def program_loss(
    arrays: ProgramArrays, part_distances: jax.Array, aggregation: AggregationSettings = PUBLISHED
) -> jax.Array:
    """The contact loss: the mean over a pair's answers, summed over the pairs of the scene (scalar, metres).

    Args:
      arrays: the program.
      part_distances: (Q, S, S) in metres, as in `program_losses`.
      aggregation: what takes the place of the mean; what it does to the rows happened when they were compiled.
    """
    weights = jnp.asarray(arrays.weights, part_distances.dtype)
    losses = program_losses(arrays, part_distances, aggregation.choice_m)
    combine = AGGREGATIONS[aggregation.name].combine
    usable = usable_answers(arrays)
    if combine is mean or not len(losses):  # its sum over pairs is one sum
        return mean(losses, weights, usable, aggregation)
    of_pair = jnp.asarray(arrays.pair_of)[None] == jnp.arange(arrays.pairs.shape[0])[:, None]
    one = jax.vmap(lambda mine: combine(losses, jnp.where(mine, weights, 0.0), usable & mine, aggregation))
    return jnp.sum(one(of_pair))


def program_weights(
    arrays: ProgramArrays, part_distances: jax.Array, aggregation: AggregationSettings = PUBLISHED
) -> jax.Array:
    """How much each part distance weighs in the loss at its minimum: the loss's gradient, (Q, S, S).

    Locally the loss is the sum of weights times distances; a fit that fixes the choices for some
    steps needs nothing else. Where two choices tie, one of them takes the weight.
    """
    return jax.grad(program_loss, argnums=1)(arrays, part_distances, aggregation)


def used_entries(arrays: ProgramArrays) -> np.ndarray:
    """(Q, S, S) bool: the part distances that some choice of the program reads (on the host)."""
    num_pairs = arrays.pairs.shape[0]
    used = np.zeros((1 + num_pairs * NUM_PARTS * NUM_PARTS,), bool)
    used[np.asarray(arrays.minima)] = True
    return used[1:].reshape(num_pairs, NUM_PARTS, NUM_PARTS)


def program_shape(arrays: ProgramArrays) -> ProgramShape:
    """The sizes of one program's arrays (not of stacked ones)."""
    return ProgramShape(
        pairs=arrays.pairs.shape[0],
        answers=arrays.weights.shape[0],
        minima=arrays.minima.shape[0],
        entries=arrays.minima.shape[1],
        levels=arrays.sources.shape[0],
        nodes=arrays.sources.shape[1],
        edges=arrays.sources.shape[2],
        singles=arrays.singles.shape[2],
        coupled=arrays.coupled.shape[2],
    )


def bucket(*shapes: ProgramShape) -> ProgramShape:
    """The smallest shape of a coarse ladder that holds all of the given ones.

    Steps of the ladder are 1, 2, 3, 4, 6, 8, 12, 16, …: a folder of scenes meets few shapes, so it
    compiles few times, and padding costs at most half.
    """
    largest = [max(sizes) for sizes in zip(*shapes, strict=True)]
    shape = ProgramShape(*(_round_up(size) for size in largest))
    return shape._replace(pairs=largest[0])  # every pair costs a distance search: never padded without need


def _round_up(size: int) -> int:
    if size <= 1:
        return size
    power = 1 << (size - 1).bit_length()
    return power * 3 // 4 if size <= power * 3 // 4 and power >= 4 else power


def pad_arrays(arrays: ProgramArrays, shape: ProgramShape) -> ProgramArrays:
    """The same program in larger arrays (numpy); its losses are unchanged, padded answers give 0.

    Args:
      arrays: one program's arrays.
      shape: sizes at least those of `arrays`.

    Raises:
      ValueError: `shape` is smaller than the program.
    """
    have = program_shape(arrays)
    if any(want < size for want, size in zip(shape, have, strict=True)):
        raise ValueError(f"cannot pad a program of {have} to the smaller {shape}")

    def pad(array: jax.Array | np.ndarray, *sizes: int, front: int = 0, value: float = 0.0) -> np.ndarray:
        array = np.asarray(array)
        widths = [(0, size - old) for size, old in zip(sizes, array.shape, strict=True)]
        if front:
            widths[0] = (front, 0)
        return np.pad(array, widths, constant_values=value)

    # Levels are padded in front: every group ends on the last level and may start on any.
    front = shape.levels - have.levels
    pairs = np.asarray(arrays.pairs)
    return ProgramArrays(
        pairs=np.concatenate([pairs, np.repeat(pairs[:1], shape.pairs - have.pairs, axis=0)]),
        minima=pad(arrays.minima, shape.minima, shape.entries),
        scales=pad(arrays.scales, shape.minima, value=1.0),
        sources=pad(arrays.sources, shape.levels, shape.nodes, shape.edges, front=front),
        steps=pad(arrays.steps, shape.levels, shape.nodes, shape.edges, front=front),
        singles=pad(arrays.singles, shape.answers, 2, shape.singles),
        coupled=pad(arrays.coupled, shape.answers, 2, shape.coupled),
        weights=pad(arrays.weights, shape.answers),
        pair_of=pad(arrays.pair_of, shape.answers),
    )


def stack_arrays(programs: list[ProgramArrays], shape: ProgramShape | None = None) -> ProgramArrays:
    """Programs of several scenes padded to one shape and stacked on a new leading axis (numpy)."""
    shape = bucket(*map(program_shape, programs)) if shape is None else shape
    padded = [pad_arrays(arrays, shape) for arrays in programs]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *padded)


def takes_fallback(program: ContactProgram, unusable: int | None = None) -> bool:
    """Whether a scene's fit should do without its answers (docs/method.md, "Answers and rows").

    Args:
      program: the scene's compiled answers.
      unusable: t, the number of answers without a usable row from which on the answers are not
        trusted; None for all of them. A scene without answers always falls back.
    """
    threshold = program.num_answers if unusable is None else unusable
    return program.num_usable == 0 or program.num_answers - program.num_usable >= threshold
