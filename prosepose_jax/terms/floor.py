"""One floor a scene: people rest on it with what carries them, and nobody is below it (docs/method.md, "Floor")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.terms.base import Context, Lookup, OnPeople, SceneReading, Term
from prosepose_jax.terms.floor_plane import (
    FreePlane,
    PlaneBounds,
    free_plane,
    heights_over,
    left_over,
    moved_plane,
    upward,
)
from prosepose_jax.terms.floor_supports import support_pieces, supports_told
from prosepose_jax.terms.points import Rows, gather_rows, make_kinematics, pose_rows

# How far the camera of a picture of people looks down, most likely: it is held at eye height, its middle is lower
# (assumed).
MEAN_PITCH_DEG = 8.0
# Height over the floor from which on a part counts less: of the lowest support of a person, who is on the floor unless
# all speaks against it, and of the others, which may be lifted (assumed).
_LOWEST_M, _OTHER_M = 0.15, 0.08
# How often supports and plane are found in turn.
_ROUNDS = 8


@struct.dataclass
class FloorReading:
    """What is known of a scene's floor."""

    bounds: PlaneBounds
    rests: jax.Array  # (P, K) how surely each piece of each person rests on it; 0: it does not
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

    name: str = "floor"

    def prepare_body(self, body: BodyModel, prior: Any) -> jax.Array:
        return jnp.asarray(support_pieces(body))

    def prepare_scene(self, reading: SceneReading) -> FloorReading:
        errors = reading.errors
        numbers: dict[str, Any] = {
            "pitch": np.float32(np.radians(MEAN_PITCH_DEG)),
            "pitch_sd": np.float32(np.radians(errors["floor_pitch_deg"])),
            "roll_sd": np.float32(np.radians(errors["floor_roll_deg"])),
            "height_sd": np.float32(errors["floor_m"]),
        }
        rests, free = supports_told(reading.votes, len(reading.initial.transl), reading.grounded)
        leaves: dict[str, Any] = {"rests": rests, "free": np.bool_(free)}
        return FloorReading(bounds=PlaneBounds(**numbers), **leaves)

    def look_up(self, lookup: Lookup) -> HeldFloor:
        def of_scene(vertices: jax.Array, reading: FloorReading) -> HeldFloor:
            def found(rests: jax.Array) -> tuple[jax.Array, HeldFloor]:
                held = _find_floor(lookup.mine, vertices, rests, reading.bounds)
                points = jnp.take_along_axis(vertices, held.ids[..., None], axis=1).reshape(-1, 3)
                return jnp.sum(left_over(held.plane, reading.bounds, points) ** 2) + held.let_go, held

            if vertices.shape[0] < 2:
                return found(reading.rests)[1]
            turned = reading.rests.at[:2].set(reading.rests[1::-1])
            cost, held = jax.vmap(found)(jnp.stack([reading.rests, turned]))
            order = jnp.where(reading.free & (cost[1] < cost[0]), 1, 0)
            return jax.tree.map(lambda x: x[order], held)

        return jax.vmap(of_scene)(lookup.vertices, lookup.data)

    def elements(self, context: Context) -> Sequence[OnPeople]:
        held: HeldFloor = context.held
        rows = jax.vmap(lambda p, ids: gather_rows(context.body, p, ids))(context.params, held.ids)
        return [OnPeople((context.body, rows, held, context.data.bounds), residual=_off_the_floor)]


def _off_the_floor(params: BodyParams, data: tuple[BodyModel, Rows, HeldFloor, PlaneBounds]) -> jax.Array:
    """(P S + 3,) in standard deviations; the last is constant: what the points cost that count less."""
    body, rows, held, bounds = data
    points = jax.vmap(lambda p, r: pose_rows(r, make_kinematics(body, p)))(params, rows)
    return jnp.append(left_over(held.plane, bounds, points.reshape(-1, 3)), jnp.sqrt(held.let_go))


def _find_floor(pieces: jax.Array, vertices: jax.Array, rests: jax.Array, bounds: PlaneBounds) -> HeldFloor:
    """Supports and plane in turn, by reweighted least squares.

    Args:
      pieces: (K, M) vertices of each piece.
      vertices: (P, V, 3) posed people, m.
      rests: (P, K) how surely a piece is a support.
      bounds: of the plane.
    """
    # The last of each person's points is the lowest of all, which is no support for being it.
    rests = jnp.pad(rests, ((0, 0), (0, 1)))

    def lowest(up: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(P, S) the lowest vertices and (P S, 3) where they are."""
        above = vertices @ up  # (P, V)
        best = jnp.argmin(above[:, pieces], axis=2)  # (P, K)
        of_piece = jnp.take_along_axis(pieces[None], best[..., None], axis=2)[..., 0]
        ids = jnp.concatenate([of_piece, jnp.argmin(above, axis=1)[:, None]], axis=1)
        return ids, jnp.take_along_axis(vertices, ids[..., None], axis=1).reshape(-1, 3)

    def counted(ids: jax.Array, heights: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(P S,) how much each point counts, and () m² what those cost that count less."""
        heights = heights.reshape(rests.shape)
        is_support = rests > 0
        nearest = jnp.min(jnp.where(is_support, heights, jnp.inf), axis=1, keepdims=True)
        scale = jnp.where(is_support & (heights > nearest), _OTHER_M, _LOWEST_M)
        root = 1.0 / (1.0 + (heights / scale) ** 2)  # of the weight of Geman and McClure
        sure = jnp.where(is_support, rests, jnp.where(heights < 0, 1.0, 0.0))
        twice = jnp.any(ids[:, :-1] == ids[:, -1:], axis=1)
        sure = sure.at[:, -1].multiply(jnp.where(twice, 0.0, 1.0))
        return (sure * root**2).reshape(-1), jnp.sum(sure * (scale * (1.0 - root)) ** 2)

    def plane_at(tilt: jax.Array, height: jax.Array) -> tuple[jax.Array, jax.Array, FreePlane, jax.Array]:
        ids, points = lowest(upward(tilt))
        weight, let_go = counted(ids, points @ upward(tilt) - height)
        return ids, points, free_plane(points, weight, tilt, height, bounds), let_go

    def again(_: Any, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        _, points, plane, _ = plane_at(*at)
        return moved_plane(plane, heights_over(plane, points))

    level = jnp.stack([bounds.pitch, jnp.zeros(())])
    at = jax.lax.fori_loop(0, _ROUNDS, again, (level, _first_height(lowest(upward(level))[1] @ upward(level), rests)))
    ids, _, plane, let_go = plane_at(*at)
    return HeldFloor(ids, plane, let_go / bounds.height_sd**2)


def _first_height(heights: jax.Array, rests: jax.Array) -> jax.Array:
    """() m: the mean of people's lowest supports; where nobody has any, the lowest point of all.

    Args:
      heights: (P S,) m.
      rests: (P, S).
    """
    heights = heights.reshape(rests.shape)
    supports = jnp.min(jnp.where(rests > 0, heights, jnp.inf), axis=1)  # (P,)
    stands = jnp.isfinite(supports)
    mean = jnp.sum(jnp.where(stands, supports, 0.0)) / jnp.maximum(jnp.sum(stands), 1)
    return jnp.where(jnp.any(stands), mean, jnp.min(heights))
