"""One floor a scene: people rest on it with what carries them, and are not below it (docs/method.md, "Floor")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel
from prosepose_jax.terms.base import Context, Lookup, OnPoints, SceneReading, Term
from prosepose_jax.terms.floor_plane import (
    FreePlane,
    PlaneBounds,
    free_plane,
    heights_over,
    left_over,
    moved_plane,
    upward,
)
from prosepose_jax.terms.floor_supports import supports_told
from prosepose_jax.terms.floor_vertices import FloorVertices, floor_vertices
from prosepose_jax.terms.points import gather_rows

# How far the camera of a picture of people looks down, most likely: it is held at eye height, its middle is lower
# (assumed).
MEAN_PITCH_DEG = 8.0
# Height over the floor from which on a part counts less: of the lowest of a person, who is on the floor unless all
# speaks against it, and of the other supports, which may be lifted (assumed).
_LOWEST_M, _OTHER_M = 0.10, 0.06
# How often supports and plane are found in turn.
_ROUNDS = 8
# The plane begins between the people, and under the lowest of them: of two who stand and whose depths are wrong the
# first costs less, of two of whom one is carried the second, which lets the other go.
_STARTS: tuple[bool, ...] = (True, False)


@struct.dataclass
class FloorReading:
    """What is known of a scene's floor."""

    bounds: PlaneBounds
    rests: jax.Array  # (P, S) how surely each piece rests on it, and last the lowest of all; 0: it does not
    free: jax.Array  # () bool: who of the first two is Person 1 stays open


@struct.dataclass
class HeldFloor:
    """The points that count, S a person: the lowest of each piece and the lowest of all."""

    ids: jax.Array  # (P, S) int32
    plane: FreePlane  # of the P S points
    let_go: jax.Array  # () what points cost that count less


@dataclasses.dataclass(frozen=True)
class Floor(Term):
    """Squares of the heights of supports over the plane that suits all of them best, and of points below it.

    Heights are in standard deviations; the plane's tilt costs what it is away from a level camera.
    """

    if_weighed = reads_ground = True

    name: str = "floor"

    def prepare_body(self, body: BodyModel, prior: Any) -> FloorVertices:
        return jax.tree.map(jnp.asarray, floor_vertices(body))

    def prepare_scene(self, reading: SceneReading) -> FloorReading:
        errors = reading.errors
        numbers: dict[str, Any] = {
            "pitch": np.float32(np.radians(MEAN_PITCH_DEG)),
            "pitch_sd": np.float32(np.radians(errors["floor_pitch_deg"])),
            "roll_sd": np.float32(np.radians(errors["floor_roll_deg"])),
            "height_sd": np.float32(errors["floor_m"]),
        }
        told = supports_told(reading.votes, len(reading.initial.transl), reading.grounded)
        rests = np.concatenate([told.rests, told.stands[:, None]], axis=1)
        leaves: dict[str, Any] = {"rests": rests, "free": np.bool_(told.free)}
        return FloorReading(bounds=PlaneBounds(**numbers), **leaves)

    def look_up(self, lookup: Lookup) -> HeldFloor:
        mine: FloorVertices = lookup.mine

        def of_scene(vertices: jax.Array, reading: FloorReading, either: bool) -> HeldFloor:
            may_be_lowest = _MayBeLowest(
                mine.pieces,
                jnp.moveaxis(vertices[:, mine.pieces], -1, 0),
                mine.whole,
                jnp.moveaxis(vertices[:, mine.whole], -1, 0),
            )
            orders = [reading.rests]
            if either:
                turned = reading.rests.at[:2].set(reading.rests[1::-1])
                orders.append(jnp.where(reading.free, turned, reading.rests))

            def found(rests: jax.Array, between: jax.Array) -> tuple[jax.Array, HeldFloor]:
                return _find_floor(may_be_lowest, rests, between, reading.bounds)

            cost, held = jax.vmap(found)(
                jnp.stack([order for order in orders for _ in _STARTS]), jnp.array(_STARTS * len(orders))
            )
            return jax.tree.map(lambda x: x[jnp.argmin(cost)], held)

        def in_orders(either: bool) -> HeldFloor:
            return jax.vmap(lambda v, r: of_scene(v, r, either))(lookup.vertices, lookup.data)

        # Seldom is any order open; the other order costs as much as the first.
        return jax.lax.cond(jnp.any(lookup.data.free), lambda: in_orders(True), lambda: in_orders(False))

    def elements(self, context: Context) -> Sequence[OnPoints]:
        held: HeldFloor = context.held
        rows = jax.vmap(lambda p, ids: gather_rows(context.body, p, ids))(context.params, held.ids)
        return [OnPoints(rows, (held, context.data.bounds), residual=_off_the_floor)]


