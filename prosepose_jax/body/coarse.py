"""What searches that look coarsely first share: boxes that bound distances from below, lists of what stays open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import struct

State = TypeVar("State")


@struct.dataclass
class Boxes:
    """Lower and upper corners (..., 3) of axis-aligned boxes, m."""

    low: jax.Array
    high: jax.Array

    def take(self, ids: jax.Array | tuple[jax.Array, jax.Array]) -> Boxes:
        return Boxes(self.low[ids], self.high[ids])


def boxes_of(points: jax.Array) -> Boxes:
    """The boxes (..., 3) of sets of points (..., n, 3)."""
    return Boxes(jnp.min(points, axis=-2), jnp.max(points, axis=-2))


def squared_gaps(a: Boxes, b: Boxes) -> jax.Array:
    """Squared distance between boxes, (...): never more than between any two points in them.

    Coordinates are subtracted and squares added in the order in which the searches do it for points, so rounding cannot
    lift a bound above a distance by more than a fused operation's last bit.
    """
    total = jnp.zeros((), jnp.float32)
    for k in range(3):
        gap = jnp.maximum(b.low[..., k] - a.high[..., k], a.low[..., k] - b.high[..., k])
        gap = jnp.maximum(gap, 0.0)
        total = total + gap * gap
    return total


def squared_centre_distances(a: Boxes, b: Boxes) -> jax.Array:
    """Squared distance between the centres of boxes, (...)."""
    total = jnp.zeros((), jnp.float32)
    for k in range(3):
        apart = 0.5 * ((b.low[..., k] + b.high[..., k]) - (a.low[..., k] + a.high[..., k]))
        total = total + apart * apart
    return total


@struct.dataclass
class CoarseMeshes:
    """Cells of n posed meshes and groups of cells with their boxes; of the cells, a mesh is an offset of rows."""

    points: jax.Array  # (n C, 3, M) coordinates of the cells' vertices
    boxes: Boxes  # (n C, 3) of the cells
    group_boxes: Boxes  # (n, G, 3)


def coarse_meshes(vertices: jax.Array, cells: jax.Array, groups: jax.Array) -> CoarseMeshes:
    """Lays meshes out for a search.

    Args:
      vertices: (n, V, 3).
      cells: (C, M) vertex ids of each cell, padded with one of its own.
      groups: (G, K) cells of each group, padded with one of its own.
    """
    members = vertices[:, cells]  # (n, C, M, 3)
    boxes = boxes_of(members)
    return CoarseMeshes(
        points=jnp.moveaxis(members, -1, 2).reshape(-1, 3, cells.shape[1]),
        boxes=jax.tree.map(lambda x: x.reshape(-1, 3), boxes),
        group_boxes=Boxes(jnp.min(boxes.low[:, groups], axis=2), jnp.max(boxes.high[:, groups], axis=2)),
    )


def keep_lower(
    lowest: jax.Array, kept: State, target: jax.Array, found: jax.Array, offered: State
) -> tuple[jax.Array, State]:
    """Lowers minima by new finds and remembers where they were found.

    Args:
      lowest: (n,) minima so far.
      kept: where they were found; leaves (n,).
      target: (m,) which minimum a find is for.
      found: (m,) values.
      offered: where; leaves (m,).
    """
    lower = lowest.at[target].min(found)
    # Of several that lower a minimum equally one wins as a whole.
    improves = (found <= lower[target]) & (found < lowest[target])
    winner = jnp.full(len(lowest), -1).at[target].max(jnp.where(improves, jnp.arange(len(found)), -1))
    return lower, jax.tree.map(lambda new, old: jnp.where(winner >= 0, new[winner], old), offered, kept)


class Marked:
    """The marked places of a table (rows, columns), found by their rank: a work list that is never written out."""

    def __init__(self, marks: jax.Array) -> None:
        self.marks = marks
        self.per_row = jnp.sum(marks, axis=1, dtype=jnp.int32)
        self.ends = jnp.cumsum(self.per_row)
        self.count = self.ends[-1]

    def find(self, rank: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Row and column of the rank-th marks, and whether there are so many."""
        row = jnp.searchsorted(self.ends, rank, side="right", method="scan_unrolled")
        row = jnp.minimum(row, len(self.ends) - 1)
        nth = rank - (self.ends[row] - self.per_row[row])
        column = jnp.argmax(jnp.cumsum(self.marks[row], axis=1) == nth[:, None] + 1, axis=1)
        return row, column, rank < self.count

    def visit(self, chunk: int, look: Callable[[jax.Array, jax.Array, jax.Array, State], State], state: State) -> State:
        """`state = look(row, column, valid, state)` for all marks, `chunk` of them at a time."""

        def step(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
            first, state = carry
            return first + chunk, look(*self.find(first + jnp.arange(chunk)), state)

        return jax.lax.while_loop(lambda carry: carry[0] < self.count, step, (jnp.int32(0), state))[1]
