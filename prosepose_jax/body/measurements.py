"""How large a body is, in metres: stature, lengths and girths as linear maps of a shape vector.

Betas have no unit of their own: one is 5 % of the stature on one body and 10 % on another, and a file may have them in
any order or mixture. What is stated in these measurements holds for every body: scaled or rotated betas have the same
ones. The maps are first-order at the mean shape, where stature and heights are exact; lengths and girths lose little
(docs/body.md, "Measurements").
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel

# Pairs of joints a length apart, with left and right averaged; numbers are those of SMPL-X (and SMPL, SMPL-H) joints.
_LENGTHS: dict[str, tuple[tuple[int, int], ...]] = {
    "trunk": ((0, 12),),  # pelvis to neck
    "neck": ((12, 15),),
    "shoulder width": ((16, 17),),
    "hip width": ((1, 2),),
    "upper arm": ((16, 18), (17, 19)),
    "forearm": ((18, 20), (19, 21)),
    "thigh": ((1, 4), (2, 5)),
    "shin": ((4, 7), (5, 8)),
}
# Girths of the trunk: joints whose mean height says where, and the trunk's joints, whose vertices the cut goes through.
_GIRTHS: dict[str, tuple[int, ...]] = {"chest girth": (9,), "waist girth": (3, 6), "hip girth": (1, 2)}
_TRUNK = (0, 1, 2, 3, 6, 9, 13, 14)

STATURE = "stature"
NAMES: tuple[str, ...] = (STATURE, *_LENGTHS, *_GIRTHS)
"""Of the measurements, in their order."""


@struct.dataclass
class ShapeMeasures:
    """Measurements of a body's shapes: `mean + directions @ betas + kid * kid_scale`, in metres.

    M = len(NAMES), B betas.
    """

    mean: jax.Array  # (M,) m, of the mean shape
    directions: jax.Array  # (M, B) m per unit of beta
    kid: jax.Array  # (M,) m per unit of kid_scale
    surface: jax.Array  # (B, B) of which |surface @ betas| is the rms displacement of the surface, m

    def of(self, betas: jax.Array, kid_scale: jax.Array | float = 0.0) -> jax.Array:
        """Measurements (M,) in m of one shape (B,) and child scale ()."""
        return self.mean + self.directions @ betas + self.kid * kid_scale

    def taller(self) -> jax.Array:
        """(B,) the change of betas by which the stature grows 1 m while the surface moves least.

        Multiply by a change of stature in m. It is the same change of shape whatever units betas have.
        """
        metric = self.surface.T @ self.surface
        step = jnp.linalg.pinv(metric, hermitian=True) @ self.directions[0]
        return step / (self.directions[0] @ step)

    def besides_stature(self, betas: jax.Array) -> jax.Array:
        """One shape (B,) without what makes it taller or shorter: its stature is the mean one."""
        return betas - self.taller() * (self.directions[0] @ betas)


class _Cut(NamedTuple):
    """Points on edges of the mesh, in order around a section of the trunk."""

    edges: np.ndarray  # (n, 2) vertex ids
    share: np.ndarray  # (n,) of the way from the first to the second


def shape_measures(body: BodyModel, num_betas: int | None = None) -> ShapeMeasures:
    """The measurements of a body, computed once on the host.

    Args:
      body: any SMPL-X, SMPL-H or SMPL format body, upright along y in its rest pose.
      num_betas: how many of its betas are meant, all when None.
    """
    count = body.num_betas if num_betas is None else num_betas
    vertices, joints = (np.asarray(x, np.float64) for x in (body.v_template, body.joint_template))
    # Child scale as one more direction.
    dirs = _with_kid(body.shape_dirs, body.kid_dir, count)
    joint_dirs = _with_kid(body.joint_shape_dirs, body.joint_kid_dir, count)
    rows = [_stature(vertices, dirs)]
    rows += [_length(joints, joint_dirs, pairs) for pairs in _LENGTHS.values()]
    rows += [_girth(vertices, dirs, _cut(body, vertices, float(joints[list(at), 1].mean()))) for at in _GIRTHS.values()]
    mean = np.array([value for value, _ in rows])
    jacobian = np.stack([row for _, row in rows])
    return ShapeMeasures(
        mean=_f32(mean),
        directions=_f32(jacobian[:, :count]),
        kid=_f32(jacobian[:, count]),
        surface=_f32(_surface(vertices, np.asarray(body.faces), dirs[..., :count])),
    )


def _with_kid(dirs: jax.Array, kid: jax.Array, count: int) -> np.ndarray:
    return np.concatenate([np.asarray(dirs, np.float64)[..., :count], np.asarray(kid, np.float64)[..., None]], axis=-1)


def _stature(vertices: np.ndarray, dirs: np.ndarray) -> tuple[float, np.ndarray]:
    """From the lower of the two soles' lowest points, averaged over the sides, to the crown."""
    crown = int(np.argmax(vertices[:, 1]))
    left = vertices[:, 0] > 0
    soles = [int(np.flatnonzero(side)[np.argmin(vertices[side, 1])]) for side in (left, ~left)]
    value = vertices[crown, 1] - vertices[soles, 1].mean()
    return float(value), dirs[crown, 1] - dirs[soles, 1].mean(axis=0)


