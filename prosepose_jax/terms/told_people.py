"""What answers tell of each person, and whose it is where they do not say who their Person 1 is.

The quantities that the questions are about are read off the parameters alone: no mesh is posed for them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.body.rotation import axis_angle_to_matrix
from prosepose_jax.language import QUESTIONS, Votes, count_votes
from prosepose_jax.language.vocabulary import MOST_VALUES
from prosepose_jax.terms.base import Context, Lookup, OnPeople, SceneReading, Term
from prosepose_jax.terms.estimate_place import PelvisMap, pelvis_map
from prosepose_jax.terms.told import ToldRelations, relations_off, relations_told
from prosepose_jax.terms.told_scales import AGE, FACES, HIPS, KNEES, UPRIGHT, Scale

# Joints from the pelvis by the spine to neck and shoulders, and what each hangs on.
_CHEST = np.array([3, 6, 9, 12, 13, 14, 16, 17])
_CHEST_PARENTS = np.array([0, 3, 6, 9, 9, 9, 13, 14])
_LEFT_RIGHT_HIPS, _LEFT_RIGHT_KNEES = np.array([0, 1]), np.array([3, 4])  # places in body_pose
# Shorter than this nobody is: keeps the logarithm finite while a step is tried.
_SHORTEST_M = 0.1
_TINY = 1e-6  # m³, of chest and way to the other together


@struct.dataclass
class ToldMap:
    """What is read of a body."""

    pelvises: PelvisMap
    chest: jax.Array  # (8, 3) rest joints _CHEST less their parents, of the template, m
    chest_dirs: jax.Array  # (8, 3, B)
    chest_kid: jax.Array  # (8, 3)


def told_map(body: BodyModel) -> ToldMap:
    """The map of a body whose first ten betas are used."""
    count = min(10, body.num_betas)
    joints = body.joint_template, body.joint_shape_dirs[..., :count], body.joint_kid_dir
    return ToldMap(pelvis_map(body), *(x[_CHEST] - x[_CHEST_PARENTS] for x in joints))


@struct.dataclass
class Normals:
    """Normal distributions of k quantities of P people."""

    mean: jax.Array  # (P, k)
    sharpness: jax.Array  # (P, k) 1 / sd, 0: nothing is told


@struct.dataclass
class ToldPeople:
    """What is told of P people, of whom at most the first two are meant."""

    age: Normals  # log stature in m
    faces: Normals  # cosine between where the chest looks and where the other is
    posture: Normals  # bend of the knees and of the hips, rad; how upright the trunk is
    relations: ToldRelations


def people_told(votes: Votes | None, people: int) -> ToldPeople:
    """The normal distributions of a scene's votes (numpy leaves)."""
    nothing = np.zeros((0, len(QUESTIONS), MOST_VALUES))
    counts = nothing if votes is None else count_votes(votes)[0]  # (P or 2, Q, K)

    def normals(*scales: Scale) -> Normals:
        mean, sharpness = np.zeros((2, people, len(scales)), np.float32)
        for person in range(min(people, len(counts))):
            for k, scale in enumerate(scales):
                mean[person, k], sharpness[person, k] = scale.normal(counts[person, scale.place])
        leaves: dict[str, Any] = {"mean": mean, "sharpness": sharpness}
        return Normals(**leaves)

    return ToldPeople(normals(AGE), normals(FACES), normals(KNEES, HIPS, UPRIGHT), relations_told(votes))


def log_statures(maps: ToldMap, params: BodyParams) -> jax.Array:
    """(P, 1) log of metres."""
    statures = jax.vmap(maps.pelvises.sizes.stature_of)(params)
    return jnp.log(jnp.maximum(statures, _SHORTEST_M))[:, None]


def facing(maps: ToldMap, params: BodyParams) -> jax.Array:
    """(P, 1) cosine between where a chest looks and where the other's hips are (`synthetic.facts`).

    Of the first two; 0 of whoever else is there.
    """
    two = jax.tree.map(lambda x: x[:2], params)
    forward = jax.vmap(lambda p: _looks(maps, p))(two)  # (2, 3)
    pelvises = jax.vmap(maps.pelvises.pelvis)(two)
    way = pelvises[::-1] - pelvises
    # At least _TINY: with a chest of no area or hips in one place nobody faces anything.
    lengths = jnp.sum(forward**2, axis=-1) * jnp.sum(way**2, axis=-1)
    cosines = jnp.sum(forward * way, axis=-1) / jnp.sqrt(lengths + _TINY**2)
    return jnp.pad(cosines, (0, params.transl.shape[0] - 2))[:, None]


def _looks(maps: ToldMap, params: BodyParams) -> jax.Array:
    """(3,) where one person's chest looks: (left - right shoulder) x (neck - pelvis), m²."""
    bones = maps.chest + maps.chest_dirs @ params.betas + maps.chest_kid * params.kid_scale
    chain = jnp.stack([params.global_orient, *params.body_pose[np.array([2, 5, 8, 12, 13])]])
    pelvis, low, middle, high, left, right = axis_angle_to_matrix(chain)
    across, up = bones[4] + left @ bones[6] - bones[5] - right @ bones[7], bones[3]
    for turn, bone in ((high, bones[2]), (middle, bones[1]), (low, bones[0])):
        across, up = turn @ across, turn @ up + bone
    return pelvis @ jnp.cross(across, up)


