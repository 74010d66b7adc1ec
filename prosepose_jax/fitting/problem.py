"""One scene between two searches, as the solvers see it: energy, gradient model, and what may move."""

from __future__ import annotations

import dataclasses

import jax
from flax import struct

from prosepose_jax.body.model import BodyParams
from prosepose_jax.fitting.arrays import FitModel, SceneArrays
from prosepose_jax.fitting.energy import energy
from prosepose_jax.fitting.held import Held
from prosepose_jax.fitting.normal import flatten_moving, normal_equations, unflatten_moving
from prosepose_jax.fitting.settings import RobustSettings, StageSettings
from prosepose_jax.losses import Weights

Moving = dict[str, jax.Array]


def moving_names(stage: StageSettings) -> tuple[str, ...]:
    """The fields of BodyParams that a stage moves, in the order of the normal equations' columns."""
    names = ("transl", "global_orient") if stage.move_global_orient else ("transl",)
    return (*names, "body_pose", "betas") if stage.move_betas else (*names, "body_pose")


def take_moving(params: BodyParams, stage: StageSettings) -> Moving:
    """The moving fields of one scene's people."""
    return {name: getattr(params, name) for name in moving_names(stage)}


@struct.dataclass
class Problem:
    """What a solver minimises until the next search."""

    model: FitModel
    scene: SceneArrays
    start: BodyParams
    held: Held
    weights: Weights
    robust: RobustSettings = struct.field(pytree_node=False)

    def _params(self, moving: Moving) -> BodyParams:
        return dataclasses.replace(self.start, **moving)

    def energy(self, moving: Moving) -> tuple[jax.Array, jax.Array]:
        """() total and (7,) weighted terms."""
        return energy(self.model, self.scene, self._params(moving), self.start, self.held, self.weights, self.robust)

    def normal(self, moving: Moving) -> tuple[jax.Array, jax.Array]:
        """Gradient (P D,) and Gauss–Newton curvature (P D, P D)."""
        names = tuple(moving)
        return normal_equations(
            self.model, self.scene, self._params(moving), self.start, self.held, self.weights, names, self.robust
        )


def add_step(moving: Moving, step: jax.Array) -> Moving:
    """Moves by a flat step (P D,) in the order of the normal equations."""
    names = tuple(moving)
    flat = flatten_moving(moving, names)
    return unflatten_moving(flat + step.reshape(flat.shape), moving, names)
