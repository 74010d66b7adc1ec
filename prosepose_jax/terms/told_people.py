"""What answers tell of each person, and whose it is where they do not say who their Person 1 is.

The quantities that the questions are about are read off the parameters alone: no mesh is posed for them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.kinematics import joint_frames
from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.body.rotation import axis_angle_to_matrix
from prosepose_jax.language import QUESTIONS, Votes, count_votes
from prosepose_jax.language.vocabulary import MOST_VALUES
from prosepose_jax.terms.base import Context, Lookup, OnPeople, SceneReading, Term
from prosepose_jax.terms.estimate_place import PelvisMap, pelvis_map
from prosepose_jax.terms.told import ToldRelations, relations_off, relations_told
from prosepose_jax.terms.told_scales import AGE, FACES, HIPS, KNEES, UPRIGHT, Scale

# Joints from the pelvis to neck and shoulders, and the parent of each among them.
_CHEST = np.array([0, 3, 6, 9, 12, 13, 14, 16, 17])
_CHEST_PARENTS = (-1, 0, 1, 2, 3, 3, 3, 5, 6)
_NECK, _LEFT_SHOULDER, _RIGHT_SHOULDER = 4, 7, 8  # places in _CHEST
_LEFT_RIGHT_HIPS, _LEFT_RIGHT_KNEES = np.array([0, 1]), np.array([3, 4])  # places in body_pose
# Shorter than this nobody is: keeps the logarithm finite while a step is tried.
_SHORTEST_M = 0.1
_TINY = 1e-6  # m³, of chest and way to the other together


@struct.dataclass
class ToldMap:
    """What is read of a body."""

    pelvises: PelvisMap
    chest: jax.Array  # (9, 3) rest joints _CHEST of the template, m
    chest_dirs: jax.Array  # (9, 3, B)
    chest_kid: jax.Array  # (9, 3)


def told_map(body: BodyModel) -> ToldMap:
    """The map of a body whose first ten betas are used."""
    count = min(10, body.num_betas)
    return ToldMap(
        pelvis_map(body),
        body.joint_template[_CHEST],
        body.joint_shape_dirs[_CHEST][..., :count],
        body.joint_kid_dir[_CHEST],
    )


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
    """(P,) log of metres."""
    statures = jax.vmap(maps.pelvises.sizes.stature_of)(params)
    return jnp.log(jnp.maximum(statures, _SHORTEST_M))


def facing(maps: ToldMap, params: BodyParams) -> jax.Array:
    """(2,) cosine between where a chest looks and where the other's hips are, of the first two (`synthetic.facts`)."""
    two = jax.tree.map(lambda x: x[:2], params)

    def looks(params: BodyParams) -> jax.Array:
        rest = maps.chest + maps.chest_dirs @ params.betas + maps.chest_kid * params.kid_scale
        pose = jnp.concatenate([params.global_orient[None], params.body_pose])[_CHEST]
        joints = joint_frames(_CHEST_PARENTS, axis_angle_to_matrix(pose), rest)[1]
        return jnp.cross(joints[_LEFT_SHOULDER] - joints[_RIGHT_SHOULDER], joints[_NECK] - joints[0])

    forward = jax.vmap(looks)(two)  # (2, 3)
    pelvises = jax.vmap(maps.pelvises.pelvis)(two)
    way = pelvises[::-1] - pelvises
    # At least _TINY: with a chest of no area or hips in one place nobody faces anything.
    lengths = jnp.sum(forward**2, axis=-1) * jnp.sum(way**2, axis=-1)
    return jnp.sum(forward * way, axis=-1) / jnp.sqrt(lengths + _TINY**2)


def _age_off(maps: ToldMap, params: BodyParams, told: Normals) -> jax.Array:
    """(P,) in standard deviations."""
    return (log_statures(maps, params) - told.mean[:, 0]) * told.sharpness[:, 0]


def _faces_off(maps: ToldMap, params: BodyParams, told: Normals) -> jax.Array:
    """(2,) in standard deviations."""
    return (facing(maps, params) - told.mean[:2, 0]) * told.sharpness[:2, 0]


