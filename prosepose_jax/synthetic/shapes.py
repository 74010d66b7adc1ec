"""Shaped bodies as `Figure` needs them, and as vertex ids of spots."""

from __future__ import annotations

import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.synthetic.figure import Shape
from prosepose_jax.synthetic.refine import body_joint_of_vertices, rest_normals
from prosepose_jax.synthetic.spots import SPOTS, spot_vertices


class Wardrobe:
    """Everything about a body that the templates use, computed once per body."""

    def __init__(self, body: BodyModel):
        self.body = body
        self.spots = {name: spot_vertices(body, name) for name in SPOTS}
        template = np.asarray(body.v_template)
        normals = rest_normals(template, np.asarray(body.faces))
        owner = body_joint_of_vertices(body)
        self._normals = {name: _unit(normals[ids].mean(axis=0)) for name, ids in self.spots.items()}
        self._joints = {name: int(np.bincount(owner[ids]).argmax()) for name, ids in self.spots.items()}
        self._ids = np.unique(np.concatenate(list(self.spots.values())))
        self._crown = int(np.argmax(template[:, 1]))
        self._soles = np.concatenate([self.spots["left foot"], self.spots["right foot"]])

    def shape(self, betas: np.ndarray) -> Shape:
        """The skeleton and spots of one shape, betas (B,)."""
        body = self.body
        betas = np.asarray(betas, np.float64)
        count = len(betas)
        joints = np.asarray(body.joint_template) + np.asarray(body.joint_shape_dirs)[..., :count] @ betas
        vertices = np.asarray(body.v_template, np.float64).copy()
        vertices[self._ids] += np.asarray(body.shape_dirs)[self._ids, :, :count] @ betas
        crown = vertices[self._crown, 1]
        if self._crown not in self._ids:
            crown = crown + np.asarray(body.shape_dirs)[self._crown, 1, :count] @ betas
        spots = {
            name: (vertices[ids].mean(axis=0), self._normals[name], self._joints[name])
            for name, ids in self.spots.items()
        }
        sole = vertices[self._soles, 1].min()
        return Shape(
            joints=joints,
            parents=body.parents,
            spots=spots,
            sole_drop=float((joints[7, 1] + joints[8, 1]) / 2 - sole),
            height=float(crown - sole),
        )

    def stature_dirs(self, count: int) -> np.ndarray:
        """(count,) m of standing height per unit of each of the first betas."""
        return self._between(np.asarray(self.body.shape_dirs, np.float64)[:, 1, :count])

    def stature_kid_dir(self) -> np.ndarray:
        """() m of standing height per unit of child scale."""
        return self._between(np.asarray(self.body.kid_dir, np.float64)[:, 1])

    def _between(self, up: np.ndarray) -> np.ndarray:
        """(…,) of a height (V, …) of all vertices: from the soles to the crown."""
        return np.asarray(up[self._crown] - up[self._soles].mean(axis=0))


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.linalg.norm(v)), 1e-9)
