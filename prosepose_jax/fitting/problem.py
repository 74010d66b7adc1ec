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


def take_moving(params: BodyParams, stage: StageSettings) -> Moving:
    """The fields of BodyParams that a stage moves."""
    names = ["transl", "body_pose"]
    names += ["global_orient"] if stage.move_global_orient else []
    names += ["betas"] if stage.move_betas else []
    return {name: getattr(params, name) for name in names}


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
        """Gradient (P D,) and Gauss–Newton curvature (P D, P D), the columns in the order of `flatten_moving`."""
        params, names = self._params(moving), tuple(moving)
        return normal_equations(self.model, self.scene, params, self.start, self.held, self.weights, names, self.robust)


def add_step(moving: Moving, step: jax.Array) -> Moving:
    """Moves by a flat step (P D,) in the order of `flatten_moving`."""
    flat = flatten_moving(moving)
    return unflatten_moving(flat + step.reshape(flat.shape), moving)