def _length(joints: np.ndarray, dirs: np.ndarray, pairs: tuple[tuple[int, int], ...]) -> tuple[float, np.ndarray]:
    """Mean distance of pairs of joints, and its derivative."""
    found = []
    for a, b in pairs:
        way = joints[b] - joints[a]
        length = float(np.linalg.norm(way))
        found.append((length, (way / length) @ (dirs[b] - dirs[a])))
    return float(np.mean([value for value, _ in found])), np.mean([row for _, row in found], axis=0)


def _cut(body: BodyModel, vertices: np.ndarray, height: float) -> _Cut:
    """Where the level plane at a height cuts the trunk's convex outline, as a tape measure would lie."""
    faces = np.asarray(body.faces)
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    trunk = np.isin(np.argmax(np.asarray(body.skin_weights), axis=1), _TRUNK)
    above = vertices[edges, 1] - height
    edges = edges[(above[:, 0] * above[:, 1] < 0) & trunk[edges].all(axis=1)]
    ends = vertices[edges]
    share = (height - ends[:, 0, 1]) / (ends[:, 1, 1] - ends[:, 0, 1])
    points = (ends[:, 0] + share[:, None] * (ends[:, 1] - ends[:, 0]))[:, [0, 2]]
    around = _hull(points)
    return _Cut(edges[around], share[around])


def _hull(points: np.ndarray) -> list[int]:
    """Indices of the convex hull of (n, 2) points in order, by Andrew's monotone chain."""
    order = sorted(range(len(points)), key=lambda i: (points[i, 0], points[i, 1]))

    def half(indices: list[int]) -> list[int]:
        chain: list[int] = []
        for i in indices:
            while len(chain) > 1:
                (ax, ay), (bx, by) = points[chain[-1]] - points[chain[-2]], points[i] - points[chain[-2]]
                if ax * by - ay * bx > 0:
                    break
                chain.pop()
            chain.append(i)
        return chain[:-1]

    return half(order) + half(order[::-1])


def _girth(vertices: np.ndarray, dirs: np.ndarray, cut: _Cut) -> tuple[float, np.ndarray]:
    """Length of the closed line through a cut's points, and its derivative."""
    share = cut.share[:, None]
    points = (1 - share) * vertices[cut.edges[:, 0]] + share * vertices[cut.edges[:, 1]]
    moves = (1 - share[..., None]) * dirs[cut.edges[:, 0]] + share[..., None] * dirs[cut.edges[:, 1]]
    way = np.roll(points, -1, axis=0) - points
    lengths = np.linalg.norm(way, axis=1)
    grows = np.einsum("nc,ncb->nb", way / lengths[:, None], np.roll(moves, -1, axis=0) - moves)
    return float(lengths.sum()), grows.sum(axis=0)


def _surface(vertices: np.ndarray, faces: np.ndarray, dirs: np.ndarray) -> np.ndarray:
    """(B, B) root of the mean square displacement, vertices weighted by the area around them."""
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    weight = np.bincount(faces.ravel(), np.repeat(area, 3), len(vertices))
    flat = (dirs * np.sqrt(weight / weight.sum())[:, None, None]).reshape(-1, dirs.shape[-1])
    return np.asarray(np.linalg.qr(flat, mode="r"))


def _f32(values: np.ndarray) -> jax.Array:
    return jnp.asarray(values, jnp.float32)
