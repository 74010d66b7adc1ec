"""Who stands in the scenes: statures beyond those that the templates draw, and children.

Statures are stated as shares of a stature, not in a body's own coefficients, whose unit is 5 % of the stature on one
body and 10 % on another: a body whose betas are scaled or rotated gets the same people.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class People:
    """What is changed about the people that a template draws; by default nothing."""

    stature_share: float = 0.0  # sd by which each person's stature is multiplied, on its own
    child: bool = False  # the last person is a child, by the body's child template (kid_scale)
    child_stature: tuple[float, float] = (0.65, 0.85)  # of the body's mean stature, uniform between these

    @property
    def label(self) -> str:
        """Distinguishes sets of scenes in file names; empty for the templates' own people."""
        return "" if self == People() else "_".join(
            [f"stature{self.stature_share:g}"] * bool(self.stature_share)
            + ["child{:g}-{:g}".format(*self.child_stature)] * self.child
        )  # fmt: skip


TEMPLATES_OWN = People()


def with_stature(betas: np.ndarray, dirs: np.ndarray, change: float) -> np.ndarray:
    """Betas (B,) of the same shape so many metres taller, by the smallest step in betas.

    Args:
      betas: (B,).
      dirs: (B,) m of stature per unit.
      change: m.
    """
    return betas + dirs * (change / max(float(dirs @ dirs), 1e-12))


def change_people(
    betas: np.ndarray, dirs: np.ndarray, statures: np.ndarray, mean: float, people: People, rng: np.random.Generator
) -> np.ndarray:
    """The templates' shapes as `People` has them.

    Args:
      betas: (P, B), as drawn.
      dirs: (B,) m of stature per unit of beta, and with a child one more of the child axis (`with_child_axis`).
      statures: (P,) m of the shapes as drawn.
      mean: m, stature of the mean shape.
      people: what is changed.
      rng: of its own: nothing else depends on how much it gives.

    Returns:
      (P, B), with a child (P, B + 1), the last being kid_scale.
    """
    count = betas.shape[1]
    factors = np.exp(people.stature_share * rng.normal(size=len(betas)).clip(-2, 2))
    changed = np.stack(
        [with_stature(b, dirs[:count], h * (f - 1)) for b, h, f in zip(betas, statures, factors, strict=True)]
    )
    if not people.child:
        return changed
    wanted = mean * rng.uniform(*people.child_stature)
    scales = np.zeros((len(betas), 1))
    scales[-1] = np.clip((wanted - statures[-1] * factors[-1]) / dirs[count], 0.0, 1.0)
    return np.concatenate([changed, scales], axis=1)


def with_child_axis(body: BodyModel, count: int) -> BodyModel:
    """The body with its first `count` betas and kid_scale as one more.

    Raises:
      InputError: the body has no child template.
    """
    if not np.abs(np.asarray(body.kid_dir)).max() > 1e-6:
        raise InputError(
            f"body {body.name}: has no child template beside its file, expected one for scenes with a child"
        )
    joined = {
        "shape_dirs": (body.shape_dirs, body.kid_dir),
        "joint_shape_dirs": (body.joint_shape_dirs, body.joint_kid_dir),
    }
    arrays: dict[str, Any] = {
        name: jnp.concatenate([jnp.asarray(dirs)[..., :count], jnp.asarray(axis)[..., None]], axis=-1)
        for name, (dirs, axis) in joined.items()
    }
    return dataclasses.replace(body, **arrays)
