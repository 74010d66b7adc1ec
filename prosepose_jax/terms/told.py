"""What answers tell beyond touch: who is taller, who is nearer to the camera (docs/beyond_touch.md).

The votes of the N answers become one normal distribution a question: its mean and spread are those of the categories,
weighed by their votes, with the rate at which a whole scene's answers are wrong. So few votes, votes that disagree and
wide categories all count less.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.language import QUESTIONS, Votes, count_votes
from prosepose_jax.terms.base import Context, Lookup, OnPeople, SceneReading, Term
from prosepose_jax.terms.estimate_place import PelvisMap, pelvis_map


@dataclasses.dataclass(frozen=True)
class Scale:
    """What the values of a question about two people mean, in order from low to high.

    Attributes:
      question: its name in `language.vocabulary`.
      values: of Person 1, in order.
      centres: what each stands for.
      spreads: how widely, one standard deviation.
      slips: rate at which a scene's answers are off by one value (assumed: docs/beyond_touch.md).
    """

    question: str
    values: tuple[str, ...]
    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    slips: float

    @property
    def place(self) -> int:
        """Of the question."""
        return next(k for k, question in enumerate(QUESTIONS) if question.name == self.question)

    def normal(self, counts: np.ndarray) -> tuple[float, float]:
        """Mean and 1 / standard deviation of what is told by the votes for each value (K,); 0 for no votes."""
        votes = np.array([counts[QUESTIONS[self.place].index(value)] for value in self.values], float)
        if not votes.sum():
            return 0.0, 0.0
        known = (votes + _DOUBT / len(votes)) / (votes.sum() + _DOUBT)
        shares = known @ self._slipped()
        centres, spreads = np.array(self.centres), np.array(self.spreads)
        mean = float(shares @ centres)
        return mean, float((shares @ (spreads**2 + centres**2) - mean**2) ** -0.5)

    def _slipped(self) -> np.ndarray:
        """(K, K) row: the value told, column: how likely each is meant."""
        count = len(self.values)
        beside = np.eye(count, k=1) + np.eye(count, k=-1)
        return (1 - self.slips) * np.eye(count) + self.slips * beside / beside.sum(axis=1, keepdims=True)


# Votes for no value in particular that the answers have to outweigh.
_DOUBT = 2.0
# Log of the ratio of statures: "taller" from 3 %, "much taller" from 15 % on.
HEIGHT = Scale(
    "height",
    ("much shorter", "shorter", "same", "taller", "much taller"),
    (-0.25, -0.08, 0.0, 0.08, 0.25),
    (0.1, 0.035, 0.02, 0.035, 0.1),
    0.15,
)
# Difference in depth of the pelvises, m: "nearer" from 15 cm on. Both people touch, so it is not far.
DISTANCE = Scale("distance to the camera", ("nearer", "same", "farther"), (-0.35, 0.0, 0.35), (0.17, 0.09, 0.17), 0.15)


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
        free = bool(np.all(votes.free | ~votes.answered.any((1, 2))))
    leaves: dict[str, Any] = {"mean": mean, "sharpness": sharpness, "free": np.bool_(free)}
    return ToldRelations(**leaves)


def _relations(maps: PelvisMap, params: BodyParams) -> jax.Array:
    """(2,) of the first two of P people: what `ToldRelations` is about."""
    statures = jax.vmap(maps.sizes.stature_of)(params)
    depths = jax.vmap(maps.pelvis)(params)[:, 2]
    return jnp.stack([jnp.log(statures[0] / statures[1]), depths[0] - depths[1]])


def _told(params: BodyParams, data: tuple[PelvisMap, ToldRelations, jax.Array]) -> jax.Array:
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
            cost = [jnp.sum(_told(params, (lookup.mine, told, jnp.float32(s))) ** 2) for s in (1.0, -1.0)]
            return jnp.where(told.free & (cost[1] < cost[0]), -1.0, 1.0)

        return jax.vmap(sign)(lookup.params, lookup.data)

    def elements(self, context: Context) -> Sequence[OnPeople]:
        return [OnPeople((context.mine, context.data, context.held), residual=_told)]
