"""What searches that look coarsely first share: boxes that bound distances from below, and lists of what stays open."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct


@struct.dataclass
class Boxes:
    """Lower and upper corners (..., 3) of axis-aligned boxes, m."""

    low: jax.Array
    high: jax.Array

    def take(self, ids: jax.Array) -> Boxes:
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