def _off_the_floor(points: jax.Array, data: tuple[HeldFloor, PlaneBounds]) -> jax.Array:
    """(P S + 3,) in standard deviations; the last is constant: what the points cost that count less."""
    held, bounds = data
    return jnp.append(left_over(held.plane, bounds, points.reshape(-1, 3)), jnp.sqrt(held.let_go))


class _MayBeLowest(NamedTuple):
    """Vertices among which the lowest are, and where they are of P people (m).

    Coordinates come first: long rows of one of them fill SIMD lanes (`body/skinning.py`).
    """

    piece_ids: jax.Array  # (K, M)
    pieces: jax.Array  # (3, P, K, M)
    whole_ids: jax.Array  # (B,)
    whole: jax.Array  # (3, P, B)

    def find(self, up: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(P, S) the lowest vertices and (P S, 3) where they are."""
        of_piece, of_whole = _lowest(self.pieces, up), _lowest(self.whole, up)  # (P, K), (P,)
        ids = jnp.take_along_axis(self.piece_ids[None], of_piece[..., None], axis=2)[..., 0]
        points = jnp.take_along_axis(self.pieces, of_piece[None, ..., None], axis=3)[..., 0]
        last = jnp.take_along_axis(self.whole, of_whole[None, :, None], axis=2)
        return (
            jnp.concatenate([ids, self.whole_ids[of_whole][:, None]], axis=1),
            jnp.concatenate([points, last], axis=2).reshape(3, -1).T,
        )


def _lowest(points: jax.Array, up: jax.Array) -> jax.Array:
    """(…) places of the lowest among points (3, …, M), by plain minima: XLA vectorises them on a CPU, argmin not."""
    heights = points[0] * up[0] + points[1] * up[1] + points[2] * up[2]
    count = heights.shape[-1]
    places = jax.lax.broadcasted_iota(jnp.int32, heights.shape, heights.ndim - 1)
    least = jnp.min(heights, axis=-1, keepdims=True)
    return jnp.minimum(jnp.min(jnp.where(heights <= least, places, count), axis=-1), count - 1)


def _find_floor(
    vertices: _MayBeLowest, rests: jax.Array, between: jax.Array, bounds: PlaneBounds
) -> tuple[jax.Array, HeldFloor]:
    """Supports and plane in turn, by reweighted least squares; () what they cost and the floor.

    Args:
      vertices: of P people.
      rests: (P, S) how surely each of a person's points is a support.
      between: () bool: begin with a plane between people instead of under the lowest.
      bounds: of the plane.
    """

    def counted(ids: jax.Array, heights: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(P S,) how much each point counts, and () m² what those cost that count less."""
        heights = heights.reshape(rests.shape)
        scale = jnp.full(rests.shape[1], _OTHER_M).at[-1].set(_LOWEST_M)[None]
        squared = (heights / scale) ** 2
        kept = jnp.exp(-squared)  # Welsch: of who is evidently elsewhere nothing is left
        sure = jnp.where(rests > 0, rests, jnp.where(heights < 0, 1.0, 0.0))
        once = jnp.pad(ids[:, :-1] != ids[:, -1:], ((0, 0), (0, 1)), constant_values=True)
        sure = jnp.where(once, sure, 0.0)
        missing = jnp.maximum(1.0 - kept - squared * kept, 0.0)  # never negative but for rounding
        return (sure * kept).reshape(-1), jnp.sum(sure * scale**2 * missing)

    def plane_at(tilt: jax.Array, height: jax.Array) -> tuple[jax.Array, jax.Array, FreePlane, jax.Array]:
        ids, points = vertices.find(upward(tilt))
        weight, let_go = counted(ids, points @ upward(tilt) - height)
        return ids, points, free_plane(points, weight, tilt, height, bounds), let_go

    def again(_: Any, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        _, points, plane, _ = plane_at(*at)
        return moved_plane(plane, heights_over(plane, points))

    level = jnp.stack([bounds.pitch, jnp.zeros(())])
    first = _first_height(vertices.find(upward(level))[1] @ upward(level), rests, between)
    ids, points, plane, let_go = plane_at(*jax.lax.fori_loop(0, _ROUNDS, again, (level, first)))
    held = HeldFloor(ids, plane, let_go / bounds.height_sd**2)
    return jnp.sum(left_over(plane, bounds, points) ** 2) + held.let_go, held


def _first_height(heights: jax.Array, rests: jax.Array, between: jax.Array) -> jax.Array:
    """() m: of the lowest of people who stand the mean, or the least; where nobody does, the lowest point of all.

    Args:
      heights: (P S,) m.
      rests: (P, S).
      between: () bool: the mean.
    """
    lowest, stands = heights.reshape(rests.shape)[:, -1], rests[:, -1] > 0  # (P,)
    mean = jnp.sum(jnp.where(stands, lowest, 0.0)) / jnp.maximum(jnp.sum(stands), 1)
    least = jnp.min(jnp.where(stands, lowest, jnp.inf))
    return jnp.where(jnp.any(stands), jnp.where(between, mean, least), jnp.min(lowest))
