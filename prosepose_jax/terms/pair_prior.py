"""A diffusion model's opinion of two people: BUDDI's score distillation as a term (docs/buddi.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.kinematics import rest_joints
from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.contact.distance import safe_norm
from prosepose_jax.diffusion import (
    Buddi,
    Schedule,
    cosine_schedule,
    denoiser,
    distillation_target,
    from_params,
    relative,
)
from prosepose_jax.terms import kernels
from prosepose_jax.terms.base import Context, Elements, End, Lookup, OnBody, SceneReading, Term
from prosepose_jax.terms.points import joint_rows

# Norms have no curvature to offer at 0: below these (rad or units of betas; m) the pull is divided by them instead.
_FLOOR, _FLOOR_M = 1e-2, 1e-3
_FIXED = 0  # seed of draws that stay the same
_ESTIMATE = ("global_orient", "body_pose", "betas", "kid_scale", "transl")


@struct.dataclass
class Model:
    """What the term needs besides its settings."""

    weights: Any  # of the network
    schedule: Schedule


@struct.dataclass
class Target:
    """What the model makes of persons 0 and 1; of others nothing counts."""

    body_pose: jax.Array  # (P, 21, 3)
    betas: jax.Array  # (P, B)
    counts: jax.Array  # (P,) 1 for persons 0 and 1
    apart: jax.Array  # (3,) from the pelvis of person 0 to that of person 1, m


@dataclasses.dataclass(frozen=True)
class PairPrior(Term):
    """Σ weight · ‖now − denoised‖ over body poses, the way from person to person, and betas.

    Published: the target is drawn anew at every search, so that the value says nothing about which of two steps is
    better: the term moves a step of Levenberg–Marquardt and does not judge it. With `draws` the noise is drawn once:
    then the value is a function of the people alone, and `comparable` is True.

    Attributes:
      network: the denoiser; a conditional one is guided by the scene's estimate.
      weights: its parameters.
      mark: names network and parameters; two of one mark are the same.
      timestep: the noise level.
      pose: weight of a person's body pose, a rad.
      relative_transl: weight of the way from person 0 to person 1, a metre.
      betas: weight of a person's betas.
      dropout: leave the network's dropout active, as the release does.
      draws: 0: fresh noise at every search; else the target is the mean over so many draws that stay the same.
    """

    name: str = "buddi"
    fewest_people: int = 2
    refresh_field: str = "buddi.refresh_every"
    comparable: bool = False
    network: Buddi = dataclasses.field(default_factory=Buddi, metadata={"acts": "speed"})
    weights: Any = dataclasses.field(default=None, compare=False, repr=False, metadata={"acts": "speed"})
    mark: str = ""
    timestep: int = 20
    pose: float = 100.0
    relative_transl: float = 1000.0
    betas: float = 0.0
    dropout: bool = False
    draws: int = 0

    def prepare_body(self, body: BodyModel, prior: Any) -> Model:
        return Model(jax.tree.map(jnp.asarray, self.weights), cosine_schedule())

    def prepare_scene(self, reading: SceneReading) -> dict[str, np.ndarray] | None:
        """The estimate of persons 0 and 1, which guides a conditional network."""
        if not self.network.conditional:
            return None
        scene = reading.scene
        kid = np.zeros(scene.num_people) if scene.kid_scale is None else scene.kid_scale
        fields = {name: getattr(scene, name) for name in _ESTIMATE} | {"kid_scale": kid}
        return {name: np.asarray(value, np.float32)[:2] for name, value in fields.items()}

    def look_up(self, lookup: Lookup) -> Target:
        model: Model = lookup.mine

        def one(params: BodyParams, key: jax.Array, estimate: dict[str, jax.Array] | None) -> Target:
            pair = jax.tree.map(lambda x: x[:2], params)
            guidance = None if estimate is None else relative(from_params(_estimated(pair, estimate)))

            def draw(key: jax.Array) -> BodyParams:
                noise_key, dropout_key = jax.random.split(key)
                denoise = denoiser(self.network, model.weights, guidance, dropout_key if self.dropout else None)
                return distillation_target(denoise, model.schedule, noise_key, pair, self.timestep)

            if self.draws:
                # The same for all scenes and searches. All targets are near the pair: their vectors may be averaged.
                drawn = jax.vmap(draw)(jax.random.split(jax.random.key(_FIXED), self.draws))
                found = jax.tree.map(lambda x: jnp.mean(x, axis=0), drawn)
            else:
                found = draw(key)
            root = jax.vmap(lambda p: rest_joints(lookup.body, p.betas, p.expression, p.kid_scale)[0])(pair)
            return Target(
                body_pose=params.body_pose.at[:2].set(found.body_pose),
                betas=params.betas.at[:2].set(found.betas),
                counts=jnp.zeros(params.transl.shape[0]).at[:2].set(1.0),
                # A pelvis stands at its rest place plus the translation.
                apart=(found.transl[1] + root[1]) - (found.transl[0] + root[0]),
            )

        return jax.vmap(one)(lookup.params, lookup.keys, lookup.data)

    def elements(self, context: Context) -> Sequence[Elements | OnBody]:
        held: Target = context.held
        weights = (self.pose, self.betas)

        def differences(params: BodyParams, data: tuple[jax.Array, ...]) -> dict[str, tuple[float, jax.Array]]:
            pose, betas, counts = data
            return {
                "body_pose": (weights[0], counts * (params.body_pose - pose).reshape(-1)),
                "betas": (weights[1], counts * (params.betas - betas)),
            }

        def norms(params: BodyParams, data: tuple[jax.Array, ...]) -> jax.Array:
            return jnp.stack([weight * safe_norm(x) for weight, x in differences(params, data).values()])

        def quadratic(params: BodyParams, data: tuple[jax.Array, ...]) -> dict[str, tuple[jax.Array, jax.Array]]:
            # ‖x‖ lies below the parabola with curvature 1 / ‖x₀‖ that touches it at x₀.
            found = {}
            for name, (weight, x) in differences(params, data).items():
                stiffness = weight / jnp.maximum(safe_norm(x), _FLOOR)
                found[name] = (stiffness * x, jnp.full_like(x, stiffness))
            return found

        ends = []
        for person in (0, 1):
            here = jax.tree.map(lambda x, person=person: x[person], context.params)
            rows = joint_rows(context.body, here, np.array([0]))
            ends.append(End(jax.tree.map(lambda x: x[None], rows), whose=(person,)))
        return [
            OnBody((held.body_pose, held.betas, held.counts), norms, kernels.saturating_distance, quadratic=quadratic),
            Elements(
                tuple(ends),
                jnp.full((1, 1), self.relative_transl),
                held.apart[None, None],
                residual=lambda points, apart: points[1] - points[0] - apart,
                kernel=kernels.saturating_distance,
                floor=_FLOOR_M,
            ),
        ]


def _estimated(pair: BodyParams, estimate: dict[str, jax.Array]) -> BodyParams:
    """The pair with the numbers of the estimate; betas that it lacks are zero."""
    kept = min(pair.betas.shape[-1], estimate["betas"].shape[-1])
    betas = jnp.zeros_like(pair.betas).at[:, :kept].set(estimate["betas"][:, :kept])
    fields = {name: estimate[name].reshape(getattr(pair, name).shape) for name in _ESTIMATE if name != "betas"}
    return dataclasses.replace(pair, betas=betas, **fields)
