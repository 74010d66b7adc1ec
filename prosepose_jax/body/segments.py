"""A body's segments as closed surfaces, and which vertices can sink into which of them.

A segment is what moves as one piece: a thigh, a shin with its foot, a forearm with its hand. Its faces are cut out
of the mesh and the cuts are closed on their own rims, so that "inside a segment" has an exact meaning in every pose.
Skin near a joint always folds into the segment next to it; a vertex therefore counts as foreign to a segment only
when it lies far from it along the rest surface. The two sides of a knee or an elbow are never foreign to each other:
a bent one presses flesh into flesh, which skinning shows as one inside the other (docs/method.md, "Self-penetration").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flax import struct
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

from prosepose_jax.body.lowres import close_surface

FAR_M = 0.20
"""So far from a segment along the rest surface a vertex is foreign to it."""

# The joints (those of SMPL, SMPL-H and SMPL-X alike) whose skin each segment is; joints beyond them follow their
# parents: fingers the forearm, jaw and eyes the head.
SEGMENT_JOINTS: dict[str, tuple[int, ...]] = {
    "trunk": (0, 3, 6, 9, 13, 14),
    "head": (12, 15),
    "left upper arm": (16,),
    "left forearm": (18, 20),
    "right upper arm": (17,),
    "right forearm": (19, 21),
    "left thigh": (1,),
    "left shin": (4, 7, 10),
    "right thigh": (2,),
    "right shin": (5, 8, 11),
}
_HINGES = tuple(
    (f"{side} {upper}", f"{side} {lower}")
    for side in ("left", "right")
    for upper, lower in (("upper arm", "forearm"), ("thigh", "shin"))
)


@struct.dataclass
class Segments:
    """K segments of a body of V vertices (numpy; those without a closed surface are left out).

    Attributes:
      names: of SEGMENT_JOINTS.
      faces: of each segment (f, 3), closed and outward, ids of the body's vertices.
      of_vertex: (V,) segment whose skin a vertex is, -1 where that was left out.
      foreign: (V, K) whether a vertex lies so far from a segment that it must not be inside.
    """

    names: tuple[str, ...] = struct.field(pytree_node=False)
    faces: tuple[np.ndarray, ...]
    of_vertex: np.ndarray
    foreign: np.ndarray


def make_segments(
    vertices: np.ndarray,
    faces: np.ndarray,
    skin_weights: np.ndarray,
    parents: Sequence[int],
    closed_faces: np.ndarray | None = None,
    far_m: float = FAR_M,
) -> Segments:
    """Cuts a body into its segments.

    Args:
      vertices: (V, 3) rest positions, m.
      faces: (F, 3) of the whole mesh, along which distances are measured.
      skin_weights: (V, J).
      parents: of the joints.
      closed_faces: (m, 3) of the surface to cut, with ids of the body's vertices; None: `faces`.
      far_m: from so far along the surface a vertex is foreign to a segment.
    """
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    shares = _segment_shares(np.asarray(skin_weights, np.float64), parents)  # (V, K)
    surface = faces if closed_faces is None else np.asarray(closed_faces, np.int64)
    owner = shares[surface].sum(axis=1).argmax(axis=1)
    closed = [close_surface(vertices, surface[owner == k]) for k in range(shares.shape[1])]
    kept = [k for k, found in enumerate(closed) if len(found)]
    segment = shares.argmax(axis=1)
    place = np.full(shares.shape[1], -1)
    place[kept] = np.arange(len(kept))
    return Segments(
        names=tuple(list(SEGMENT_JOINTS)[k] for k in kept),
        faces=tuple(closed[k] for k in kept),
        of_vertex=place[segment].astype(np.int32),
        foreign=_foreign(vertices, faces, segment, kept, far_m),
    )


def _segment_shares(skin_weights: np.ndarray, parents: Sequence[int]) -> np.ndarray:
    """(V, 10) how much of a vertex's skinning hangs on each segment."""
    of_joint: dict[int, int] = {}
    for number, joints in enumerate(SEGMENT_JOINTS.values()):
        of_joint |= dict.fromkeys(joints, number)
    for joint in range(len(parents)):
        if joint not in of_joint:
            of_joint[joint] = of_joint[int(parents[joint])]
    shares = np.zeros((len(skin_weights), len(SEGMENT_JOINTS)))
    for joint in range(len(parents)):
        shares[:, of_joint[joint]] += skin_weights[:, joint]
    return shares


def _foreign(
    vertices: np.ndarray, faces: np.ndarray, segment: np.ndarray, kept: Sequence[int], far_m: float
) -> np.ndarray:
    """(V, K) from distances along the mesh's edges; loose parts (eyeballs) are foreign to nothing."""
    graph = _edge_graph(vertices, faces)
    _, part = connected_components(graph, directed=False)
    body = part == np.bincount(part).argmax()
    foreign = np.zeros((len(vertices), len(kept)), bool)
    for column, k in enumerate(kept):
        sources = np.flatnonzero((segment == k) & body)
        if len(sources):
            way = dijkstra(graph, directed=False, indices=sources, limit=far_m, min_only=True)
            foreign[:, column] = body & ~(way < far_m) & ~np.isin(segment, _across_hinges(k))
    return foreign


def _across_hinges(segment: int) -> list[int]:
    names = list(SEGMENT_JOINTS)
    pairs = [(names.index(a), names.index(b)) for a, b in _HINGES]
    return [b for a, b in pairs if a == segment] + [a for a, b in pairs if b == segment]


def _edge_graph(vertices: np.ndarray, faces: np.ndarray) -> csr_matrix:
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    size = (len(vertices), len(vertices))
    return csr_matrix((np.maximum(lengths, 1e-9), (edges[:, 0], edges[:, 1])), shape=size)