def _posture_off(maps: ToldMap, params: BodyParams, told: Normals) -> jax.Array:
    """(P * 9,) in standard deviations; what is told of both legs counts once."""
    del maps

    def one(params: BodyParams, mean: jax.Array, sharpness: jax.Array) -> jax.Array:
        legs = jnp.sqrt(0.5) * sharpness
        knees = bend_off(params.body_pose[_LEFT_RIGHT_KNEES], mean[0], 1.0) * legs[0]
        hips = bend_off(params.body_pose[_LEFT_RIGHT_HIPS], mean[1], -1.0) * legs[1]
        trunk = (upright(params) - mean[2]) * sharpness[2]
        return jnp.concatenate([knees.reshape(-1), hips.reshape(-1), trunk[None]])

    return jax.vmap(one)(params, told.mean, told.sharpness).reshape(-1)


def bend_off(axis_angles: jax.Array, bend: jax.Array, sign: float) -> jax.Array:
    """(n, 2) chord, seen from the side, between where limbs (n, 3) point and where they would if bent so far.

    Its length is 2 sin(half the angle between), without the seam of angles and without a place where it does not move.

    Args:
      axis_angles: rotations of the joints.
      bend: () rad.
      sign: of the bend about the body's x axis: 1 knees, -1 hips.
    """
    turned = axis_angle_to_matrix(axis_angles)[:, 1:, 1]  # (n, 2) y and z of the limb's axis
    return turned - jnp.stack([jnp.cos(bend), sign * jnp.sin(bend)])[None]


def upright(params: BodyParams) -> jax.Array:
    """() how upright one person's trunk is in the picture: 1 upright, 0 level, -1 head down."""
    pelvis, lower, middle = axis_angle_to_matrix(jnp.stack([params.global_orient, *params.body_pose[np.array([2, 5])]]))
    return -(pelvis @ lower @ middle)[1, 1]


_OFF: dict[str, Callable[[ToldMap, BodyParams, Normals], jax.Array]] = {
    "age": _age_off,
    "faces": _faces_off,
    "posture": _posture_off,
}


def _exchanged(told: Normals, sign: jax.Array) -> Normals:
    """With sign -1 what is told of the first two is the other's."""
    order = np.array([1, 0, *range(2, told.mean.shape[0])])
    return jax.tree.map(lambda x: jnp.where(sign < 0, x[order], x), told)


def taken_order(maps: ToldMap, params: BodyParams, told: ToldPeople) -> jax.Array:
    """() 1, or -1 where all that is told of two people together fits better the other way round and may be turned."""
    if params.transl.shape[0] < 2:
        return jnp.ones(())

    def cost(sign: float) -> jax.Array:
        turned = jnp.float32(sign)
        found = jnp.sum(relations_off(params, (maps.pelvises, told.relations, turned)) ** 2)
        for question, off in _OFF.items():
            found = found + jnp.sum(off(maps, params, _exchanged(getattr(told, question), turned)) ** 2)
        return found

    return jnp.where(told.relations.free & (cost(-1.0) < cost(1.0)), -1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class ToldOfPeople(Term):
    """Squares of what one question is about less what the answers tell, in standard deviations.

    Attributes:
      question: field of `ToldPeople`.
    """

    question: str = ""

    def prepare_body(self, body: BodyModel, prior: Any) -> ToldMap:
        return told_map(body)

    def prepare_scene(self, reading: SceneReading) -> ToldPeople:
        return people_told(reading.votes, len(reading.initial.transl))

    def look_up(self, lookup: Lookup) -> jax.Array:
        """(S,) 1, or -1 where the first two people are taken the other way round; the same for every question."""
        return jax.vmap(lambda params, told: taken_order(lookup.mine, params, told))(lookup.params, lookup.data)

    def elements(self, context: Context) -> Sequence[OnPeople]:
        told: Normals = getattr(context.data, self.question)
        if context.num_people > 1:
            told = _exchanged(told, context.held)
        return [OnPeople((context.mine, told), residual=self._off)]

    def _off(self, params: BodyParams, data: tuple[ToldMap, Normals]) -> jax.Array:
        return _OFF[self.question](data[0], params, data[1])


@dataclasses.dataclass(frozen=True)
class ToldAge(ToldOfPeople):
    """Who is a child: log stature."""

    name: str = "told_age"
    question: str = "age"


@dataclasses.dataclass(frozen=True)
class ToldFaces(ToldOfPeople):
    """Whom two people face: cosine between where the chest looks and where the other is."""

    name: str = "told_faces"
    fewest_people: int = 2
    question: str = "faces"


@dataclasses.dataclass(frozen=True)
class ToldPosture(ToldOfPeople):
    """How people hold themselves: bends of knees and hips, and how upright the trunk is."""

    name: str = "told_posture"
    question: str = "posture"
