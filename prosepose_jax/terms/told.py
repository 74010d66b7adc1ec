"""What answers tell of two people: who is taller, who is nearer to the camera (docs/beyond_touch.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.language import Votes, count_votes
from prosepose_jax.terms.base import Context, Lookup, OnPeople, SceneReading, Term
from prosepose_jax.terms.estimate_place import PelvisMap, pelvis_map
from prosepose_jax.terms.told_scales import DISTANCE, HEIGHT


@struct.dataclass
class ToldRelations:
    """What is told about the first two people: log stature ratio and difference in depth (m) of person 0 to 1."""

    mean: jax.Array  # (2,)
    sharpness: jax.Array  # (2,) 1 / sd, 0: nothing is told
    free: jax.Array  # () bool: who is Person 1 stays open


def relations_told(votes: Votes | None) -> ToldRelations:
    """The normal distributions of a scene's votes (numpy leaves)."""
    mean, sharpness, free = np.zeros(2, np.float32), np.zeros(2, np.float32), True
    if votes is not None and votes.said.shape[1] == 2:
        counts, _ = count_votes(votes)
        for k, scale in enumerate((HEIGHT, DISTANCE)):
            mean[k], sharpness[k] = scale.normal(counts[0, scale.place])
        free = votes.order_is_open
    leaves: dict[str, Any] = {"mean": mean, "sharpness": sharpness, "free": np.bool_(free)}
    return ToldRelations(**leaves)


def _relations(maps: PelvisMap, params: BodyParams) -> jax.Array:
    """(2,) of the first two of P people: what `ToldRelations` is about."""
    statures = jax.vmap(maps.sizes.stature_of)(params)
    depths = jax.vmap(maps.pelvis)(params)[:, 2]
    return jnp.stack([jnp.log(statures[0] / statures[1]), depths[0] - depths[1]])


def relations_off(params: BodyParams, data: tuple[PelvisMap, ToldRelations, jax.Array]) -> jax.Array:
    """(2,) in standard deviations."""
    maps, told, sign = data
    return (_relations(maps, params) - sign * told.mean) * told.sharpness


@dataclasses.dataclass(frozen=True)
class Told(Term):
    """Squares of log stature ratio and depth difference about what the answers tell, in standard deviations.

    Where no answer knows who of the image is its Person 1, each search takes the order that fits better.
    """

    name: str = "told"
    fewest_people: int = 2

    def prepare_body(self, body: BodyModel, prior: Any) -> PelvisMap:
        return pelvis_map(body)

    def prepare_scene(self, reading: SceneReading) -> ToldRelations:
        return relations_told(reading.votes)

    def look_up(self, lookup: Lookup) -> jax.Array:
        """(S,) 1, or -1 where the people are taken the other way round."""

        def sign(params: BodyParams, told: ToldRelations) -> jax.Array:
            cost = [jnp.sum(relations_off(params, (lookup.mine, told, jnp.float32(s))) ** 2) for s in (1.0, -1.0)]
            return jnp.where(told.free & (cost[1] < cost[0]), -1.0, 1.0)

        return jax.vmap(sign)(lookup.params, lookup.data)

    def elements(self, context: Context) -> Sequence[OnPeople]:
        return [OnPeople((context.mine, context.data, context.held), residual=relations_off)]
