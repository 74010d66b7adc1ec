"""What a term of the objective is (docs/extending.md).

A term = what it looks up without gradient + a residual of one element + a robust kernel. Energy, gradient,
Gauss–Newton curvature, weights by name, loss records and tests follow from the list of terms (`fitting.objective`).

Glossary: P people, G groups of elements whose people are known, R elements of a group, m points of an element,
k numbers of a residual, D numbers that move of a person, S scenes of a batch, V vertices.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.contact.aggregation import AggregationSettings
from prosepose_jax.contact.ground import Grounded
from prosepose_jax.contact.program import ProgramArrays, ProgramShape
from prosepose_jax.language import Votes
from prosepose_jax.scene import Scene
from prosepose_jax.terms import kernels
from prosepose_jax.terms.points import Rows, gather_rows
from prosepose_jax.terms.surface import Surface

Kernel = Callable[[jax.Array, jax.Array], jax.Array]
"""(s, scale) -> ρ(s), see `terms.kernels`."""


@struct.dataclass
class End:
    """One end of the elements: chosen points and the people they are on.

    Attributes:
      rows: leaves (G, R, …), group g on person `whose[g]`; with `share` (P, R, …), the same points on every person.
      whose: the people.
      share: (R, P) one-hot, where only the device knows whose a point is; then G = 1. None: as `whose` says.
    """

    rows: Rows
    whose: tuple[int, ...] = struct.field(pytree_node=False)
    share: jax.Array | None = None


@struct.dataclass
class Elements:
    """Residuals of posed points: Σ weight · kernel(|residual|²).

    Attributes:
      residual: (points (m, 3) in the camera frame in metres, data of one element) -> (k,), of ONE element.
      ends: the m points' rows and people.
      data: pytree with leaves (G, R, …); None where the residual reads nothing else.
      weight: (G, R), 0 on padding.
      kernel: how |residual|² counts.
      floor: |residual| below which the pull ρ' |r| is divided by the floor instead; for kernels that count like a
        distance, which has no curvature to offer at 0. 0: nowhere.
    """

    ends: tuple[End, ...]
    weight: jax.Array
    data: Any = None
    residual: Callable[[jax.Array, Any], jax.Array] = struct.field(pytree_node=False, default=None)
    kernel: Kernel = struct.field(pytree_node=False, default=kernels.plain)
    floor: float = struct.field(pytree_node=False, default=0.0)


@struct.dataclass
class OnBody:
    """Residuals of one person's parameters: Σ over people of kernel(r²) for each number, and a constant.

    Attributes:
      residual: (BodyParams of one person, data of one person) -> (k,).
      data: pytree with leaves (P, …).
      kernel: how each squared number counts.
      constant: (params, data) -> () what is added without slope; None: nothing.
      quadratic: (params, data) -> {field: (gradient (n,), curvature (n,) diagonal or (n, n))} of Σ r², for plain
        kernels and residuals linear in the fields: an escape hatch where a profile says so. None: derived.
    """

    data: Any = None
    residual: Callable[[BodyParams, Any], jax.Array] = struct.field(pytree_node=False, default=None)
    kernel: Kernel = struct.field(pytree_node=False, default=kernels.plain)
    constant: Callable[[BodyParams, Any], jax.Array] | None = struct.field(pytree_node=False, default=None)
    quadratic: Callable[[BodyParams, Any], dict[str, tuple[jax.Array, jax.Array]]] | None = struct.field(
        pytree_node=False, default=None
    )


@struct.dataclass
class OnPeople:
    """Residuals of several people's parameters together: Σ kernel(r²) over the numbers.

    Attributes:
      residual: (BodyParams of P people, data) -> (k,), few numbers.
      data: pytree.
      kernel: how each squared number counts.
    """

    data: Any = None
    residual: Callable[[BodyParams, Any], jax.Array] = struct.field(pytree_node=False, default=None)
    kernel: Kernel = struct.field(pytree_node=False, default=kernels.plain)


@struct.dataclass
class OnPoints:
    """Residuals of chosen points of all people together: Σ kernel(r²) over the numbers.

    Attributes:
      residual: (points (P, R, 3) in the camera frame in metres, data) -> (k,), few numbers.
      rows: leaves (P, R, …).
      data: pytree.
      kernel: how each squared number counts.
    """

    rows: Rows
    data: Any = None
    residual: Callable[[jax.Array, Any], jax.Array] = struct.field(pytree_node=False, default=None)
    kernel: Kernel = struct.field(pytree_node=False, default=kernels.plain)


@struct.dataclass
class Camera:
    """A pinhole camera."""

    focal_px: jax.Array  # (2,)
    principal_px: jax.Array  # (2,)


@dataclasses.dataclass(frozen=True)
class SceneReading:
    """What terms prepare a scene from, on the host.

    Attributes:
      scene: the scene.
      initial: its P people as estimated (numpy leaves).
      errors: stated standard deviations by name (`terms.defaults.ERRORS`).
      votes: what the answers tell beyond touch; None: nothing, or they are not used.
      keypoints: (P, 25, 3) that the fit sees: swapped sides and lost ankles handled.
      box_px: (P,) larger side of each person's box; 0: none.
      beyond: (P, 25, 2) where a keypoint is at the image's edge or beyond it: 1 right or down, -1 left or up, else 0.
      program: what its answers say; empty for a fallback.
      program_shape: sizes to which the program is padded.
      entries: part pairs to which the list of searched distances is padded.
      fine_pairs: the same for sampled fine regions.
      grounded: which parts the answers say are on the ground.
    """

    scene: Scene
    initial: BodyParams
    errors: Mapping[str, float]
    votes: Votes | None
    keypoints: np.ndarray
    box_px: np.ndarray
    beyond: np.ndarray
    program: ProgramArrays
    program_shape: ProgramShape
    entries: int
    fine_pairs: int
    grounded: Grounded = ()


@struct.dataclass
class Lookup:
    """What a term may read when it looks up its correspondences for a batch of S scenes, gradients stopped.

    Attributes:
      body: the body model.
      surface: what searches over its surface read.
      mine: what the term prepared of the body.
      data: what it prepared of the scenes, leaves (S, …).
      params: (S, P, …).
      rest: (S, P, V, 3) rest vertices.
      vertices: (S, P, V, 3) posed vertices, camera frame, m.
      keys: (S,) random keys of this search.
      busy: (S,) bool, False on scenes whose result nobody reads.
      search: "cells" | "exact" | "sample".
      sample_size: vertices of a fine region that "sample" draws.
      inside_slots: inside vertices kept a direction.
      aggregation: how answers become one loss.
    """

    body: BodyModel
    surface: Surface
    mine: Any
    data: Any
    params: BodyParams
    rest: jax.Array
    vertices: jax.Array
    keys: jax.Array
    busy: jax.Array
    search: str = struct.field(pytree_node=False)
    sample_size: int = struct.field(pytree_node=False)
    inside_slots: int = struct.field(pytree_node=False)
    aggregation: AggregationSettings = struct.field(pytree_node=False)


@struct.dataclass
class Context:
    """What a term may read when it states its elements of one scene.

    Attributes:
      body: the body model.
      mine: what the term prepared of the body.
      data: what it prepared of the scene.
      held: what its lookup found.
      camera: of the scene.
      start: P people's parameters where the stage began.
      params: P people's parameters now; their expression and child scale do not move.
    """

    body: BodyModel
    mine: Any
    data: Any
    held: Any
    camera: Camera
    start: BodyParams
    params: BodyParams

    @property
    def num_people(self) -> int:
        return int(self.params.transl.shape[0])


@dataclasses.dataclass(frozen=True)
class Term:
    """One term of the objective; subclasses override what they need. Instances are hashable settings.

    Attributes:
      name: in configs, records and tables.
      weight: of a config that does not name the term.
      fewest_people: scenes of fewer people have no such term.
      scale_field: config field ("section.name") of the kernel's scale; "": the kernel has none.
      refresh_field: config field of the steps between two searches, for solvers that take several; "": no say in it.
      from_answers: the term is what the answers say (its weight is what `contact.starts` vary).
      comparable: False on a stochastic term, which moves a step and does not judge it.
      if_weighed: True of a class whose terms are left out of the objective of a config that gives them no weight:
        which pays nothing for them, not even compilation.
      reads_ground: True of a class that reads rows about the ground (`SceneReading.grounded`, else empty).
    """

    if_weighed: ClassVar[bool] = False
    reads_ground: ClassVar[bool] = False

    name: str = ""
    weight: float = 0.0
    fewest_people: int = 1
    scale_field: str = ""
    refresh_field: str = ""
    from_answers: bool = False
    comparable: bool = True

    def prepare_body(self, body: BodyModel, prior: Any) -> Any:
        """What it needs of the body and of the pose prior, once, on the host; a pytree."""
        return None

    def prepare_scene(self, reading: SceneReading) -> Any:
        """What it needs of a scene, once, on the host; a pytree of numpy arrays of shapes that scenes share."""
        return None

    def look_up(self, lookup: Lookup) -> Any:
        """Its correspondences for a batch of scenes; a pytree with leaves (S, …)."""
        return None

    def elements(self, context: Context) -> Sequence[Elements | OnBody | OnPeople | OnPoints]:
        """Its residuals of one scene."""
        raise NotImplementedError


def at_vertices(body: BodyModel, params: BodyParams, vertex_ids: Sequence[int] | jax.Array) -> tuple[End, ...]:
    """The ends of one-point elements at the same vertices of every person: a help for terms of one's own.

    Args:
      body: the body model.
      params: P people.
      vertex_ids: (R,).
    """
    ids = jnp.asarray(vertex_ids)
    rows = jax.vmap(lambda p: gather_rows(body, p, ids))(params)
    return (End(rows=rows, whose=tuple(range(params.transl.shape[0]))),)