def postures(params: BodyParams) -> jax.Array:
    """(P, 9) how people hold themselves: two numbers a knee, then a hip (`limb_turns`), and `upright`."""

    def one(params: BodyParams) -> jax.Array:
        joints = params.body_pose[np.concatenate([_LEFT_RIGHT_KNEES, _LEFT_RIGHT_HIPS])]
        return jnp.concatenate([limb_turns(joints).reshape(-1), upright(params)[None]])

    return jax.vmap(one)(params)


def limb_turns(axis_angles: jax.Array) -> jax.Array:
    """(n, 2) cosine and sine, seen from the person's side, of how far limbs (n, 3) turn about the body's x axis.

    Differences are chords, 2 sin(half the angle between): without the seam of angles.
    """
    return axis_angle_to_matrix(axis_angles)[:, 1:, 1]


def upright(params: BodyParams) -> jax.Array:
    """() how upright one person's trunk is in the picture: 1 upright, 0 level, -1 head down."""
    pelvis, low, middle = axis_angle_to_matrix(jnp.stack([params.global_orient, *params.body_pose[np.array([2, 5])]]))
    return -(pelvis @ (low @ middle[:, 1]))[1]


def _as_postures(told: Normals) -> Normals:
    """What is told of postures, as `postures` has it; what is told of both legs counts once."""
    mean, sharpness = told.mean, told.sharpness

    def legs(bend: jax.Array, sign: float) -> jax.Array:
        return jnp.tile(jnp.stack([jnp.cos(bend), sign * jnp.sin(bend)], axis=-1), 2)  # (P, 4)

    half = math.sqrt(0.5) * sharpness
    return Normals(
        jnp.concatenate([legs(mean[:, 0], 1.0), legs(mean[:, 1], -1.0), mean[:, 2:]], axis=-1),
        jnp.concatenate([*(jnp.tile(half[:, k : k + 1], 4) for k in (0, 1)), sharpness[:, 2:]], axis=-1),
    )


def _exchanged(told: Normals, sign: jax.Array) -> Normals:
    """With sign -1 what is told of the first two is the other's."""
    order = np.array([1, 0, *range(2, told.mean.shape[0])])
    return jax.tree.map(lambda x: jnp.where(sign < 0, x[order], x), told)


def taken_order(maps: ToldMap, params: BodyParams, told: ToldPeople) -> jax.Array:
    """() 1, or -1 where all that is told of two people together fits better the other way round and may be turned."""
    if params.transl.shape[0] < 2:
        return jnp.ones(())
    found = jnp.concatenate([log_statures(maps, params), facing(maps, params), postures(params)], axis=-1)
    every = jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), told.age, told.faces, _as_postures(told.posture))

    def cost(sign: jax.Array) -> jax.Array:
        relations = relations_off(params, (maps.pelvises, told.relations, sign))
        return jnp.sum(relations**2) + jnp.sum(_off(found, _exchanged(every, sign)) ** 2)

    costs = jax.vmap(cost)(jnp.array([1.0, -1.0]))
    return jnp.where(told.relations.free & (costs[1] < costs[0]), -1.0, 1.0)


def _off(found: jax.Array, told: Normals) -> jax.Array:
    """(P, k) in standard deviations."""
    return (found - told.mean) * told.sharpness


@dataclasses.dataclass(frozen=True)
class ToldOfPeople(Term):
    """Squares of what one question is about less what the answers tell, in standard deviations."""

    if_weighed = True

    def prepare_body(self, body: BodyModel, prior: Any) -> ToldMap:
        return told_map(body)

    def prepare_scene(self, reading: SceneReading) -> ToldPeople:
        return people_told(reading.votes, len(reading.initial.transl))

    def look_up(self, lookup: Lookup) -> jax.Array:
        """(S,) 1, or -1 where the first two people are taken the other way round; the same for every question."""
        return jax.vmap(lambda params, told: taken_order(lookup.mine, params, told))(lookup.params, lookup.data)

    def elements(self, context: Context) -> Sequence[OnPeople]:
        told = self.told(context.data)
        if context.num_people > 1:
            told = _exchanged(told, context.held)
        return [OnPeople((context.mine, told), residual=self._residual)]

    def _residual(self, params: BodyParams, data: tuple[ToldMap, Normals]) -> jax.Array:
        return _off(self.found(data[0], params), data[1]).reshape(-1)

    def told(self, told: ToldPeople) -> Normals:
        """What the question's answers tell, k quantities a person."""
        raise NotImplementedError

    def found(self, maps: ToldMap, params: BodyParams) -> jax.Array:
        """(P, k) the quantities now."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class ToldAge(ToldOfPeople):
    """Who is a child: log stature."""

    name: str = "told_age"

    def told(self, told: ToldPeople) -> Normals:
        return told.age

    def found(self, maps: ToldMap, params: BodyParams) -> jax.Array:
        return log_statures(maps, params)


@dataclasses.dataclass(frozen=True)
class ToldFaces(ToldOfPeople):
    """Whom two people face: cosine between where the chest looks and where the other is."""

    name: str = "told_faces"
    fewest_people: int = 2

    def told(self, told: ToldPeople) -> Normals:
        return told.faces

    def found(self, maps: ToldMap, params: BodyParams) -> jax.Array:
        return facing(maps, params)


@dataclasses.dataclass(frozen=True)
class ToldPosture(ToldOfPeople):
    """How people hold themselves: bends of knees and hips, and how upright the trunk is."""

    name: str = "told_posture"

    def told(self, told: ToldPeople) -> Normals:
        return _as_postures(told.posture)

    def found(self, maps: ToldMap, params: BodyParams) -> jax.Array:
        del maps
        return postures(params)
